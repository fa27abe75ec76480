"""What differs between two analyses."""

from dataclasses import dataclass

from mesh_workspace_analyzer.domain.analysis import Analysis
from mesh_workspace_analyzer.domain.graph import Dependency, ProjectGraph


@dataclass(frozen=True, slots=True)
class Names:
    """What only the second has, and what only the first; each in order."""

    added: tuple[str, ...]
    removed: tuple[str, ...]

    @classmethod
    def between(cls, before: set[str], after: set[str]) -> "Names":
        """The difference of two sets."""
        return cls(tuple(sorted(after - before)), tuple(sorted(before - after)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The second of two analyses against the first."""

    before: Analysis
    after: Analysis
    projects: Names
    dependencies: Names
    """As `source > target`."""
    affected: Names
    recommendations: Names
    """As `rule: title`."""

    @property
    def critical(self) -> int | None:
        """How much longer the critical path has become, in its unit; None when the units differ."""
        before, after = self.before.critical_path, self.after.critical_path
        return after.total - before.total if before.unit is after.unit else None


def difference(
    before: Analysis, after: Analysis, graph_before: ProjectGraph, graph_after: ProjectGraph
) -> Difference:
    """The second analysis against the first, each with its graph."""
    return Difference(
        before=before,
        after=after,
        projects=Names.between(set(graph_before.names), set(graph_after.names)),
        dependencies=Names.between(_edges(graph_before), _edges(graph_after)),
        affected=Names.between(set(before.affected_names), set(after.affected_names)),
        recommendations=Names.between(_advice(before), _advice(after)),
    )


def _edges(graph: ProjectGraph) -> set[str]:
    def told(dependency: Dependency) -> str:
        return f"{dependency.source} > {dependency.target}"

    return set(map(told, graph.dependencies))


def _advice(analysis: Analysis) -> set[str]:
    return {f"{found.rule}: {found.title}" for found in analysis.recommendations}
