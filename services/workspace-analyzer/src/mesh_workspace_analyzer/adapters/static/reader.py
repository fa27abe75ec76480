"""The static tier: finds out whose workspace it is, and reads it as that tool does."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace

from mesh_workspace_analyzer.adapters.static import ignored, moon, tools, turbo
from mesh_workspace_analyzer.adapters.static.imports import Import, find_imports
from mesh_workspace_analyzer.adapters.static.tree import Tree
from mesh_workspace_analyzer.domain.graph import ProjectGraph
from mesh_workspace_analyzer.ports import Source

FORM = "2"
"""Of what is read; graphs of another form are read again."""
CONFIGURES = frozenset(
    {*ignored.NAMES, *turbo.NAMES, "package.json", "project.json", "moon.yml", "pyproject.toml", "Cargo.toml"}
)
AT_THE_TOP = frozenset(
    {
        *("nx.json", "pnpm-workspace.yaml", "lerna.json", "tsconfig.base.json", "tsconfig.json"),
        *(moon.WORKSPACE, *moon.INHERITED, *moon.TOOLCHAINS),
    }
)
AT_ONCE = 2000
TOO_LARGE = "{count} source files were too large to look for imports in them, {first} among them."


@dataclass(frozen=True, slots=True)
class StaticReader:
    """Implements `ports.Reader`. No code of the workspace runs, and no program but git."""

    git_version: Callable[[], Awaitable[str]]

    async def versions(self) -> dict[str, str]:
        """See `ports.Reader.versions`."""
        return {"git": await self.git_version(), "mesh-static": FORM}

    async def graph(self, source: Source) -> ProjectGraph:
        """See `ports.Reader.graph`."""
        names = await source.names()
        texts = await source.texts([name for name in names if _configures(name)])
        tree = await asyncio.to_thread(_tree, names, texts)
        found = tools.detect(tree)
        imports: dict[str, set[Import]] = {}
        wanted = sorted(found[0].sources(tree))
        for start in range(0, len(wanted), AT_ONCE):
            part = await source.texts(wanted[start : start + AT_ONCE])
            imports |= await asyncio.to_thread(_imports, part)
        graph = await asyncio.to_thread(found[0].graph, tree, imports)
        return tools.told(_with_gaps(graph, imports, wanted), found)


def _configures(name: str) -> bool:
    return name in AT_THE_TOP or name.rpartition("/")[2] in CONFIGURES


def _tree(names: Iterable[str], texts: dict[str, str]) -> Tree:
    paths = ignored.visible(names, texts)
    return Tree(paths, {path: text for path, text in texts.items() if path in paths})


def _imports(texts: dict[str, str]) -> dict[str, set[Import]]:
    return {path: set(find_imports(path, text)) for path, text in texts.items()}


def _with_gaps(graph: ProjectGraph, imports: dict[str, set[Import]], wanted: list[str]) -> ProjectGraph:
    if not (large := [path for path in wanted if path not in imports]):
        return graph
    gap = TOO_LARGE.format(count=len(large), first=large[0])
    return replace(graph, gaps=(*graph.gaps, gap))
