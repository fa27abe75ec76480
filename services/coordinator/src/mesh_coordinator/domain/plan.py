"""A plan: who does what, after what, for how much."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mesh_coordinator.domain import graph
from mesh_coordinator.domain.graph import Node
from mesh_coordinator.domain.requirements import Requirement
from mesh_coordinator.domain.run import StepStatus
from mesh_coordinator.domain.selection import Candidate

MARKS = {
    StepStatus.PENDING: "o",
    StepStatus.TAKING_BIDS: "$",
    StepStatus.AWAITING_APPROVAL: "?",
    StepStatus.RUNNING: ">",
    StepStatus.SUCCEEDED: "*",
    StepStatus.FAILED: "x",
    StepStatus.SKIPPED: "/",
}
"""How a step that stands so is drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStep:
    """A requirement and everyone considered for it, the best first, those turned down last."""

    requirement: Requirement
    candidates: tuple[Candidate, ...]
    validators: tuple[Candidate, ...] = ()
    """Everyone considered for the review of results, in the same order."""

    @property
    def hirable(self) -> tuple[Candidate, ...]:
        """Those who may be hired, the best first."""
        return tuple(candidate for candidate in self.candidates if candidate.is_accepted)

    @property
    def chosen(self) -> Candidate | None:
        """Who is asked first; None when nobody can be."""
        return next(iter(self.hirable), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Who is to do what, after what, for how much."""

    steps: tuple[PlannedStep, ...]

    @property
    def waves(self) -> tuple[tuple[str, ...], ...]:
        """Steps by level; those of one wave can run at the same time."""
        return waves({step.requirement.id: step.requirement.needs for step in self.steps})

    @property
    def price_units(self) -> int:
        """What the chosen agents ask for, in base units; fallbacks may cost more or less."""
        return sum(step.chosen.price_units for step in self.steps if step.chosen)

    @property
    def gaps(self) -> tuple[str, ...]:
        """Steps for which nobody can be hired."""
        return tuple(step.requirement.id for step in self.steps if step.chosen is None)

    def drawn(self, status: Mapping[str, StepStatus], hired: Mapping[str, Candidate]) -> str:
        """The plan as ASCII, each step marked by how it stands, with who was hired last or is chosen."""
        nodes = {
            step.requirement.id: Node(
                id=step.requirement.id,
                needs=step.requirement.needs,
                mark=MARKS[status.get(step.requirement.id, StepStatus.PENDING)],
                label=_label(step.requirement.capability, hired.get(step.requirement.id, step.chosen)),
            )
            for step in self.steps
        }
        return graph.draw(self.waves, nodes)


def _label(capability: str, agent: Candidate | None) -> str:
    if agent is None:
        return f"{capability} -> nobody"
    return f"{capability} -> {_printable(agent.name)}  {agent.price_units or 'free'}"


def _printable(name: str) -> str:
    """A stranger's name for a terminal: ASCII that moves no cursor."""
    return "".join(letter if letter.isascii() and letter.isprintable() else "?" for letter in name)


class Cycle(ValueError):
    """Steps that wait for each other; `steps` are all that can never start."""

    def __init__(self, steps: frozenset[str]) -> None:
        super().__init__(f"in a circle: {', '.join(sorted(steps))}")
        self.steps = steps


def waves(needs: Mapping[str, Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """Steps by level: each needs only steps of earlier waves, and at least one of the wave just before.

    Keeps the order of `needs` within a wave. Raises `Cycle`.
    """
    placed: set[str] = set()
    found: list[tuple[str, ...]] = []
    while len(placed) < len(needs):
        wave = tuple(id for id in needs if id not in placed and placed.issuperset(needs[id]))
        if not wave:
            raise Cycle(frozenset(needs) - placed)
        placed.update(wave)
        found.append(wave)
    return tuple(found)


def dependent(needs: Mapping[str, Sequence[str]], id: str) -> frozenset[str]:
    """The step, and every step that needs it, directly or through others. Raises `Cycle`."""
    return frozenset(one for one, needed in closure(needs).items() if one == id or id in needed)


def closure(needs: Mapping[str, Sequence[str]]) -> dict[str, frozenset[str]]:
    """Everything that each step needs, directly or through others. Raises `Cycle`."""
    found: dict[str, frozenset[str]] = {}
    for wave in waves(needs):
        for id in wave:
            found[id] = frozenset(needs[id]).union(*(found[need] for need in needs[id]))
    return found
