"""Values that a file of JavaScript or TypeScript has as they stand, found without running it."""

import json
import re
from collections.abc import Collection, Iterator
from typing import Any

from mesh_workspace_analyzer.adapters.documents import json_object

COMMENT = r"//[^\n]*+|/\*.*?(?:\*/|\Z)"
QUOTED = r"""(?:"(?:[^"\\\n]|\\.)*+"|'(?:[^'\\\n]|\\.)*+')"""
_STRING = rf"(?:{QUOTED}|`(?:[^`\\$]|\\.)*+`)"
# What is escaped opens no string: else each of many would be looked through to the end of its line.
_COMMENTED = re.compile(rf"({_STRING}|\\.)|{COMMENT}", re.DOTALL)
_MEMBER = re.compile(rf"\\.|({_STRING})(\s*+:\s*+)?", re.DOTALL)
_PART = re.compile(
    rf"\s++|(?P<string>{_STRING})|(?P<key>[A-Za-z_$][\w$]*+(?=\s*:))|(?P<word>true|false|null|-?\d+)"
    r"|(?P<mark>[\[\]{},:])"
)
_ESCAPE = re.compile(r"\\(.)|\"", re.DOTALL)


class Computed(Exception):
    """The value is not there to be read: it is made when the file runs."""


def without_comments(text: str) -> str:
    """The text without its comments; what looks like one in a string is none."""
    return _COMMENTED.sub(lambda found: found[1] or " ", text)


def members(text: str, names: Collection[str]) -> Iterator[Any]:
    """The values of members with one of these names, in quotes, of a text without comments.

    Raises `Computed`, or `BrokenProjectConfiguration` for what has no end.
    """
    for found in _MEMBER.finditer(text):
        if found[2] and found[1][1:-1] in names:
            yield _literal(text, found.end())


def _literal(text: str, at: int) -> Any:
    """The value that begins there, of lists, objects, strings and numbers."""
    parts: list[str] = []
    depth = 0
    while (found := _PART.match(text, at)) is not None:
        at = found.end()
        match found.lastgroup:
            case "string":
                parts.append(_as_json(found[0][1:-1]))
            case "key":
                parts.append(f'"{found[0]}"')
            case "word" | "mark":
                parts.append(found[0])
                depth += (found[0] in "[{") - (found[0] in "]}")
            case _:
                continue
        if depth <= 0:
            return json_object("", f'{{"value": {"".join(parts)}}}').get("value")
    raise Computed


def _as_json(inside: str) -> str:
    r"""A string of JSON with what is in one of JavaScript, where `\d` is a `d`."""
    told = _ESCAPE.sub(_escape, inside)
    return f'"{told}"'.replace("\n", "\\n").replace("\t", "\\t")


def _escape(found: re.Match[str]) -> str:
    if found[1] is None:
        return '\\"'
    return found[0] if found[1] in '"\\/bfnrtu' else json.dumps(found[1])[1:-1]
