"""`mesh sdl`: the compiler for the shell, offline. Its service need not run, and none of it is loaded.

`mesh` finds it by the entry point in the group `mesh.commands`: a function that takes the words and returns
the exit code.
"""

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from mesh_deployer.domain import quantities
from mesh_deployer.domain.compose import Assumed, Conversion, convert
from mesh_deployer.domain.difference import Change, difference
from mesh_deployer.domain.issues import Issue
from mesh_deployer.domain.manifest import group_specs, manifest
from mesh_deployer.domain.sdl import Compilation, compile_sdl
from mesh_deployer.domain.tree import MAX_BYTES


def sdl(words: Sequence[str]) -> int:
    """Runs `mesh sdl WORDS`: 0 when all compiled, 1 when something did not, 2 for a wrong call."""
    asked = _parser().parse_args(words)
    return asked.run(asked)


def _parser() -> ArgumentParser:
    parser = ArgumentParser("mesh sdl", description="Akash's SDL, offline.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    compiling = commands.add_parser("compile", help="compile SDL 2.0 and 2.1 into manifest, groups and hash")
    compiling.add_argument("files", nargs="+", metavar="FILE", help="an SDL of at most 64 KiB")
    converting = commands.add_parser("convert", help="make an SDL of a compose file")
    converting.add_argument("file", metavar="FILE", help="a compose file of at most 64 KiB")
    converting.add_argument(
        "--set",
        action="append",
        default=[],
        type=_pair,
        metavar="NAME=VALUE",
        help="the value of a ${NAME} in the file",
    )
    converting.add_argument(
        "--image",
        action="append",
        default=[],
        type=_pair,
        metavar="SERVICE=IMAGE",
        help="the image of a service that the file builds",
    )
    converting.add_argument("--price", type=_price, metavar="UACT", help="the most per replica and block")
    comparing = commands.add_parser("diff", help="what is different, and whether the lease can stay")
    comparing.add_argument("before", metavar="BEFORE", help="an SDL")
    comparing.add_argument("after", metavar="AFTER", help="another")
    for command, run in ((compiling, _compile), (converting, _convert), (comparing, _compare)):
        command.add_argument("--json", action="store_true", help="print an object a line")
        command.set_defaults(run=run)
    return parser


def _compile(asked: Namespace) -> int:
    compilations = {file: _compiled(file) for file in asked.files}
    show = _as_json if asked.json else _as_text
    for file, compilation in compilations.items():
        _print(show(file, compilation))
    return int(not all(compilation.ok for compilation in compilations.values()))


def _convert(asked: Namespace) -> int:
    """The SDL on the standard output, findings beside it."""
    text = _read(asked.file)
    assumed = Assumed(price=asked.price, variables=dict(asked.set), images=dict(asked.image))
    conversion = Conversion(None, None, (text,)) if isinstance(text, Issue) else convert(text, assumed)
    if asked.json:
        issues = [_issue(issue) for issue in conversion.issues]
        _print(json.dumps({"file": asked.file, "ok": conversion.ok, "sdl": conversion.sdl, "issues": issues}))
        return int(not conversion.ok)
    for line in _lines(conversion.issues):
        sys.stderr.write(f"{_printable(line, sys.stderr.encoding)}\n")
    if conversion.sdl is not None:
        sys.stdout.write(conversion.sdl)
    return int(not conversion.ok)


def _compare(asked: Namespace) -> int:
    compiled = {file: _compiled(file) for file in (asked.before, asked.after)}
    if broken := {file: compilation for file, compilation in compiled.items() if not compilation.ok}:
        show = _as_json if asked.json else _as_text
        for file, compilation in broken.items():
            _print(show(file, compilation))
        return 1
    found = difference(compiled[asked.before], compiled[asked.after])
    if asked.json:
        changes = [change.told() for change in found.changes]
        _print(json.dumps({"carried_by": found.carried_by, "changes": changes}))
        return 0
    _print("\n".join([f"carried by: {found.carried_by}", *map(_change_line, found.changes)]))
    return 0


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ArgumentTypeError("write NAME=VALUE")
    return name, value


def _price(text: str) -> Decimal:
    try:
        return quantities.price(text)
    except quantities.NotAQuantity as error:
        raise ArgumentTypeError(error.hint) from None


def _read(file: str) -> bytes | Issue:
    """The file, or why it cannot be read; no more of it than is one byte too many."""
    try:
        with Path(file).open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = (
            error.strerror if isinstance(error, OSError) and error.strerror else "No file has such a name"
        )
        return Issue("", "unreadable", f"{reason}.", "Name a file that can be read.")


def _compiled(file: str) -> Compilation:
    text = _read(file)
    return Compilation((), None, (text,)) if isinstance(text, Issue) else compile_sdl(text)


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


def _change_line(change: Change) -> str:
    where = " ".join(part for part in (change.placement, change.service, change.what) if part)
    is_shown = change.before is not None or change.after is not None
    values = f": {change.before or 'none'} -> {change.after or 'none'}" if is_shown else ""
    return f"  {change.carried_by:10} {where}{values}"


def _lines(issues: Iterable[Issue]) -> list[str]:
    return [f"{i.severity:8} {i.path or '(document)'}: {i.message} {i.hint}".rstrip() for i in issues]


def _as_text(file: str, compilation: Compilation) -> str:
    verdict = f"sha256 {compilation.version_hash}" if compilation.ok else "not compiled"
    return "\n  ".join([f"{file}: {verdict}", *_lines(compilation.issues)])


def _print(text: str) -> None:
    sys.stdout.write(f"{_printable(text, sys.stdout.encoding)}\n")


def _printable(text: str, encoding: str | None) -> str:
    """What the terminal has no character for is spelled out."""
    return text.encode(encoding or "ascii", "backslashreplace").decode(encoding or "ascii")
