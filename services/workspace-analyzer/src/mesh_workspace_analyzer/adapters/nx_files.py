"""The two files of Nx that we read: `nx.json`, and what `nx graph --file` writes."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from mesh_workspace_analyzer.adapters.documents import MAX_BYTES, json_object, strict_json_object
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
UNKNOWN_FORM = "Nx describes the projects in a way that is not known here"

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


@dataclass(frozen=True, slots=True)
class Configuration:
    """What matters of an `nx.json` beside what Nx itself still reads of it."""

    named_inputs: Mapping[str, Inputs]
    gaps: tuple[str, ...]


def defuse(folder: Path) -> Configuration:
    """Rewrites the `nx.json` of a copy so that it starts no program. Raises `BrokenProjectConfiguration`."""
    if (folder / "package.json").exists():
        _members(
            folder / "package.json", strict_json_object
        )  # a broken one makes Nx say that Nx is not installed
    members = _members(folder / "nx.json", json_object)
    config = configuration(members)
    kept = {name: value for name, value in members.items() if name in HARMLESS}
    if members.get("extends") in PRESETS:
        kept["extends"] = members["extends"]
    (folder / "nx.json").write_text(json.dumps(kept))
    return config


def configuration(members: Mapping[str, Any]) -> Configuration:
    """What an `nx.json` says. Raises `BrokenProjectConfiguration`."""
    try:
        config = msgspec.convert(members, _NxJson)
    except msgspec.ValidationError as error:
        raise BrokenProjectConfiguration(f"nx.json: {error}") from None
    return Configuration(config.named_inputs, tuple(_gaps(config)))


def _members(path: Path, parse: Callable[[str, str], dict[str, Any]]) -> dict[str, Any]:
    if path.stat().st_size > MAX_BYTES:
        raise BrokenProjectConfiguration(f"{path.name}: more than {MAX_BYTES} bytes")
    return parse(path.name, path.read_text("utf-8-sig", errors="replace"))


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


def graph(text: bytes, config: Configuration, folder: Path) -> ProjectGraph:
    """What `nx graph --file` wrote, in our words. Raises `BrokenProjectConfiguration`."""
    try:
        members = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BrokenProjectConfiguration(f"{UNKNOWN_FORM}: {error}") from None
    return described(members.get("graph"), config, [name for name in TSCONFIGS if (folder / name).exists()])


def described(members: object, config: Configuration, tsconfigs: Sequence[str]) -> ProjectGraph:
    """Nodes and dependencies of Nx, in our words. Raises `BrokenProjectConfiguration`."""
    try:
        found = msgspec.convert(members, type=_Graph)
    except msgspec.ValidationError as error:
        raise BrokenProjectConfiguration(f"{UNKNOWN_FORM}: {error}") from None
    edges = {
        (e.source, e.target, e.type)
        for edges in found.dependencies.values()
        for e in edges
        if e.source in found.nodes and e.target in found.nodes  # else it is an installed package
    }
    return ProjectGraph(
        projects=tuple(_project(name, found.nodes[name], config) for name in sorted(found.nodes)),
        dependencies=tuple(Dependency(*edge) for edge in sorted(edges)),
        global_files=(*GLOBAL_FILES, *tsconfigs[:1]),
        gaps=config.gaps,
    )


def _project(name: str, node: _Node, config: Configuration) -> Project:
    named = {**config.named_inputs, **node.data.named_inputs}
    globs = {glob for target in node.data.targets.values() for glob in _outside(target.inputs, named)}
    return Project(
        name=name,
        root=node.data.root,
        kind=node.type,
        tags=tuple(node.data.tags),
        targets=tuple(
            Target(name, depends_on(target.depends_on), target.cache)
            for name, target in sorted(node.data.targets.items())
        ),
        workspace_inputs=tuple(sorted(globs)),
    )


def _outside(inputs: Inputs, named: Mapping[str, Inputs]) -> Iterator[str]:
    """The globs of files of the whole workspace, through named inputs, which may name each other."""
    waiting, seen = list(inputs), set[str]()
    while waiting:
        fileset = _fileset(waiting.pop())
        if fileset in seen:
            continue
        seen.add(fileset)
        if fileset in named:
            waiting.extend(named[fileset])
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
