"""What followed from the same premises a moment ago."""

from collections import OrderedDict
from dataclasses import dataclass, field

from mesh_workspace_analyzer.domain.analysis import Analysis, Comparison
from mesh_workspace_analyzer.domain.constraints import Constraint
from mesh_workspace_analyzer.domain.cost import Pipeline
from mesh_workspace_analyzer.domain.history import Run

MOST_CONCLUSIONS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Premises:
    """All that a conclusion rests on; equal premises have equal conclusions."""

    graph_key: str
    """Names the tree, the tier and the versions of what read it."""
    comparison: Comparison
    runs: tuple[Run, ...]
    gaps: tuple[str, ...]
    pipeline: Pipeline
    constraints: tuple[Constraint, ...]


@dataclass(slots=True)
class Conclusions:
    """The newest `most` of this process; an analysis of 1,000 projects takes about a megabyte."""

    most: int = MOST_CONCLUSIONS
    _kept: OrderedDict[Premises, Analysis] = field(default_factory=OrderedDict[Premises, Analysis])

    def get(self, premises: Premises) -> Analysis | None:
        """The conclusion, whatever id it had, or None when it is not at hand."""
        if premises in self._kept:
            self._kept.move_to_end(premises)
        return self._kept.get(premises)

    def keep(self, premises: Premises, analysis: Analysis) -> None:
        """Remembers it, and forgets the one that was not asked for the longest."""
        self._kept[premises] = analysis
        self._kept.move_to_end(premises)
        if len(self._kept) > self.most:
            self._kept.popitem(last=False)
