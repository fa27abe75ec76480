"""Workspaces of npm, pnpm and yarn: a project is a package, a target is a script."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from mesh_workspace_analyzer.adapters.documents import string, table
from mesh_workspace_analyzer.adapters.static import packages
from mesh_workspace_analyzer.adapters.static.manifests import Package, by_name, graph_of
from mesh_workspace_analyzer.adapters.static.tree import PACKAGE, Tree, folder_of
from mesh_workspace_analyzer.domain.graph import ProjectGraph
from mesh_workspace_analyzer.domain.targets import Target

LOCKS = ("bun.lock", "bun.lockb", "npm-shrinkwrap.json", "package-lock.json", "pnpm-lock.yaml", "yarn.lock")
GLOBAL_FILES = (*LOCKS, PACKAGE, "pnpm-workspace.yaml")
Scripts = Callable[[Mapping[str, Any]], tuple[Target, ...]]


def is_here(tree: Tree) -> bool:
    """True when the root names members of a workspace."""
    return "pnpm-workspace.yaml" in tree.texts or "workspaces" in tree.json(PACKAGE)


def graph(tree: Tree) -> ProjectGraph:
    """Raises `BrokenProjectConfiguration` or `DuplicateProjectNames`."""
    tool = manager(tree)
    scripts = _in_order if tool == "pnpm" else _scripts
    return graph_of(tool, members(tree, scripts, packages.SECTIONS), global_files=GLOBAL_FILES)


def manager(tree: Tree) -> str:
    """Whose workspace it is, by its own files."""
    said = string(tree.json(PACKAGE).get("packageManager")).partition("@")[0]
    if said in ("npm", "pnpm", "yarn", "bun"):
        return said
    if "pnpm-workspace.yaml" in tree.texts:
        return "pnpm"
    return "yarn" if {"yarn.lock", ".yarnrc.yml"} & tree.paths else "npm"


def members(tree: Tree, scripts: Scripts, sections: tuple[str, ...]) -> dict[str, Package]:
    """The packages by name, each with those of the others that it wants in a version that they have."""
    is_member = packages.members(tree)
    found = {path: tree.json(path) for path in tree.named(PACKAGE) if path != PACKAGE and is_member(path)}
    named = by_name(_package(path, found[path], scripts) for path in found)
    manifests = {named_.name: found[path] for path, named_ in zip(found, named.values(), strict=True)}
    return {
        name: replace(package, needs=frozenset(_needs(package, manifests, named, sections)))
        for name, package in named.items()
    }


def _package(path: str, manifest: Mapping[str, Any], scripts: Scripts) -> Package:
    root = folder_of(path)
    return Package(name=string(manifest.get("name")) or root, root=root, targets=scripts(manifest))


def _needs(
    package: Package, manifests: Mapping[str, Any], named: Mapping[str, Package], sections: tuple[str, ...]
) -> Iterator[str]:
    path = f"{package.root}/{PACKAGE}"
    for name, wanted in packages.needs(manifests[package.name], sections).items():
        if name in named and packages.is_met_at_home(
            path, wanted, named[name].root, manifests[name].get("version")
        ):
            yield name


def _scripts(manifest: Mapping[str, Any]) -> tuple[Target, ...]:
    return tuple(Target(name) for name in sorted(table(manifest.get("scripts"))))


def _in_order(manifest: Mapping[str, Any]) -> tuple[Target, ...]:
    """`pnpm -r run` runs a script where it is needed first (pnpm.io/cli/recursive, `--sort`)."""
    return tuple(Target(name, (f"^{name}",)) for name in sorted(table(manifest.get("scripts"))))
