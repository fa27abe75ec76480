"""Turborepo: the packages of the package manager's workspace, and the tasks of `turbo.json`.

Source: turbo 2.11, which is what the expected answers of the tests came from.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from mesh_workspace_analyzer.adapters.documents import string, strings, table
from mesh_workspace_analyzer.adapters.static import npm
from mesh_workspace_analyzer.adapters.static.manifests import Package, graph_of
from mesh_workspace_analyzer.adapters.static.tree import PACKAGE, Tree
from mesh_workspace_analyzer.domain.graph import ProjectGraph
from mesh_workspace_analyzer.domain.targets import Target

NAMES = ("turbo.json", "turbo.jsonc")
# What a package wants of whoever uses it is no need of its own here.
SECTIONS = ("optionalDependencies", "devDependencies", "dependencies")
ROOT = "//"

Tasks = Mapping[str, Mapping[str, Any]]


def is_here(tree: Tree) -> bool:
    """True when the root has a `turbo.json`."""
    return any(name in tree.texts for name in NAMES)


def graph(tree: Tree) -> ProjectGraph:
    """Raises `BrokenProjectConfiguration` or `DuplicateProjectNames`."""
    root = _config(tree, "")
    found = npm.members(tree, lambda _: (), SECTIONS)
    packages = {
        name: replace(package, targets=tuple(_targets(tree, package, _tasks(root))))
        for name, package in found.items()
    }
    files = (*npm.GLOBAL_FILES, *NAMES, *strings(root.get("globalDependencies")))
    return graph_of("turbo", packages, global_files=files)


def _config(tree: Tree, before: str) -> dict[str, Any]:
    name = next((name for name in NAMES if before + name in tree.texts), NAMES[0])
    return tree.json(before + name)


def _tasks(config: Mapping[str, Any]) -> Tasks:
    """`pipeline` is what turbo 1 called them."""
    given = table(config.get("tasks")) or table(config.get("pipeline"))
    return {name: table(task) for name, task in given.items()}


def _targets(tree: Tree, package: Package, tasks: Tasks) -> Iterator[Target]:
    """A package has the tasks that it has a script for; the nearest definition counts."""
    own = _tasks(_config(tree, f"{package.root}/"))
    for name in sorted(table(tree.json(f"{package.root}/{PACKAGE}").get("scripts"))):
        layers = [tasks.get(f"{package.name}#{name}", tasks.get(name)), own.get(name)]
        if any(layer is not None for layer in layers):
            task = {key: value for layer in layers for key, value in (layer or {}).items()}
            needed = strings(task.get("dependsOn"))
            yield Target(
                name, tuple(_short(one) for one in needed if one[:1] != "$"), task.get("cache") is not False
            )


def _short(needed: str) -> str:
    """`web#build` is `web:build` elsewhere in this service."""
    package, separator, task = needed.partition("#")
    return f"{package}:{task}" if separator else string(needed)
