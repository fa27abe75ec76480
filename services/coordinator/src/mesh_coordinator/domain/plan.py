"""What makes a set of requirements a plan: a DAG whose references only look back."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mesh_coordinator.domain import graph, quality, references, schema_rules
from mesh_coordinator.domain.graph import Node
from mesh_coordinator.domain.quality import Assertion
from mesh_coordinator.domain.references import PointerMissing, Reference
from mesh_coordinator.domain.requirements import Requirement
from mesh_coordinator.domain.run import StepStatus
from mesh_coordinator.domain.selection import Candidate

MAX_DEPTH = 32
MAX_REFERENCES = 64
"""In one step's parameters: each can stand for the largest answer there is."""
MARKS = {
    StepStatus.PENDING: "o",
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


@dataclass(frozen=True, slots=True)
class Fault:
    """Something in the requirements that makes no sense; `pointer` leads from the root of the request."""

    pointer: str
    detail: str


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


def closure(needs: Mapping[str, Sequence[str]]) -> dict[str, frozenset[str]]:
    """Everything that each step needs, directly or through others. Raises `Cycle`."""
    found: dict[str, frozenset[str]] = {}
    for wave in waves(needs):
        for id in wave:
            found[id] = frozenset(needs[id]).union(*(found[need] for need in needs[id]))
    return found


def faults(requirements: Sequence[Requirement], given: Mapping[str, Any]) -> list[Fault]:
    """Everything wrong with the requirements of a run whose input is `given`; empty when they are a plan."""
    if references.depth(given) > MAX_DEPTH:
        return [Fault("/input", f"nested deeper than {MAX_DEPTH} levels")]
    found = [*_shape_faults(requirements)]
    for index, requirement in enumerate(requirements):
        found += _own_faults(requirement, f"/requirements/{index}", given)
    if not found:
        found += _order_faults(requirements)
    return found


def _shape_faults(requirements: Sequence[Requirement]) -> Iterator[Fault]:
    seen: set[str] = set()
    known = {requirement.id for requirement in requirements}
    for index, requirement in enumerate(requirements):
        if requirement.id in seen:
            yield Fault(f"/requirements/{index}/id", "another requirement has this id")
        seen.add(requirement.id)
        for place, need in enumerate(requirement.needs):
            if need not in known:
                yield Fault(f"/requirements/{index}/needs/{place}", "no requirement has this id")


def _order_faults(requirements: Sequence[Requirement]) -> Iterator[Fault]:
    needs = {requirement.id: requirement.needs for requirement in requirements}
    try:
        needed = closure(needs)
    except Cycle as cycle:
        for index, requirement in enumerate(requirements):
            if requirement.id in cycle.steps:
                yield Fault(f"/requirements/{index}/needs", str(cycle))
        return
    for index, requirement in enumerate(requirements):
        for reference in references.find(requirement.parameters):
            step = reference.target and reference.target.step
            if step is not None and step not in needed[requirement.id]:
                pointer = f"/requirements/{index}/parameters{reference.place}"
                yield Fault(pointer, "refers to a step that this one does not need")


def _own_faults(requirement: Requirement, place: str, given: Mapping[str, Any]) -> Iterator[Fault]:
    if references.depth(requirement.parameters) > MAX_DEPTH:
        yield Fault(f"{place}/parameters", f"nested deeper than {MAX_DEPTH} levels")
        return
    found = list(references.find(requirement.parameters))
    if len(found) > MAX_REFERENCES:
        yield Fault(f"{place}/parameters", f"more than {MAX_REFERENCES} references")
    for reference in found:
        if (fault := _reference_fault(reference, given)) is not None:
            yield Fault(f"{place}/parameters{reference.place}", fault)
    yield from _quality_faults(requirement, f"{place}/quality")


def _reference_fault(reference: Reference, given: Mapping[str, Any]) -> str | None:
    if reference.target is None:
        return 'a reference is {"$ref": "#/steps/<id>/result/…"} or {"$ref": "#/input/…"}, alone'
    if reference.target.step is not None:
        return None
    try:
        references.at(given, reference.target.pointer)
    except PointerMissing:
        return "the input has nothing there"
    return None


def _quality_faults(requirement: Requirement, place: str) -> Iterator[Fault]:
    expected = requirement.quality
    if expected.schema is not None:
        for pointer, detail in schema_rules.faults(expected.schema):
            yield Fault(f"{place}/schema{pointer}", detail)
    if references.depth(expected.outcome) > MAX_DEPTH:
        yield Fault(f"{place}/expectedOutcome", f"nested deeper than {MAX_DEPTH} levels")
    for index, assertion in enumerate(expected.assertions):
        if (fault := _assertion_fault(assertion)) is not None:
            yield Fault(f"{place}/assertions/{index}/value", fault)


def _assertion_fault(assertion: Assertion) -> str | None:
    if references.depth(assertion.value) > MAX_DEPTH:
        return f"nested deeper than {MAX_DEPTH} levels"
    return quality.value_fault(assertion.op, assertion.value)
