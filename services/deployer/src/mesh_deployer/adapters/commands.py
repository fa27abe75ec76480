"""`mesh sdl`: the compiler for the shell, offline. Its service need not run, and none of it is loaded.

`mesh` finds it by the entry point in the group `mesh.commands`: a function that takes the words and returns
the exit code.
"""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mesh_deployer.domain.issues import Issue
from mesh_deployer.domain.manifest import group_specs, manifest
from mesh_deployer.domain.sdl import Compilation, compile_sdl
from mesh_deployer.domain.tree import MAX_BYTES


def sdl(words: Sequence[str]) -> int:
    """Runs `mesh sdl WORDS`: 0 when every file was compiled, 1 when one was not, 2 for a wrong call."""
    asked = _parser().parse_args(words)
    compilations = {file: _compiled(file) for file in asked.files}
    show = _as_json if asked.json else _as_text
    for file, compilation in compilations.items():
        sys.stdout.write(f"{show(file, compilation)}\n")
    return int(not all(compilation.ok for compilation in compilations.values()))


def _parser() -> ArgumentParser:
    parser = ArgumentParser("mesh sdl", description="Akash's SDL, offline.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    compiling = commands.add_parser("compile", help="compile SDL 2.0 and 2.1 into manifest, groups and hash")
    compiling.add_argument("files", nargs="+", metavar="FILE", help="an SDL of at most 64 KiB")
    compiling.add_argument("--json", action="store_true", help="print one object a line for each file")
    return parser


def _compiled(file: str) -> Compilation:
    try:
        with Path(file).open("rb") as stream:
            return compile_sdl(stream.read(MAX_BYTES + 1))
    except (OSError, ValueError) as error:
        reason = (
            error.strerror if isinstance(error, OSError) and error.strerror else "No file has such a name"
        )
        return Compilation(
            (), None, (Issue("", "unreadable", f"{reason}.", "Name a file that can be read."),)
        )


def _as_json(file: str, compilation: Compilation) -> str:
    answer: dict[str, Any] = {"file": file, "ok": compilation.ok}
    if compilation.ok:
        answer["version_hash"] = compilation.version_hash
        answer["manifest"] = manifest(compilation.groups)
        answer["groups"] = group_specs(compilation.groups)
    answer["issues"] = [_issue(issue) for issue in compilation.issues]
    return json.dumps(answer)


def _issue(issue: Issue) -> dict[str, str]:
    return {
        "path": issue.path,
        "code": issue.code,
        "message": issue.message,
        "hint": issue.hint,
        "severity": issue.severity,
    }


def _as_text(file: str, compilation: Compilation) -> str:
    verdict = f"sha256 {compilation.version_hash}" if compilation.ok else "not compiled"
    lines = [
        f"{i.severity:8} {i.path or '(document)'}: {i.message} {i.hint}".rstrip() for i in compilation.issues
    ]
    shown = "\n  ".join([f"{file}: {verdict}", *lines])
    return shown.encode(sys.stdout.encoding or "ascii", "backslashreplace").decode(
        sys.stdout.encoding or "ascii"
    )
