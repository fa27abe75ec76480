"""Our own Nx: reads a copy of a workspace without running its code; or with it, or builds one.

Reading without it is Nx's core only. `plugins` are stripped, because a plugin is a program of the workspace
that Nx runs as soon as it starts; so is everything of `nx.json` that can bring one back. Nx finds no git, no
package manager and nothing of our environment.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path

import msgspec
from mesh_shared.errors import MeshError, Unavailable

from mesh_workspace_analyzer.adapters import nx_files
from mesh_workspace_analyzer.adapters.documents import json_object
from mesh_workspace_analyzer.adapters.folders import stores
from mesh_workspace_analyzer.adapters.git import ENVIRONMENT as GIT_ENVIRONMENT
from mesh_workspace_analyzer.adapters.nx_files import Configuration
from mesh_workspace_analyzer.adapters.processes import Output, OutputLimitExceeded, run, without_paths
from mesh_workspace_analyzer.adapters.sandbox import Bubblewrap
from mesh_workspace_analyzer.domain.build import BuildOutcome
from mesh_workspace_analyzer.domain.graph import ProjectGraph
from mesh_workspace_analyzer.errors import (
    AnalysisTimedOut,
    BrokenProjectConfiguration,
    DuplicateProjectNames,
    NotAnNxWorkspace,
)
from mesh_workspace_analyzer.ports import Source

PACKAGES = ("nx", "typescript")
MAX_SAID_BYTES = 4 << 20
TAIL_BYTES = 8 << 10
MAX_GRAPH_BYTES = 64 << 20
MAX_DETAIL = 600
PARALLEL = 3
# nx 24 exits with 0 and writes what it could make of a broken workspace; only this on stderr tells.
PARTIAL = "occurred while processing the project graph"
DUPLICATES = "are defined in multiple locations"
QUIET = {
    "CI": "true",
    "NO_COLOR": "1",
    "NX_DAEMON": "false",
    "NX_NO_CLOUD": "true",
    "NX_TUI": "false",
    "NX_SKIP_NATIVE_FILE_CACHE": "true",
}
READING = {
    "NX_LOAD_DOT_ENV_FILES": "false",
    "NX_CACHE_PROJECT_GRAPH": "false",
    # Only Nx's own plugins are left, and those need no processes of their own: 0.5 s instead of 1.1 s.
    "NX_ISOLATE_PLUGINS": "false",
}


class _Package(msgspec.Struct):
    version: str
    bin: dict[str, str]


@dataclass(slots=True, kw_only=True)
class NxTool:
    """Implements `ports.Tool` with the nx and typescript of `modules`."""

    modules: Path
    timeout_s: float
    build_timeout_s: float
    max_build_output_bytes: int
    sandbox: Bubblewrap | None = None
    """Where builds and plugins run; without one builds run with our rights."""
    _versions: dict[str, str] = field(default_factory=dict[str, str])

    async def versions(self) -> dict[str, str]:
        """The programs that read a workspace. Raises `Unavailable` when one of them is not there.

        typescript is one of them: without it Nx leaves dependencies out, and says nothing.
        """
        if not self._versions:
            packages = {name: self._package(name) for name in PACKAGES}
            self._versions = packages | {name: await version(name) for name in ("node", "git")}
        return self._versions

    async def graph(self, folder: Path) -> ProjectGraph:
        """The projects in a copy for reading; runs none of its code.

        Raises `BrokenProjectConfiguration`, `DuplicateProjectNames` or `AnalysisTimedOut`.
        """
        config = nx_files.defuse(folder)
        self._install(folder)
        beside = _beside(folder)
        (beside / "node").symlink_to(_program("node"))
        target, said = beside / "graph.json", Output(MAX_SAID_BYTES, MAX_SAID_BYTES)
        environment = QUIET | READING | {"PATH": str(beside), "HOME": str(beside), "TMPDIR": str(beside)}
        argv = _argv(folder, ["graph", f"--file={target}"])
        running = run(argv, cwd=folder, env=environment, timeout_s=self.timeout_s, output=said)
        await self._told(running, said, folder)
        return await asyncio.to_thread(nx_files.graph, target.read_bytes(), config, folder)

    async def build(
        self, folder: Path, *, base: str | None, head: str | None, heard: Callable[[bytes], None]
    ) -> BuildOutcome:
        """See `ports.Tool.build`."""
        what = ["affected", f"--base={base}", f"--head={head}"] if base and head else ["run-many"]
        # Streamed, because otherwise Nx keeps what tasks write, and dies of it.
        command = [*what, "-t", "build", f"--parallel={PARALLEL}", "--output-style=stream"]
        log = Output(self.max_build_output_bytes, TAIL_BYTES, heard)
        try:
            code = await self._with_its_code(folder, command, {}, self.build_timeout_s, log)
        except TimeoutError:
            return BuildOutcome(False, f"{log.text}\nStopped after {self.build_timeout_s:g} s.")
        except OutputLimitExceeded:
            return BuildOutcome(False, f"{log.text}\nStopped after {log.limit_bytes} bytes of output.")
        return BuildOutcome(code == 0, log.text)

    async def full_graph(self, folder: Path, config: Configuration) -> ProjectGraph:
        """The projects as the workspace's plugins describe them. Runs the workspace's code.

        Raises as `graph` does.
        """
        place = _beside(folder) / "graph.json"
        command, said = ["graph", f"--file={place}"], Output(MAX_SAID_BYTES, MAX_SAID_BYTES)
        await self._told(self._with_its_code(folder, command, READING, self.timeout_s, said), said, folder)
        return await asyncio.to_thread(lambda: nx_files.graph(left(place), config, folder))

    async def _told(self, running: Awaitable[int], said: Output, folder: Path) -> None:
        """Waits for Nx to have described the projects. Raises as `graph` does."""
        try:
            code = await running
        except TimeoutError:
            raise AnalysisTimedOut(self.timeout_s) from None
        except OutputLimitExceeded:
            raise BrokenProjectConfiguration("Nx did not stop complaining about the workspace.") from None
        if code != 0 or PARTIAL in said.text:
            raise _complaint(said.text, folder)

    async def _with_its_code(
        self, folder: Path, command: Sequence[str], more: dict[str, str], timeout_s: float, said: Output
    ) -> int:
        """Runs Nx in a copy for a build, with the packages that the workspace has installed, or with ours."""
        if not (folder / "node_modules").exists():
            self._install(folder)
        beside = str(_beside(folder))
        path = f"{_program('node').parent}:{_program('git').parent}:/usr/bin:/bin"
        environment = GIT_ENVIRONMENT | QUIET | more | {"PATH": path, "HOME": beside, "TMPDIR": beside}
        argv = _argv(folder, command)
        if self.sandbox is not None:
            readable = dict(self._needed(folder, self.sandbox.scratch))
            argv = self.sandbox.argv(argv, inside=folder, readable=readable)
        return await run(argv, cwd=folder, env=environment, timeout_s=timeout_s, output=said)

    def _needed(self, folder: Path, scratch: Path) -> Iterator[tuple[Path, Path]]:
        """What a build reads beside its copy: packages, programs, and the objects that its git borrows.

        Packages that the workspace has installed are seen in the copy, so that those of them that are links
        to its projects lead to projects of the copy.
        """
        for path in (self.modules.resolve(), _program("node").parents[1]):
            yield path, path
        if (modules := folder / "node_modules").is_symlink():
            installed = modules.resolve()
            modules.unlink()
            modules.mkdir()
            yield modules, installed
        for top in (folder, *folder.parents):
            if top == scratch:
                return
            if (pointer := top / ".git").is_file():
                git_dir = Path(pointer.read_text().removeprefix("gitdir:").strip())
                yield from ((store, store) for store in stores(git_dir / "objects"))
                return

    def _package(self, name: str) -> str:
        try:
            return msgspec.json.decode(
                (self.modules / name / "package.json").read_bytes(), type=_Package
            ).version
        except (OSError, msgspec.MsgspecError):
            raise Unavailable("nx") from None

    def _install(self, folder: Path) -> None:
        """Gives a copy our packages and no others."""
        modules = folder / "node_modules"
        (modules / ".bin").mkdir(parents=True)
        for name in PACKAGES:
            (modules / name).symlink_to((self.modules / name).resolve())
        (modules / ".bin" / "tsc").symlink_to(modules / "typescript" / "bin" / "tsc")


def _argv(folder: Path, command: Sequence[str]) -> list[str | Path]:
    package = folder / "node_modules" / "nx"
    try:
        entry = msgspec.json.decode((package / "package.json").read_bytes(), type=_Package).bin["nx"]
    except (OSError, msgspec.MsgspecError, KeyError):
        raise BrokenProjectConfiguration(
            "The workspace has packages installed, and no nx among them: let its package manager do that."
        ) from None
    return [_program("node"), package / entry, *command]


def _beside(folder: Path) -> Path:
    """A new folder where whoever reads or builds that one may write."""
    return Path(tempfile.mkdtemp(dir=folder.parent)).resolve()


def left(place: Path) -> bytes:
    """What a program of strangers has left; all of its processes have ended. A link may lead anywhere.

    Raises `BrokenProjectConfiguration`.
    """
    if place.resolve() != place or not place.is_file() or place.stat().st_size > MAX_GRAPH_BYTES:
        raise BrokenProjectConfiguration("Nx wrote no description of the projects, or one that is too large.")
    return place.read_bytes()


def _program(name: str) -> Path:
    """Where a program really is. Raises `Unavailable`."""
    if (found := shutil.which(name)) is None:
        raise Unavailable(name)
    return Path(found).resolve()


@dataclass(frozen=True, slots=True)
class NxReader:
    """Implements `ports.Reader`: our Nx reads a copy."""

    tool: NxTool

    async def versions(self) -> dict[str, str]:
        """See `ports.Reader.versions`. Raises `Unavailable`."""
        return await self.tool.versions()

    async def graph(self, source: Source) -> ProjectGraph:
        """See `ports.Reader.graph`."""
        return await self.tool.graph(await source.copy(for_build=False))


@dataclass(frozen=True, slots=True)
class NxFullReader:
    """Implements `ports.Reader`: the workspace's own Nx, or ours, with its plugins, in the sandbox."""

    tool: NxTool

    async def versions(self) -> dict[str, str]:
        """See `ports.Reader.versions`. Raises `Unavailable`."""
        versions = await self.tool.versions()
        return versions | {name: f"{versions[name]}, or the workspace's own" for name in PACKAGES}

    async def graph(self, source: Source) -> ProjectGraph:
        """See `ports.Reader.graph`. Raises `NotAnNxWorkspace`."""
        texts = await source.texts(["nx.json"])  # not from the copy, where it may be a link that leads out
        if "nx.json" not in texts:
            raise NotAnNxWorkspace
        config = nx_files.configuration(json_object("nx.json", texts["nx.json"]))
        return await self.tool.full_graph(await source.copy(for_build=True), replace(config, gaps=()))


async def version(name: str) -> str:
    said = Output(1000, 1000)
    await run([_program(name), "--version"], cwd=Path("/"), env={}, timeout_s=10, output=said, given=b"")
    return said.text.split()[-1].removeprefix("v")


def _complaint(said: str, folder: Path) -> MeshError:
    """What Nx finds wrong, without our folders and its stack trace."""
    lines = (line.strip() for line in said.replace(f"{folder}/", "").replace(str(folder), ".").splitlines())
    told = takewhile(lambda line: not line.startswith(("at ", "Require stack")), lines)
    text = without_paths(" ".join(" ".join(told).split()).removeprefix("NX "))[:MAX_DETAIL]
    return (DuplicateProjectNames if DUPLICATES in said else BrokenProjectConfiguration)(text)
