"""Tasks: what a tool would run for a target, and which of them waits for which."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice

from mesh_workspace_analyzer.domain.globs import LONGEST, names
from mesh_workspace_analyzer.domain.graph import BUILD, ProjectGraph
from mesh_workspace_analyzer.domain.targets import Target

MOST_WAITS = 2_000_000
"""So many waits are followed; a few globs can ask for every pair of tasks."""
_GLOB = frozenset("*?[")

Key = tuple[str, str, tuple[str, ...]]
"""Project and target; for a relay no target, but what it passes the waiting on to."""


@dataclass(frozen=True, slots=True)
class Task:
    """A target of a project.

    A relay is nothing to run: `^build` of a project that needs one without a build waits for the builds that
    this one needs, through it.
    """

    id: str
    project: str
    is_cached: bool = False
    is_relay: bool = False


@dataclass(frozen=True, slots=True)
class TaskGraph:
    """Tasks, and by their position the positions of those that each waits for.

    `is_whole` is False when there are more than `MOST_WAITS` waits and the others were left out.
    """

    tasks: tuple[Task, ...]
    needs: tuple[tuple[int, ...], ...]
    is_whole: bool = True

    @property
    def real(self) -> list[Task]:
        """What there is to run, without relays."""
        return [task for task in self.tasks if not task.is_relay]


def derive(graph: ProjectGraph, target: str = BUILD, only: Collection[str] | None = None) -> TaskGraph:
    """What running `target` of all projects, or of `only` some, runs in all.

    Source: nx 24, `create-task-graph`, which says the same in the tests. It leaves out what waits through a
    circle of projects without the target; here that stays.
    """
    found = _Derivation(graph)
    for project in graph.projects:
        if only is None or project.name in only:
            found.add((project.name, target, ()))
    return found.result()


class _Derivation:
    def __init__(self, graph: ProjectGraph) -> None:
        self._targets = {p.name: {target.name: target for target in p.targets} for p in graph.projects}
        self._tags = {project.name: project.tags for project in graph.projects}
        self._needed: dict[str, list[str]] = defaultdict(list)
        for dependency in graph.dependencies:
            self._needed[dependency.source].append(dependency.target)
        self._place: dict[Key, int] = {}
        self._projects = cache(self._find_projects)

    def add(self, key: Key) -> None:
        project, target, _ = key
        if target in self._targets[project]:
            self._at(key)

    def result(self) -> TaskGraph:
        needs: list[tuple[int, ...]] = []
        left = MOST_WAITS
        for key in self._growing():
            own = self._place[key]
            waits = {self._at(other) for other in islice(self._waits(key), left)} - {own}
            needs.append(tuple(sorted(waits)))
            left -= len(waits)
        return TaskGraph(tuple(map(self._task, self._place)), tuple(needs), is_whole=left > 0)

    def _growing(self) -> Iterator[Key]:
        """All keys, those included that are found on the way."""
        done = 0
        while done < len(self._place):
            batch = list(islice(self._place, done, None))
            yield from batch
            done += len(batch)

    def _at(self, key: Key) -> int:
        return self._place.setdefault(key, len(self._place))

    def _task(self, key: Key) -> Task:
        project, target, _ = key
        if not target:
            return Task(project, project, is_relay=True)
        return Task(f"{project}:{target}", project, is_cached=self._targets[project][target].cache)

    def _waits(self, key: Key) -> Iterator[Key]:
        project, name, passed_on = key
        if passed_on:
            yield from self._through(project, passed_on)
            return
        target = self._targets[project][name]
        if carets := self._carets(target):
            yield from self._through(project, carets)
        for entry in target.depends_on:
            if not entry.startswith("^"):
                yield from self._named(project, entry)

    def _carets(self, target: Target) -> tuple[str, ...]:
        return tuple(sorted({entry[1:] for entry in target.depends_on if entry.startswith("^")}))

    def _through(self, project: str, carets: tuple[str, ...]) -> Iterator[Key]:
        for needed in self._needed[project]:
            for caret in carets:
                if caret in self._targets[needed]:
                    yield needed, caret, ()
                elif found := list(self._matching(needed, caret)):
                    yield from found
                elif self._needed[needed]:
                    yield needed, "", carets

    def _named(self, project: str, entry: str) -> Iterator[Key]:
        """A target of the same project; else of the project with the longest name that fits."""
        if len(entry) > LONGEST:  # each `:` is a place to cut it at
            return
        found = list(self._matching(project, entry))
        for at in reversed([at for at, letter in enumerate(entry) if letter == ":"]):
            if found:
                break
            others = self._projects(entry[:at])
            found = [key for other in others for key in self._matching(other, entry[at + 1 :])]
        yield from found

    def _matching(self, project: str, target: str) -> Iterator[Key]:
        if target in self._targets[project]:
            yield project, target, ()
        elif _GLOB & set(target):
            yield from ((project, name, ()) for name in self._targets[project] if names(target, name))

    def _find_projects(self, who: str) -> tuple[str, ...]:
        if who in self._targets:
            return (who,)
        if who.startswith("tag:"):
            return tuple(n for n, tags in self._tags.items() if any(names(who[4:], t) for t in tags))
        return tuple(n for n in self._targets if names(who, n)) if _GLOB & set(who) else ()
