"""Packages as any manifest has them, and the graph that they make."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mesh_workspace_analyzer.domain.graph import Dependency, DependencyKind, Project, ProjectGraph
from mesh_workspace_analyzer.domain.targets import Target
from mesh_workspace_analyzer.errors import DuplicateProjectNames


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One member of a workspace; `needs` are names of members, others among them are not followed."""

    name: str
    root: str
    needs: frozenset[str] = frozenset()
    targets: tuple[Target, ...] = ()
    kind: str = "lib"
    tags: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()


def by_name(packages: Iterable[Package]) -> dict[str, Package]:
    """Raises `DuplicateProjectNames`."""
    found: dict[str, Package] = {}
    for package in packages:
        if (other := found.setdefault(package.name, package)) is not package:
            raise DuplicateProjectNames(
                f"{other.root} and {package.root} are both named {package.name}: rename one of them."
            )
    return found


def graph_of(
    tool: str, packages: Mapping[str, Package], *, global_files: Iterable[str], gaps: Iterable[str] = ()
) -> ProjectGraph:
    """The packages as projects."""
    needed = ((p.name, name) for p in packages.values() for name in p.needs if name in packages)
    return ProjectGraph(
        tool=tool,
        projects=tuple(_project(packages[name]) for name in sorted(packages)),
        dependencies=tuple(
            Dependency(source, target, DependencyKind.STATIC)
            for source, target in sorted(needed)
            if source != target
        ),
        global_files=tuple(global_files),
        gaps=tuple(gaps),
    )


def _project(package: Package) -> Project:
    return Project(
        name=package.name,
        root=package.root,
        kind=package.kind,
        tags=package.tags,
        targets=package.targets,
        workspace_inputs=package.inputs,
    )
