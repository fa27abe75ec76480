"""The projects of an Nx workspace, as Nx's own core finds them: `project.json` and workspace packages."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from mesh_workspace_analyzer.adapters.documents import string, strings, table
from mesh_workspace_analyzer.adapters.static import nx_targets, packages
from mesh_workspace_analyzer.adapters.static.matching import matching
from mesh_workspace_analyzer.adapters.static.tree import PACKAGE, PROJECT, Tree, folder_of, inside
from mesh_workspace_analyzer.errors import BrokenProjectConfiguration, DuplicateProjectNames

Project = dict[str, Any]


def projects(tree: Tree, nx_json: Mapping[str, Any]) -> dict[str, Project]:
    """By name. Raises `BrokenProjectConfiguration` or `DuplicateProjectNames`."""
    is_member = packages.members(tree)
    found: dict[str, Project] = {}
    roots = {folder_of(path) for path in tree.named(PROJECT)}
    members = {folder_of(path) for path in tree.named(PACKAGE) if is_member(path)}
    beside = {folder_of(path) for path in tree.named(PACKAGE)} & roots
    for folder in sorted(roots | members | beside):
        project = _project(tree, nx_json, folder, is_member=folder in members)
        if (other := found.get(project["name"])) is not None:
            raise DuplicateProjectNames(
                f"{other['root']} and {folder} are both named {project['name']}: rename one of them."
            )
        found[project["name"]] = project
    return {name: _with_implicit(found[name], found) for name in sorted(found)}


def _project(tree: Tree, nx_json: Mapping[str, Any], folder: str, *, is_member: bool) -> Project:
    package, own = tree.json(inside(folder, PACKAGE)), tree.json(inside(folder, PROJECT))
    has_package = inside(folder, PACKAGE) in tree.texts
    beside = table(package.get("nx"))
    project: Project = {
        "name": _name(folder, package, own, has_package=has_package),
        "root": string(own.get("root")) or folder,
        "tags": list(dict.fromkeys([*_package_tags(package, has_package), *strings(own.get("tags"))])),
        "implicitDependencies": [
            n for layer in (beside, own) for n in strings(layer.get("implicitDependencies"))
        ],
        "namedInputs": table(beside.get("namedInputs")) | table(own.get("namedInputs")),
        "js": {"package": package, "is_member": is_member} if has_package else None,
    }
    layers = [nx_targets.from_package(package, table(own.get("targets"))), table(own.get("targets"))]
    project["targets"] = nx_targets.with_defaults(project, layers, table(nx_json.get("targetDefaults")))
    project["type"] = _kind(tree, project, _declared_type(nx_json, folder, package, own))
    return project


def _name(folder: str, package: Mapping[str, Any], own: Mapping[str, Any], *, has_package: bool) -> str:
    said = own.get("name") or table(package.get("nx")).get("name") or package.get("name")
    if folder == "." and not said and has_package:
        raise BrokenProjectConfiguration("package.json: a root package that is a project needs a name.")
    name = said or PurePosixPath(folder).name.lower()
    if not isinstance(name, str) or not name:
        raise BrokenProjectConfiguration(f"{inside(folder, PROJECT)}: the project has no name.")
    return name


def _package_tags(package: Mapping[str, Any], has_package: bool) -> Iterator[str]:
    if has_package:
        yield "npm:private" if package.get("private") else "npm:public"
        yield from (f"npm:{word}" for word in strings(package.get("keywords")))
        yield from strings(table(package.get("nx")).get("tags"))


def _declared_type(
    nx_json: Mapping[str, Any], folder: str, package: Mapping[str, Any], own: Mapping[str, Any]
) -> str:
    layout = table(nx_json.get("workspaceLayout"))
    apps, libs = string(layout.get("appsDir")), string(layout.get("libsDir"))
    declared = own.get("projectType") or table(package.get("nx")).get("projectType")
    if own.get("projectType") or not package:
        return string(declared)
    if apps != libs and apps and folder.startswith(apps):
        return "application"
    return "library" if "libsDir" in layout and folder.startswith(libs) else string(declared)


def _kind(tree: Tree, project: Project, declared: str) -> str:
    """`app`, `lib` or `e2e`: declared, or told by the files that such projects have."""
    name, root = project["name"], project["root"]
    if declared:
        is_e2e = name.endswith("-e2e") or name == "e2e"
        return "lib" if declared == "library" else "e2e" if is_e2e else "app"
    for file, kind in (("tsconfig.lib.json", "lib"), ("tsconfig.app.json", "app")):
        if inside(root, file) in tree.paths:
            return kind
    package = tree.json(inside(root, PACKAGE))
    is_library = any(package.get(key) for key in ("exports", "main", "module", "bin"))
    return "lib" if is_library or inside(root, PACKAGE) not in tree.texts else "app"


def _with_implicit(project: Project, found: Mapping[str, Project]) -> Project:
    """Patterns become names; `!x` stays, since it takes away what else would be found."""
    given: list[str] = project["implicitDependencies"]
    if nowhere := [pattern for pattern in given if not _leads_somewhere(pattern, found)]:
        raise BrokenProjectConfiguration(
            f"{project['name']}: implicitDependencies names {nowhere[0]}, and there is no such project."
        )
    positive = [pattern for pattern in given if not pattern.startswith("!")]
    negative = [pattern for pattern in given if pattern.startswith("!")]
    needed = matching([*positive, *negative], found) if positive else []
    never = matching([pattern[1:] for pattern in negative], found)
    return project | {
        "implicitDependencies": [name for name in needed if name != project["name"]],
        "never": never,
    }


def _leads_somewhere(pattern: str, found: Mapping[str, Project]) -> bool:
    name = pattern.removeprefix("!")
    return name in found or name.startswith("nx-cloud:") or bool(matching([pattern], found))


def packages_of(found: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The projects that are packages, by the names that imports know them by."""
    return {p["js"]["package"].get("name"): p for p in found if p["js"] is not None}
