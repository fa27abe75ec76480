"""moon: projects of `.moon/workspace.yml`, their `moon.yml`, and the tasks that all of them inherit.

Source: moon 2.5, which is what the expected answers of the tests came from. Its toolchains also infer what is
needed from manifests; of those, `package.json` is followed where the workspace uses JavaScript.
"""

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from mesh_workspace_analyzer.adapters.documents import items, string, strings, table
from mesh_workspace_analyzer.adapters.static import packages
from mesh_workspace_analyzer.adapters.static.manifests import Package, by_name, graph_of
from mesh_workspace_analyzer.adapters.static.npm import LOCKS
from mesh_workspace_analyzer.adapters.static.tree import PACKAGE, Tree, inside
from mesh_workspace_analyzer.domain.globs import fits
from mesh_workspace_analyzer.domain.graph import ProjectGraph
from mesh_workspace_analyzer.domain.targets import Target

WORKSPACE, PROJECT = ".moon/workspace.yml", "moon.yml"
INHERITED = (".moon/tasks.yml", ".moon/tasks/all.yml")
TOOLCHAINS = (".moon/toolchain.yml", ".moon/toolchains.yml")
JAVASCRIPT = frozenset({"javascript", "node", "bun", "deno", "npm", "pnpm", "yarn", "typescript"})
KINDS = {"application": "app", "automation": "e2e"}
UNCACHED = ("server", "watcher", "utility")

Projects = Mapping[str, tuple[str, Mapping[str, Any]]]
"""Folders and the files in them by id."""


def is_here(tree: Tree) -> bool:
    """True when moon's own folder is there."""
    return WORKSPACE in tree.texts


def graph(tree: Tree) -> ProjectGraph:
    """Raises `BrokenProjectConfiguration` or `DuplicateProjectNames`."""
    projects = _projects(tree)
    inherited = {
        name: task for file in INHERITED for name, task in table(tree.yaml(file).get("tasks")).items()
    }
    by_package = _packages(tree, projects)
    found = by_name(
        Package(
            name=name,
            root=root,
            needs=frozenset(_needs(name, root, own, inherited, tree, by_package)),
            targets=tuple(_targets(name, own, inherited)),
            kind=KINDS.get(string(own.get("layer") or own.get("type")), "lib"),
            tags=tuple(strings(own.get("tags"))),
            inputs=tuple(_inputs(own, inherited)),
        )
        for name, (root, own) in projects.items()
    )
    return graph_of("moon", found, global_files=(*LOCKS, PACKAGE, ".moon/**/*"))


def _projects(tree: Tree) -> Projects:
    given = tree.yaml(WORKSPACE).get("projects")
    globs = strings(given) or strings(table(given).get("globs"))
    sources = table(table(given).get("sources")) or {
        k: v for k, v in table(given).items() if isinstance(v, str)
    }
    roots = {posixpath.normpath(string(path)): name for name, path in sources.items()}
    for folder in sorted(_folders(tree)):
        if folder not in roots and _is_wanted(folder, globs):
            roots[folder] = posixpath.basename(folder)
    files = {root: tree.yaml(inside(root, PROJECT)) for root in roots}
    return {string(files[root].get("id")) or name: (root, files[root]) for root, name in roots.items()}


def _folders(tree: Tree) -> set[str]:
    """Every folder that holds a file, at any depth."""
    found: set[str] = set()
    for path in tree.paths:
        folder = posixpath.dirname(path)
        while folder and folder not in found:
            found.add(folder)
            folder = posixpath.dirname(folder)
    return found


def _is_wanted(folder: str, globs: list[str]) -> bool:
    plain = [posixpath.normpath(glob.removesuffix(f"/{PROJECT}")) for glob in globs]
    wanted = any(fits(glob, folder, dot=False) for glob in plain if glob[:1] != "!")
    return wanted and not any(fits(glob[1:], folder) for glob in plain if glob[:1] == "!")


def _packages(tree: Tree, projects: Projects) -> dict[str, str]:
    """The ids of projects by the names of their packages, where moon looks into them."""
    if not any(JAVASCRIPT & tree.yaml(file).keys() for file in TOOLCHAINS):
        return {}
    return {
        string(tree.json(inside(root, PACKAGE)).get("name")): name for name, (root, _) in projects.items()
    }


def _tasks(own: Mapping[str, Any], inherited: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    names = dict.fromkeys([*inherited, *table(own.get("tasks"))])
    return {name: table(inherited.get(name)) | table(table(own.get("tasks")).get(name)) for name in names}


def _needs(
    name: str,
    root: str,
    own: Mapping[str, Any],
    inherited: Mapping[str, Any],
    tree: Tree,
    by_package: Mapping[str, str],
) -> Iterator[str]:
    """What it says, what its tasks wait for, and what its package needs."""
    for needed in items(own.get("dependsOn")):
        yield string(needed) or string(table(needed).get("id"))
    for task in _tasks(own, inherited).values():
        yield from (
            project for project, _, _ in map(_parts, _deps(task)) if project not in ("^", "~", "", name)
        )
    yield from (by_package.get(needed, "") for needed in packages.needs(tree.json(inside(root, PACKAGE))))


def _targets(name: str, own: Mapping[str, Any], inherited: Mapping[str, Any]) -> Iterator[Target]:
    for task, given in sorted(_tasks(own, inherited).items()):
        options = table(given.get("options"))
        is_cached = options.get("cache", given.get("preset") not in UNCACHED) is not False
        yield Target(task, tuple(_short(one, name) for one in _deps(given)), is_cached)


def _deps(task: Mapping[str, Any]) -> list[str]:
    return [string(one) or string(table(one).get("target")) for one in items(task.get("deps"))]


def _parts(dep: str) -> tuple[str, str, str]:
    """`project:task`; without a project it is the task's own."""
    project, separator, task = dep.partition(":")
    return (project, separator, task) if separator else ("~", ":", dep)


def _short(dep: str, own: str) -> str:
    project, _, task = _parts(dep)
    if project in ("~", own):
        return task
    return f"^{task}" if project == "^" else f"{project}:{task}"


def _inputs(own: Mapping[str, Any], inherited: Mapping[str, Any]) -> Iterator[str]:
    """Files of the workspace, which start with a slash, that its tasks read."""
    found = {one for task in _tasks(own, inherited).values() for one in strings(task.get("inputs"))}
    yield from sorted(one[1:] for one in found if one.startswith("/"))
