"""Nx's project graph from files alone, in the shape that `nx graph --file` writes."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mesh_workspace_analyzer.adapters import nx_files
from mesh_workspace_analyzer.adapters.documents import string, table
from mesh_workspace_analyzer.adapters.static import nx_projects, packages
from mesh_workspace_analyzer.adapters.static.imports import Import
from mesh_workspace_analyzer.adapters.static.locator import TSCONFIGS, Locator, locator
from mesh_workspace_analyzer.adapters.static.tree import PACKAGE, Tree, inside
from mesh_workspace_analyzer.domain.graph import DependencyKind, ProjectGraph

Imports = Mapping[str, Iterable[Import]]
Edge = tuple[str, str, DependencyKind]
# Without one of these in the root's package.json, nx 24 looks into no source file.
JS_PLUGINS = frozenset(
    f"@nx/{name}" for name in ("workspace", "js", "node", "next", "react", "angular", "web")
)


def looks_into_sources(tree: Tree) -> bool:
    """Whether Nx takes imports for dependencies in this workspace; its settings can say either (nx 24)."""
    root = tree.json(PACKAGE)
    needed = table(root.get("dependencies")).keys() | table(root.get("devDependencies")).keys()
    return _setting(tree, "analyzeSourceFiles", unset=bool(JS_PLUGINS & needed))


def _setting(tree: Tree, name: str, *, unset: bool) -> bool:
    given = table(table(tree.json("nx.json").get("pluginsConfig")).get("@nx/js"))
    return given.get(name, True) is True if given else unset


def graph(tree: Tree, imports: Imports) -> dict[str, Any]:
    """The nodes and dependencies. Raises `BrokenProjectConfiguration` or `DuplicateProjectNames`."""
    found = nx_projects.projects(tree, tree.json("nx.json"))
    where = locator(tree, found)
    edges = {edge for edge in (*_imported(imports, where), *_declared(tree, where)) if edge[0] != edge[1]}
    edges |= {
        (p["name"], needed, DependencyKind.IMPLICIT)
        for p in found.values()
        for needed in p["implicitDependencies"]
    }
    kept = [edge for edge in sorted(edges) if edge[1] not in found[edge[0]]["never"]]
    return {
        "nodes": {name: _node(project) for name, project in found.items()},
        "dependencies": _by_source(kept),
    }


def _imported(imports: Imports, where: Locator) -> Iterator[Edge]:
    for file, named in imports.items():
        if (source := where.owner(file)) is None:
            continue
        for name, kind in named:
            target = where.find(name, file)
            # Configuration files at the top would make everything need everything.
            if target is not None and (_is_root(source, where) or not _is_root(target, where)):
                yield source, target, kind


def _is_root(name: str, where: Locator) -> bool:
    return where.projects[name]["root"] == "."


def _declared(tree: Tree, where: Locator) -> Iterator[Edge]:
    """What each `package.json` says that it needs, as far as it is here."""
    if not _setting(tree, "analyzePackageJson", unset=PACKAGE in tree.texts):
        return
    here = nx_projects.packages_of(where.projects.values())
    for root, source in where.by_root.items():
        path = inside(root, PACKAGE)
        for name, wanted in packages.needs(tree.json(path)).items():
            target = here.get(name)
            if target is not None and packages.is_met_at_home(
                path, wanted, string(target["root"]), target["js"]["package"].get("version")
            ):
                yield source, target["name"], DependencyKind.STATIC


def _node(project: Mapping[str, Any]) -> dict[str, Any]:
    data = {key: project[key] for key in ("root", "tags", "targets", "namedInputs")}
    return {"name": project["name"], "type": project["type"], "data": data}


def _by_source(edges: Iterable[Edge]) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for source, target, kind in edges:
        found.setdefault(source, []).append({"source": source, "target": target, "type": kind})
    return found


def project_graph(tree: Tree, imports: Imports) -> ProjectGraph:
    """The same in our words. Raises as `graph` does."""
    config = nx_files.configuration(tree.json("nx.json"))
    return nx_files.described(
        graph(tree, imports), config, [name for name in TSCONFIGS if name in tree.paths]
    )
