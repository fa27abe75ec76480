"""Boundaries that a workspace sets itself, in Nx's rule for ESLint; nothing of the configuration is run."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

import msgspec

from mesh_workspace_analyzer.adapters.documents import items, json_object, table
from mesh_workspace_analyzer.adapters.literals import Computed, members, without_comments
from mesh_workspace_analyzer.domain.constraints import Boundaries, Constraint, pattern
from mesh_workspace_analyzer.domain.graph import ProjectGraph
from mesh_workspace_analyzer.errors import BrokenProjectConfiguration
from mesh_workspace_analyzer.ports import Reader, Source

NAME = "enforce-module-boundaries"
RULES = (f"@nx/{NAME}", f"@nrwl/nx/{NAME}")
FLAT = tuple(f"eslint.config.{end}" for end in ("js", "mjs", "cjs", "ts", "mts", "cts"))
JSON = ".eslintrc.json"
OTHERS = tuple(f".eslintrc{end}" for end in ("", ".js", ".cjs", ".yaml", ".yml"))
"""May hold the rule as well, and are not read."""
OFF = ("off", 0)
MOST_CONSTRAINTS = 100
MOST_TAGS = 300
"""In all of them, as each is looked for in every project."""
UNREAD = "{file} sets boundaries in a way that only running it would tell: violations of them are missing."
ELSEWHERE = "Boundaries that {count} other ESLint configurations set were not read, {first} among them."
SEVERAL = "{file} sets boundaries more than once: the last were taken for all files."

_Tag = Annotated[str, msgspec.Meta(max_length=200)]
_Tags = Annotated[list[_Tag], msgspec.Meta(max_length=50)]


class _Constraint(msgspec.Struct):
    sourceTag: _Tag | None = None
    allSourceTags: _Tags = []
    onlyDependOnLibsWithTags: _Tags | None = None
    notDependOnLibsWithTags: _Tags = []

    @property
    def sources(self) -> list[str]:
        return self.allSourceTags or ([] if self.sourceTag is None else [self.sourceTag])

    @property
    def tags(self) -> list[str]:
        return [*self.sources, *(self.onlyDependOnLibsWithTags or ()), *self.notDependOnLibsWithTags]

    def constraint(self) -> Constraint:
        """The same in the domain's words. Raises `ValueError` for a tag that cannot be looked for."""
        for tag in self.tags:
            pattern(tag)
        only = self.onlyDependOnLibsWithTags
        return Constraint(
            tuple(self.sources), None if only is None else tuple(only), tuple(self.notDependOnLibsWithTags)
        )


@dataclass(frozen=True, slots=True)
class WithBoundaries:
    """Implements `ports.Reader`: what another one finds, with the boundaries of the workspace."""

    reader: Reader

    async def versions(self) -> dict[str, str]:
        """See `ports.Reader.versions`."""
        return await self.reader.versions()

    async def graph(self, source: Source) -> ProjectGraph:
        """See `ports.Reader.graph`."""
        graph = await self.reader.graph(source)
        texts = await source.texts([name for name in await source.names() if _configures(name)])
        found, gaps = await asyncio.to_thread(boundaries, texts)
        return replace(graph, boundaries=found, gaps=(*graph.gaps, *gaps))


def _configures(name: str) -> bool:
    return name.rpartition("/")[2] in (*FLAT, JSON, *OTHERS)


def boundaries(texts: Mapping[str, str]) -> tuple[Boundaries, list[str]]:
    """What the configuration at the top sets, of all that there are, and what could not be read."""
    bare = {file: without_comments(text) for file, text in texts.items()}
    plain = {file: text for file, text in bare.items() if NAME in text}
    file = next((name for name in (*FLAT, JSON) if name in plain), None)
    others = sorted(plain.keys() - {file})
    gaps = [ELSEWHERE.format(count=len(others), first=others[0])] if others else []
    if file is None:
        return Boundaries(), gaps
    try:
        found = _constraints(file, plain[file])
    except (Computed, BrokenProjectConfiguration, ValueError):
        return Boundaries(), [UNREAD.format(file=file), *gaps]
    if any(constraints != found[-1] for constraints in found):
        gaps.append(SEVERAL.format(file=file))
    return Boundaries(found[-1], file) if found and found[-1] else Boundaries(), gaps


def _constraints(file: str, text: str) -> list[tuple[Constraint, ...]]:
    """What the rule is told, as often as it is set in a text without comments.

    Raises `Computed`, `BrokenProjectConfiguration` or `ValueError`.
    """
    values = _of_json(text) if file == JSON else members(text, RULES)
    found = [_of_setting(value) for value in values]
    if not found:
        raise Computed
    return found


def _of_json(text: str) -> Iterator[Any]:
    config = json_object(JSON, text)
    for part in (config, *items(config.get("overrides"))):
        rules = table(table(part).get("rules"))
        yield from (rules[name] for name in RULES if name in rules)


def _of_setting(value: Any) -> tuple[Constraint, ...]:
    """`level` or `[level, options]`, as ESLint has it. Raises `ValueError`."""
    told = items(value) or [value]
    if told[0] in OFF or len(told) == 1:
        return ()
    given = msgspec.convert(items(table(told[1]).get("depConstraints")), list[_Constraint])
    if len(given) > MOST_CONSTRAINTS:
        raise ValueError("more constraints than are looked at")
    if sum(len(one.tags) for one in given) > MOST_TAGS:
        raise ValueError("more tags than are looked for")
    return tuple(one.constraint() for one in given)
