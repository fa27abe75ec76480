"""Cargo workspaces: members by globs and by the paths that members name, needs by path.

Source: doc.rust-lang.org/cargo/reference/workspaces.html and specifying-dependencies.html.
"""

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from mesh_workspace_analyzer.adapters.documents import string, strings, table
from mesh_workspace_analyzer.adapters.static.manifests import Package, by_name, graph_of
from mesh_workspace_analyzer.adapters.static.tree import Tree, inside
from mesh_workspace_analyzer.domain.globs import fits
from mesh_workspace_analyzer.domain.graph import ProjectGraph
from mesh_workspace_analyzer.domain.targets import Target

MANIFEST = "Cargo.toml"
SECTIONS = ("dependencies", "dev-dependencies", "build-dependencies")
BUILD = Target("build", ("^build",), cache=True)


def is_here(tree: Tree) -> bool:
    """True when the root's `Cargo.toml` has a workspace."""
    return "workspace" in tree.toml(MANIFEST)


def graph(tree: Tree) -> ProjectGraph:
    """Raises `BrokenProjectConfiguration` or `DuplicateProjectNames`."""
    root = table(tree.toml(MANIFEST)["workspace"])
    manifests = _members(tree, root)
    names = {folder: string(table(m.get("package")).get("name")) for folder, m in manifests.items()}
    packages = by_name(
        Package(
            name=names[folder],
            root=folder,
            needs=frozenset(names.get(path, "") for path in _paths(folder, manifests[folder], root)),
            targets=(BUILD,),
        )
        for folder in sorted(manifests)
        if names[folder]
    )
    files = (MANIFEST, "Cargo.lock", "rust-toolchain", "rust-toolchain.toml", ".cargo/config.toml")
    return graph_of("cargo", packages, global_files=files)


def _members(tree: Tree, root: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The manifests by folder; what a member depends on by path is a member, too."""
    wanted = [posixpath.normpath(glob) for glob in strings(root.get("members"))]
    unwanted = [posixpath.normpath(path) for path in strings(root.get("exclude"))]
    folders = [posixpath.dirname(path) or "." for path in tree.named(MANIFEST)]
    waiting = [f for f in folders if f == "." or any(fits(glob, f, dot=False) for glob in wanted)]
    found: dict[str, dict[str, Any]] = {}
    while waiting:
        folder = waiting.pop()
        is_out = (
            any(folder == path or folder.startswith(f"{path}/") for path in unwanted) and folder not in wanted
        )
        if folder not in found and not is_out and inside(folder, MANIFEST) in tree.texts:
            found[folder] = tree.toml(inside(folder, MANIFEST))
            waiting += _paths(folder, found[folder], root)
    return found


def _paths(folder: str, manifest: Mapping[str, Any], root: Mapping[str, Any]) -> Iterator[str]:
    """The folders that a member needs."""
    shared = table(root.get("dependencies"))
    for section in (manifest, *map(table, table(manifest.get("target")).values())):
        for kind in SECTIONS:
            for name, given in table(section.get(kind)).items():
                is_shared = table(given).get("workspace") is True
                path = string(table(shared.get(name) if is_shared else given).get("path"))
                if path:
                    yield posixpath.normpath(posixpath.join("." if is_shared else folder, path))
