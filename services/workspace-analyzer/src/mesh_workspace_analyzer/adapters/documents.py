"""Configuration files of a workspace: JSON with comments, YAML and TOML, none of them trusted."""

import json
import re
import tomllib
from collections.abc import Callable
from typing import Any

import msgspec
import yaml
from yaml.composer import Composer

from mesh_workspace_analyzer.errors import BrokenProjectConfiguration

MAX_BYTES = 1 << 20
MAX_KEY_STEPS = 4_000_000
"""Of a TOML file, see `key_steps`: about a second of CPU; a uv.lock of a megabyte has 300,000."""
# What is not closed goes to the end, so that no part of a hostile file is looked at twice.
_TEXT = r'("(?:\\.|[^"\\])*"?)'
_COMMENT = re.compile(rf"{_TEXT}|//[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)
_TRAILING_COMMA = re.compile(rf"{_TEXT}|,(?=\s*[}}\]])")
_HALF = re.compile(r"\\u[dD][89a-fA-F]")


class _Loader(Composer, yaml.CSafeLoader):
    """libyaml's parser under the composer in Python: that in C knows no limit of depth."""

    def __init__(self, text: str) -> None:
        yaml.CSafeLoader.__init__(self, text)
        Composer.__init__(self)


def json_object(name: str, text: str) -> dict[str, Any]:
    """An object as Nx and TypeScript take it, with comments and trailing commas.

    Raises `BrokenProjectConfiguration`, as do the others.
    """
    return _object(name, text, lambda text: _whole(text, _json(text)))


def strict_json_object(name: str, text: str) -> dict[str, Any]:
    """An object as package managers take it."""
    return _object(name, text, lambda text: _whole(text, json.loads(text)))


def yaml_object(name: str, text: str) -> dict[str, Any]:
    """A mapping; an empty file is an empty one. What aliases repeat is there once: nothing may copy it."""
    return _object(name, text, lambda text: yaml.load(text, _Loader) or {})  # noqa: S506 - a safe loader


def toml_object(name: str, text: str) -> dict[str, Any]:
    """The tables of a file."""
    return _object(name, text, _toml)


def table(value: object) -> dict[str, Any]:
    """The value where it is an object, else an empty one: what has another shape says nothing."""
    return value if isinstance(value, dict) else {}  # pyright: ignore[reportUnknownVariableType]


def items(value: object) -> list[Any]:
    """The value where it is a list, else an empty one."""
    return value if isinstance(value, list) else []  # pyright: ignore[reportUnknownVariableType]


def strings(value: object) -> list[str]:
    """The strings of a list, no others."""
    return [item for item in items(value) if isinstance(item, str)]


def string(value: object) -> str:
    """The value where it is a string, else an empty one."""
    return value if isinstance(value, str) else ""


def _object(name: str, text: str, parse: Callable[[str], object]) -> dict[str, Any]:
    if len(text) > MAX_BYTES:
        raise BrokenProjectConfiguration(f"{name}: more than {MAX_BYTES} bytes")
    try:
        return msgspec.convert(parse(text.removeprefix("\ufeff")), dict[str, Any])
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise BrokenProjectConfiguration(f"{name}: {' '.join(str(error).split())[:300]}") from None


def _whole(text: str, value: object) -> object:
    """JSON can name what no text in UTF-8 can, half of a surrogate pair: told as a question mark."""
    if not _HALF.search(text):
        return value
    return json.loads(json.dumps(value, ensure_ascii=False).encode(errors="replace"))


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return json.loads(_TRAILING_COMMA.sub(_kept, _COMMENT.sub(_kept, text)))


def key_steps(text: str) -> int:
    """How many parts of keys a reader of TOML goes over, at most; dots that are in no key are counted too.

    CPython's tomllib goes over the whole of a dotted key, and of its table's, for each of its parts.
    """
    lines = text.split("\n")
    parts = [line.count(".") + 1 for line in lines]
    tables = (own for own, line in zip(parts, lines, strict=True) if line.lstrip().startswith("["))
    table = max(tables, default=0)
    return sum(own * (own + table) for own in parts)


def _toml(text: str) -> object:
    if key_steps(text) > MAX_KEY_STEPS:
        raise ValueError("too many keys of too many parts")
    return tomllib.loads(text)


def _kept(match: re.Match[str]) -> str:
    return match[1] or ""
