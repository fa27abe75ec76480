"""git, asked so that nothing in a workspace's repository can make it run a program.

Only `rev-parse` reads the repository's own configuration. Everything else happens in a repository of ours
that borrows its objects: that one has no hooks, filters, file-system monitor or remotes, whatever theirs
says.
"""

import asyncio
import os
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mesh_workspace_analyzer.adapters.folders import Repository
from mesh_workspace_analyzer.adapters.processes import Output, OutputLimitExceeded, run
from mesh_workspace_analyzer.domain.affected import Change
from mesh_workspace_analyzer.errors import AnalysisTimedOut, WorkspaceUnreadable

MAX_ANSWER_BYTES = 64 << 20
# git reads a reference whole, and a link in a repository can make it one without an end.
MAX_MEMORY_BYTES = 1 << 30
ENVIRONMENT = {
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_LITERAL_PATHSPECS": "1",
    # A partial clone fetches what it lacks by any command that its configuration names. Not here.
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",
    # The owner of a workspace need not be who we run as; none of them is trusted with anything anyway.
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "safe.directory",
    "GIT_CONFIG_VALUE_0": "*",
}
_CONFIG = """[core]
\trepositoryformatversion = {version}
\tbare = false
\tsymlinks = false
\thooksPath = /dev/null
\tfsmonitor = false
\tattributesFile = /dev/null
\texcludesFile = /dev/null
{extensions}"""
_SHA256 = "[extensions]\n\tobjectFormat = sha256\n"
LINK, SUBMODULE = "120000", "160000"


class GitRefused(Exception):
    """git ended with an error; the text is the end of what it said."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file in a tree. `path` is bytes, as git has it: it need not be UTF-8."""

    mode: str
    size_bytes: int
    path: bytes
    sha: str = ""


@dataclass(frozen=True, slots=True)
class Git:
    """A repository of ours."""

    git_dir: Path
    timeout_s: float

    async def ask(
        self,
        *arguments: str | Path,
        git_dir: Path | None = None,
        given: bytes = b"",
        extra: Mapping[str, str] | None = None,
        largest_file_bytes: int | None = None,
    ) -> bytes:
        """What git answers; no file that it writes is larger.

        Raises `GitRefused`, `AnalysisTimedOut` or `WorkspaceUnreadable`.
        """
        program = shutil.which("git") or "git"
        output = Output(MAX_ANSWER_BYTES, MAX_ANSWER_BYTES)
        errors = Output(MAX_ANSWER_BYTES, kept_bytes=2000)
        try:
            code = await run(
                [*_bounded(largest_file_bytes), program, f"--git-dir={git_dir or self.git_dir}", *arguments],
                cwd=self.git_dir,
                env=ENVIRONMENT | dict(extra or {}),
                timeout_s=self.timeout_s,
                output=output,
                errors=errors,
                given=given,
            )
        except TimeoutError:
            raise AnalysisTimedOut(self.timeout_s) from None
        except OutputLimitExceeded:
            raise WorkspaceUnreadable("The workspace has more files than git can list here.") from None
        if code != 0:
            raise GitRefused(errors.text.strip())
        return output.data

    async def _object(self, name: str, *, git_dir: Path | None = None) -> str | None:
        return await self.find("rev-parse", "--verify", "--quiet", "--end-of-options", name, git_dir=git_dir)

    async def find(self, *arguments: str | Path, git_dir: Path | None = None) -> str | None:
        """One line of answer, None when there is no such thing."""
        try:
            return (await self.ask(*arguments, git_dir=git_dir)).decode().strip()
        except GitRefused:
            return None

    async def commit_sha(self, theirs: Repository, ref: str) -> str | None:
        """The commit that a name stands for in the repository of the workspace."""
        return await self._object(f"{ref}^{{commit}}", git_dir=theirs.git_dir)

    async def is_shallow(self, theirs: Repository) -> bool:
        """True when the history of the workspace was cut off."""
        return await self.find("rev-parse", "--is-shallow-repository", git_dir=theirs.git_dir) == "true"

    async def tree(self, commit: str, folder: str) -> str | None:
        """The tree of a folder in a commit, `.` for the whole; None when the commit has no such folder."""
        if folder == ".":
            return await self._object(f"{commit}^{{tree}}")
        found = await self._object(f"{commit}:{folder}")
        return found and await self._object(f"{found}^{{tree}}")

    async def size_of_folder(self, folder: Path) -> tuple[int, int]:
        """Files and bytes of a folder that is in no commit, before anything of it is copied."""
        options = ("--others", "--exclude-standard", "-z")
        listed = await self.ask(f"--work-tree={folder}", "-C", folder, "ls-files", *options)
        paths = [path for path in listed.split(b"\0") if path]
        return len(paths), await asyncio.to_thread(_total_bytes, folder, paths)

    async def tree_of_folder(self, folder: Path) -> str:
        """The tree of a folder that is in no commit, without what its own ignore files name."""
        await self.ask(f"--work-tree={folder}", "add", "--all")
        return (await self.ask("write-tree")).decode().strip()

    async def empty_tree(self) -> str:
        """The tree without any file."""
        return (await self.ask("mktree")).decode().strip()

    async def merge_base(self, base: str, head: str) -> str:
        """Where head's way parted from base's; base itself when they have nothing in common, as Nx has it."""
        return await self.find("merge-base", base, head) or base

    async def changes(self, before: str, after: str) -> Iterator[Change]:
        """The files that differ between two trees."""
        options = ("-r", "-z", "--name-status", "--no-renames", "--no-ext-diff", "--no-textconv")
        fields = (await self.ask("diff-tree", *options, before, after)).split(b"\0")
        pairs = zip(fields[::2], fields[1::2], strict=False)
        return (Change(path.decode(errors="replace"), is_deleted=status == b"D") for status, path in pairs)

    async def entries(self, tree: str) -> list[Entry]:
        """The files of a tree."""
        lines = (await self.ask("ls-tree", "-r", "-z", "-l", "--full-tree", tree)).split(b"\0")
        return [_entry(line) for line in lines if line]

    async def contents(self, entries: Sequence[Entry]) -> list[bytes]:
        """What is in files of a tree, without a copy of any."""
        wanted = b"".join(entry.sha.encode() + b"\n" for entry in entries)
        answer = memoryview(await self.ask("cat-file", "--batch", "--buffer", given=wanted))
        return list(_parts(answer, entries))

    async def uncommitted(self, theirs: Repository, folder: str) -> int:
        """How many files of `folder` differ from our HEAD or are in no commit. Raises `GitRefused`."""
        index = self.git_dir.parent / "theirs.index"
        await asyncio.to_thread(_copy_index, theirs.git_dir / "index", index)
        options = ("--porcelain", "-z", "--no-renames", "--ignore-submodules=all", "--untracked-files=all")
        answer = await self.ask(
            f"--work-tree={theirs.top}",
            "-C",
            theirs.top,
            "status",
            *options,
            "--",
            folder,
            extra={"GIT_INDEX_FILE": str(index)},
        )
        return answer.count(b"\0")

    async def write_files(self, tree: str, entries: list[Entry], target: Path, *, with_links: bool) -> None:
        """Writes files of a tree into a folder. git itself refuses names such as `..` and `.git`."""
        await asyncio.to_thread(target.mkdir, parents=True)
        await self.ask("read-tree", tree)
        await self.ask(
            "-c",
            f"core.symlinks={str(with_links).lower()}",
            f"--work-tree={target}",
            "checkout-index",
            "-z",
            "--stdin",
            f"--prefix={target}/",
            given=b"".join(entry.path + b"\0" for entry in entries),
        )


