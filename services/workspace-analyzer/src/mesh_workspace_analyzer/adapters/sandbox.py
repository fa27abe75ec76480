"""A room for the code of a workspace: no network, nothing of this machine but programs, and its own folder.

bubblewrap (bwrap(1)) makes it of Linux's namespaces. Where it cannot, nothing runs.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from mesh_workspace_analyzer.adapters.processes import Output, run

CHECK_S = 10.0
BLOCK_BYTES = 512
MAX_FILE_BYTES = 2 << 30
MAX_OPEN_FILES = 4096
MAX_MEMORY_BYTES = 4 << 30
"""What one process may allocate; a build of Nx's needs 220 MiB, docs/adr/0018."""
MAX_PROCESSES = 2048
"""In one room, threads included; Nx has 46 when it builds three projects at once."""
# Programs and what they need to start; no secrets, no configuration of services.
SYSTEM = (
    "/usr",
    "/bin",
    "/lib",
    "/lib64",
    "/sbin",
    "/etc/alternatives",
    "/etc/group",
    "/etc/ld.so.cache",
    "/etc/nsswitch.conf",
    "/etc/passwd",
)
ALONE = (
    "--unshare-all",
    "--die-with-parent",
    "--new-session",
    "--cap-drop",
    "ALL",
    "--uid",
    "65534",
    "--gid",
    "65534",
    "--hostname",
    "build",
)
# No core files; a largest file; so many open ones. Time, and all processes at its end, are the caller's.
FILES = f"ulimit -f {MAX_FILE_BYTES // BLOCK_BYTES}; ulimit -n {MAX_OPEN_FILES} 2>/dev/null"
MEMORY = f"ulimit -d {MAX_MEMORY_BYTES // 1024} 2>/dev/null"
# bash calls them -u, dash -p. Linux counts those of the room (5.14), and of the machine's root none.
PROCESSES = "{{ ulimit -u {most} || ulimit -p {most}; }} 2>/dev/null"


@dataclass(frozen=True, slots=True)
class Bubblewrap:
    """The rooms that the program `bwrap` makes, each around one folder of `scratch`."""

    scratch: Path
    program: str = "bwrap"
    most_processes: int = MAX_PROCESSES

    async def works(self) -> bool:
        """Whether rooms can be made here; the program may be missing, or the kernel may not let it."""
        if shutil.which(self.program) is None:
            return False
        home, said = Path("/"), Output(10_000, 1000)
        argv = self.argv(["/bin/true"], inside=self.scratch)
        try:
            return await run(argv, cwd=home, env={}, timeout_s=CHECK_S, output=said, given=b"") == 0
        except TimeoutError:
            return False

    def argv(
        self,
        command: Sequence[str | Path],
        *,
        inside: Path,
        readable: Mapping[Path, Path] = MappingProxyType({}),
    ) -> list[str]:
        """The command in a room, in a folder of scratch, whose topmost one it may write to.

        What else it may read are `readable`: places there, and what of here is seen in them.
        """
        parts = inside.relative_to(self.scratch).parts[:1]
        writable = self.scratch.joinpath(*parts)
        room = [shutil.which(self.program) or self.program, *ALONE, "--proc", "/proc", "--dev", "/dev"]
        room += [part for path in SYSTEM for part in ("--ro-bind-try", path, path)]
        room += ["--tmpfs", "/tmp"]  # noqa: S108 - its own
        room += ["--bind" if parts else "--ro-bind", str(writable), str(writable)]
        room += [part for there, here in readable.items() for part in ("--ro-bind", str(here), str(there))]
        return [*room, "--chdir", str(inside), "/bin/sh", "-c", self._limits(), "build", *map(str, command)]

    def _limits(self) -> str:
        return f'ulimit -c 0; {FILES}; {MEMORY}; {PROCESSES.format(most=self.most_processes)}; exec "$@"'
