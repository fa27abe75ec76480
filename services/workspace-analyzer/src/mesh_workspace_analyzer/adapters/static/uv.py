"""uv workspaces: members by the globs of the root's `pyproject.toml`, needs by their sources.

Source: docs.astral.sh/uv/concepts/projects/workspaces; this repository's own lock is compared in the tests.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from mesh_workspace_analyzer.adapters.documents import items, string, strings, table
from mesh_workspace_analyzer.adapters.static.manifests import Package, by_name, graph_of
from mesh_workspace_analyzer.adapters.static.tree import Tree, folder_of
from mesh_workspace_analyzer.domain.globs import fits
from mesh_workspace_analyzer.domain.graph import ProjectGraph

MANIFEST = "pyproject.toml"
_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


def is_here(tree: Tree) -> bool:
    """True when the root's `pyproject.toml` names members."""
    return "workspace" in _uv(tree.toml(MANIFEST))


def graph(tree: Tree) -> ProjectGraph:
    """Raises `BrokenProjectConfiguration` or `DuplicateProjectNames`."""
    root = tree.toml(MANIFEST)
    manifests = {folder_of(path): tree.toml(path) for path in tree.named(MANIFEST) if _is_member(path, root)}
    named = {name: manifests[folder] for folder in manifests if (name := _name(manifests[folder]))}
    packages = by_name(
        Package(name=name, root=folder) for folder in manifests if (name := _name(manifests[folder]))
    )
    homes = {package.root: name for name, package in packages.items()}
    found = {
        name: replace(package, needs=frozenset(_needs(package.root, named[name], root, homes)))
        for name, package in packages.items()
    }
    return graph_of("uv", found, global_files=(MANIFEST, "uv.lock"))


def _uv(manifest: Mapping[str, Any]) -> dict[str, Any]:
    return table(table(manifest.get("tool")).get("uv"))


def _is_member(path: str, root: Mapping[str, Any]) -> bool:
    workspace, folder = table(_uv(root).get("workspace")), folder_of(path)
    wanted, unwanted = strings(workspace.get("members")), strings(workspace.get("exclude"))
    return folder == "." or (_is_among(folder, wanted) and not _is_among(folder, unwanted))


def _is_among(folder: str, globs: list[str]) -> bool:
    return any(fits(posixpath.normpath(glob), folder, dot=False) for glob in globs)


def _name(manifest: Mapping[str, Any]) -> str:
    return normal(string(table(manifest.get("project")).get("name")))


def normal(name: str) -> str:
    """Names of packages that are spelt differently are the same (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _needs(
    folder: str, manifest: Mapping[str, Any], root: Mapping[str, Any], homes: Mapping[str, str]
) -> Iterator[str]:
    """What it requires and finds here, by its own sources or the root's."""
    sources = {
        normal(name): value
        for where in (root, manifest)
        for name, value in table(_uv(where).get("sources")).items()
    }
    own = {normal(name) for name in table(_uv(manifest).get("sources"))}
    for name in {normal(name) for name in _required(manifest)}:
        for source in map(table, items(sources.get(name)) or [sources.get(name)]):
            if source.get("workspace") is True:
                yield name
            elif path := string(source.get("path")):
                start = folder if name in own else "."
                yield homes.get(posixpath.normpath(posixpath.join(start, path)), "")


def _required(manifest: Mapping[str, Any]) -> Iterator[str]:
    project = table(manifest.get("project"))
    lists = [project.get("dependencies"), *table(project.get("optional-dependencies")).values()]
    lists += [*table(manifest.get("dependency-groups")).values(), _uv(manifest).get("dev-dependencies")]
    for requirement in (one for given in lists for one in strings(given)):
        if found := _NAME.match(requirement):
            yield found[1]