def _bounded(largest_file_bytes: int | None) -> tuple[str, ...]:
    """What stands before a command. A shell counts memory in KiB, and files in blocks of 512 bytes."""
    files = "" if largest_file_bytes is None else f"ulimit -f {-(-largest_file_bytes // 512)}; "
    return "/bin/sh", "-c", f'ulimit -d {MAX_MEMORY_BYTES // 1024}; {files}exec "$@"', "git"


def _parts(answer: memoryview, entries: Sequence[Entry]) -> Iterator[bytes]:
    """Each object is a line that ends with its size, the contents, and a line break (git-cat-file(1))."""
    start = 0
    for entry in entries:
        start += len(f"{entry.sha} blob {entry.size_bytes}\n")
        yield bytes(answer[start : start + entry.size_bytes])
        start += entry.size_bytes + 1


def _total_bytes(folder: Path, paths: list[bytes]) -> int:
    total = 0
    for path in paths:
        with suppress(FileNotFoundError):  # it was there a moment ago
            total += os.lstat(os.path.join(os.fsencode(folder), path)).st_size
    return total


def _copy_index(index: Path, copy: Path) -> None:
    """Raises `GitRefused` for what no git would have written there, such as a link to an endless device."""
    found = index.lstat()
    if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_ANSWER_BYTES:
        raise GitRefused("the index is no file that git would have written")
    shutil.copyfile(index, copy, follow_symlinks=False)


def _entry(line: bytes) -> Entry:
    facts, _, path = line.partition(b"\t")
    mode, _, sha, size = facts.decode().split()
    if size == "BAD":
        raise GitRefused(f"the contents of {path.decode(errors='replace')} are missing")
    return Entry(mode, 0 if size == "-" else int(size), path, sha)


async def borrowing(theirs: Repository | None, home: Path, timeout_s: float) -> Git:
    """A new repository in `home` that has the objects of another one, and nothing else of it."""
    git = Git(home / "git", timeout_s)
    info = git.git_dir / "objects" / "info"
    info.mkdir(parents=True)
    (git.git_dir / "refs").mkdir()
    (git.git_dir / "info").mkdir()
    (git.git_dir / "info" / "exclude").write_text("node_modules\n.nx\n")
    (git.git_dir / "HEAD").write_text("ref: refs/heads/none\n")
    (git.git_dir / "config").write_text(_CONFIG.format(version=0, extensions=""))
    if theirs is not None:
        (info / "alternates").write_bytes(os.fsencode(theirs.objects) + b"\n")
        if await git.find("rev-parse", "--show-object-format", git_dir=theirs.git_dir) == "sha256":
            (git.git_dir / "config").write_text(_CONFIG.format(version=1, extensions=_SHA256))
    return git
