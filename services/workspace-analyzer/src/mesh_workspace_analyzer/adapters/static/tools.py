"""The tools whose workspaces are read, and how one tells them apart."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from mesh_workspace_analyzer.adapters.static import cargo, moon, npm, nx, turbo, uv
from mesh_workspace_analyzer.adapters.static.imports import COMPONENTS, SCRIPTS
from mesh_workspace_analyzer.adapters.static.tree import Tree
from mesh_workspace_analyzer.domain.graph import ProjectGraph
from mesh_workspace_analyzer.errors import NotAWorkspace


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool; `reads_imports` tells whether it takes imports for dependencies."""

    name: str
    is_here: Callable[[Tree], bool]
    graph: Callable[[Tree, nx.Imports], ProjectGraph]
    reads_imports: Callable[[Tree], bool] = lambda _: False

    def sources(self, tree: Tree) -> Iterator[str]:
        """The files whose imports it wants to know."""
        if self.reads_imports(tree):
            yield from (path for path in tree.paths if path.endswith((*SCRIPTS, *COMPONENTS)))


# The first that is here is read: Nx, Turborepo and moon build on package managers' workspaces.
TOOLS = (
    Tool("nx", lambda tree: "nx.json" in tree.texts, nx.project_graph, nx.looks_into_sources),
    Tool("turbo", turbo.is_here, lambda tree, _: turbo.graph(tree)),
    Tool("moon", moon.is_here, lambda tree, _: moon.graph(tree)),
    Tool("npm, pnpm or yarn", npm.is_here, lambda tree, _: npm.graph(tree)),
    Tool("uv", uv.is_here, lambda tree, _: uv.graph(tree)),
    Tool("cargo", cargo.is_here, lambda tree, _: cargo.graph(tree)),
)
OTHERS = "This is a workspace of {others}, too; only that of {tool} was read."
ON_PACKAGES = frozenset({"nx", "turbo", "moon"})


def detect(tree: Tree) -> list[Tool]:
    """The tools that are here, first the one to read with. Raises `NotAWorkspace`."""
    found = [tool for tool in TOOLS if tool.is_here(tree)]
    if not found:
        raise NotAWorkspace
    return found


def told(graph: ProjectGraph, tools: list[Tool]) -> ProjectGraph:
    """The graph with a word about the tools that were not read."""
    skipped = TOOLS[3].name if tools[0].name in ON_PACKAGES else ""
    others = [tool.name for tool in tools[1:] if tool.name != skipped]
    if not others:
        return graph
    return replace(graph, gaps=(*graph.gaps, OTHERS.format(others=" and ".join(others), tool=tools[0].name)))
