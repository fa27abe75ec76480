"""The two files of Nx that we read: `nx.json`, and what `nx graph --file` writes."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from mesh_workspace_analyzer.domain.graph import Dependency, DependencyKind, Project, ProjectGraph
from mesh_workspace_analyzer.domain.targets import Target, depends_on
from mesh_workspace_analyzer.errors import BrokenProjectConfiguration

# Data only. Left out are plugins, generators, task runners and installations, which are programs, and the
# keys of Nx Cloud. What a file adds by `extends` would slip past, so only Nx's own presets may be extended.
HARMLESS = frozenset(
    {
        "affected",
        "defaultBase",
        "implicitDependencies",
        "namedInputs",
        "npmScope",
        "pluginsConfig",
        "projects",
        "targetDefaults",
        "workspaceLayout",
    }
)
PRESETS = frozenset({"nx/presets/core.json", "nx/presets/npm.json"})
ROOT = "{workspaceRoot}/"
# A changed lock file affects everything: nx 24, AUTO_AFFECTED_LOCK_FILES.
GLOBAL_FILES = (
    "bun.lock",
    "bun.lockb",
    "nx.json",
    "package-lock.json",
    "package.json",
    "pnpm-lock.yaml",
    "pnpm-lock.yml",
    "yarn.lock",
)
# The first of them is the one whose paths Nx resolves imports with.
TSCONFIGS = ("tsconfig.base.json", "tsconfig.json")
MAX_CONFIG_BYTES = 1 << 20
# What is not closed goes to the end, so that no part of a hostile file is looked at twice.
_TEXT = r'("(?:\\.|[^"\\])*"?)'
_COMMENT = re.compile(rf"{_TEXT}|//[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)
_TRAILING_COMMA = re.compile(rf"{_TEXT}|,(?=\s*[}}\]])")

Inputs = list[Any]


class _Plugin(msgspec.Struct):
    plugin: str


class _NxJson(msgspec.Struct, rename="camel"):
    plugins: list[str | _Plugin] = []
    named_inputs: dict[str, Inputs] = {}
    extends: str = ""


class _Target(msgspec.Struct, rename="camel"):
    inputs: Inputs = []
    depends_on: list[Any] = []
    cache: bool = False


class _Data(msgspec.Struct, rename="camel"):
    root: str
    tags: list[str] = []
    targets: dict[str, _Target] = {}
    named_inputs: dict[str, Inputs] = {}


class _Node(msgspec.Struct):
    name: str
    type: str
    data: _Data


class _Edge(msgspec.Struct):
    source: str
    target: str
    type: DependencyKind


class _Graph(msgspec.Struct):
    nodes: dict[str, _Node]
    dependencies: dict[str, list[_Edge]]


class _File(msgspec.Struct):
    graph: _Graph


@dataclass(frozen=True, slots=True)
class Configuration:
    """What matters of an `nx.json` beside what Nx itself still reads of it."""

    named_inputs: Mapping[str, Inputs]
    gaps: tuple[str, ...]


def defuse(folder: Path) -> Configuration:
    """Rewrites the `nx.json` of a copy so that it starts no program. Raises `BrokenProjectConfiguration`."""
    if (folder / "package.json").exists():
        _members(folder / "package.json", str)  # a broken one makes Nx say that Nx is not installed
    members = _members(folder / "nx.json", _without_comments)
    try:
        config = msgspec.convert(members, _NxJson)
    except msgspec.ValidationError as error:
        raise BrokenProjectConfiguration(f"nx.json: {error}") from None
    kept = {name: value for name, value in members.items() if name in HARMLESS}
    if config.extends in PRESETS:
        kept["extends"] = config.extends
    (folder / "nx.json").write_text(json.dumps(kept))
    return Configuration(config.named_inputs, tuple(_gaps(config)))


def _members(path: Path, clean: Callable[[str], str]) -> dict[str, Any]:
    if path.stat().st_size > MAX_CONFIG_BYTES:
        raise BrokenProjectConfiguration(f"{path.name}: more than {MAX_CONFIG_BYTES} bytes")
    try:
        text = clean(path.read_text("utf-8-sig", errors="replace"))
        return msgspec.convert(json.loads(text), dict[str, Any])
    except (ValueError, RecursionError, msgspec.ValidationError) as error:
        raise BrokenProjectConfiguration(f"{path.name}: {error}") from None


def _gaps(config: _NxJson) -> Iterator[str]:
    if names := [entry if isinstance(entry, str) else entry.plugin for entry in config.plugins]:
        # JSON can name what no text in UTF-8 can: half of a surrogate pair.
        told = ", ".join(names)[:200].encode(errors="replace").decode()
        yield (
            f"Plugins of the workspace were not run ({told}): "
            "targets and dependencies that they add are missing."
        )
    if config.extends and config.extends not in PRESETS:
        yield "What nx.json extends was not read, because it can name programs."


def _without_comments(text: str) -> str:
    """JSON as Nx takes it has comments and trailing commas."""
    return _TRAILING_COMMA.sub(_kept, _COMMENT.sub(_kept, text))


def _kept(match: re.Match[str]) -> str:
    return match[1] or ""


def graph(text: bytes, config: Configuration, folder: Path) -> ProjectGraph:
    """What `nx graph --file` wrote, in our words. Raises `BrokenProjectConfiguration`."""
    try:
        found = msgspec.json.decode(text, type=_File).graph
    except msgspec.MsgspecError as error:
        raise BrokenProjectConfiguration(
            f"Nx describes the projects in a way that is not known here: {error}"
        ) from None
    edges = {
        (e.source, e.target, e.type)
        for edges in found.dependencies.values()
        for e in edges
        if e.source in found.nodes and e.target in found.nodes  # else it is an installed package
    }
    return ProjectGraph(
        projects=tuple(_project(found.nodes[name], config) for name in sorted(found.nodes)),
        dependencies=tuple(Dependency(*edge) for edge in sorted(edges)),
        global_files=(*GLOBAL_FILES, *[name for name in TSCONFIGS if (folder / name).exists()][:1]),
        gaps=config.gaps,
    )


def _project(node: _Node, config: Configuration) -> Project:
    named = {**config.named_inputs, **node.data.named_inputs}
    globs = {glob for target in node.data.targets.values() for glob in _outside(target.inputs, named, ())}
    return Project(
        name=node.name,
        root=node.data.root,
        kind=node.type,
        tags=tuple(node.data.tags),
        targets=tuple(
            Target(name, depends_on(target.depends_on), target.cache)
            for name, target in sorted(node.data.targets.items())
        ),
        workspace_inputs=tuple(sorted(globs)),
    )


def _outside(inputs: Inputs, named: Mapping[str, Inputs], seen: tuple[str, ...]) -> Iterator[str]:
    """The globs of files of the whole workspace, through named inputs, which may name each other."""
    for given in inputs:
        fileset = _fileset(given)
        if fileset in named and fileset not in seen:
            yield from _outside(named[fileset], named, (*seen, fileset))
        elif fileset.startswith(ROOT):
            yield fileset.removeprefix(ROOT)


def _fileset(given: Any) -> str:
    """The glob or the name of an input; empty for inputs that are no files."""
    match given:
        case str():
            return given
        case {"fileset": str(glob)}:
            return glob
        case _:
            return ""
