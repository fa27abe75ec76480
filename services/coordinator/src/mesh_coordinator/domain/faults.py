"""What makes a set of requirements a plan: a DAG whose references only look back."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from mesh_coordinator.domain import quality, references, schema_rules
from mesh_coordinator.domain.plan import Cycle, closure
from mesh_coordinator.domain.quality import Assertion
from mesh_coordinator.domain.references import PointerMissing, Reference
from mesh_coordinator.domain.requirements import PaidBy, Requirement

MAX_STEPS = 500
"""Of a run, those that `for_each` makes included."""
MAX_DEPTH = 32
MAX_ITEMS = 100
"""Of one `for_each` step."""
MAX_REFERENCES = 64
"""In one step's parameters: each can stand for the largest answer there is."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something in the requirements that makes no sense; `pointer` leads from the root of the request."""

    pointer: str
    detail: str


def faults(
    requirements: Sequence[Requirement],
    given: Mapping[str, Any],
    *,
    output: Mapping[str, Any] | None = None,
    quorum: int | None = None,
    ledger_units: int = 0,
) -> list[Fault]:
    """Everything wrong with the requirements of a run whose input is `given`; empty when they are a plan.

    A step that is paid by the ledger costs at most `ledger_units`.
    """
    if references.depth(given) > MAX_DEPTH:
        return [Fault("/input", f"nested deeper than {MAX_DEPTH} levels")]
    found = [*_shape_faults(requirements), *_output_faults(requirements, output or {}, given)]
    if quorum is not None and quorum > sum(not requirement.optional for requirement in requirements):
        found.append(Fault("/on_failure/quorum", "more than there are required steps"))
    for index, requirement in enumerate(requirements):
        place = f"/requirements/{index}"
        found += _own_faults(requirement, place, given)
        if requirement.paid_by is PaidBy.LEDGER and not _is_small(requirement, ledger_units):
            found.append(
                Fault(f"{place}/max_price", f"what is paid by the ledger costs at most {ledger_units}")
            )
    if not found:
        found += _order_faults(requirements)
    return found


def _is_small(requirement: Requirement, ledger_units: int) -> bool:
    return requirement.max_price_units is not None and requirement.max_price_units <= ledger_units


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
        before = {"parameters": requirement.parameters, "for_each": requirement.for_each}
        yield from _looking_ahead(before, f"/requirements/{index}", needed[requirement.id])
        if requirement.compensate is not None:
            after = {"compensate": {"parameters": requirement.compensate.parameters}}
            known = needed[requirement.id] | {requirement.id}
            yield from _looking_ahead(after, f"/requirements/{index}", known)


def _looking_ahead(value: dict[str, Any], place: str, known: frozenset[str]) -> Iterator[Fault]:
    for reference in references.find(value):
        step = reference.target and reference.target.step
        if step is not None and step not in known:
            yield Fault(f"{place}{reference.place}", "refers to a step that this one does not need")


def _output_faults(
    requirements: Sequence[Requirement], output: Mapping[str, Any], given: Mapping[str, Any]
) -> Iterator[Fault]:
    known = {requirement.id for requirement in requirements}
    for place, reference, fault in _references(output, "/output", given):
        step = reference and reference.target and reference.target.step
        if fault is not None:
            yield Fault(place, fault)
        elif _is_item(reference):
            yield Fault(place, "only a for_each step has an item")
        elif step is not None and step not in known:
            yield Fault(place, "no requirement has this id")


def _own_faults(requirement: Requirement, place: str, given: Mapping[str, Any]) -> Iterator[Fault]:
    for pointer, reference, fault in _references(requirement.parameters, f"{place}/parameters", given):
        if fault is not None:
            yield Fault(pointer, fault)
        elif _is_item(reference) and requirement.for_each is None:
            yield Fault(pointer, "only a for_each step has an item")
    if requirement.compensate is not None:
        found = _references(requirement.compensate.parameters, f"{place}/compensate/parameters", given)
        yield from (Fault(pointer, fault) for pointer, _, fault in found if fault is not None)
    if requirement.for_each is not None:
        yield from _for_each_faults(requirement.for_each, f"{place}/for_each", given)
    yield from _quality_faults(requirement, f"{place}/quality")


def _for_each_faults(for_each: dict[str, Any], place: str, given: Mapping[str, Any]) -> Iterator[Fault]:
    reference = next(references.find(for_each), None)
    if reference is None or reference.place or _is_item(reference):
        yield Fault(place, "is no reference to an array of an earlier step or of the input")
    elif (fault := _reference_fault(reference, given)) is not None:
        yield Fault(place, fault)
    elif reference.target is not None and reference.target.step is None:
        array = references.at(given, reference.target.pointer)
        if (reason := items_fault(array)) is not None:
            yield Fault(place, reason)


def _is_item(reference: Reference | None) -> bool:
    return reference is not None and reference.target is not None and reference.target.is_item


def items_fault(array: Any) -> str | None:
    """Why a step cannot be done for each element of `array`; None when it can."""
    if not isinstance(array, list):
        return "not-an-array"
    return "too-many-items" if len(cast("list[Any]", array)) > MAX_ITEMS else None


def _references(
    value: Mapping[str, Any], place: str, given: Mapping[str, Any]
) -> Iterator[tuple[str, Reference | None, str | None]]:
    """Every reference in `value` with its pointer from the root of the request, and what is wrong with it."""
    if references.depth(value) > MAX_DEPTH:
        yield place, None, f"nested deeper than {MAX_DEPTH} levels"
        return
    found = list(references.find(value))
    if len(found) > MAX_REFERENCES:
        yield place, None, f"more than {MAX_REFERENCES} references"
    for reference in found:
        yield f"{place}{reference.place}", reference, _reference_fault(reference, given)


def _reference_fault(reference: Reference, given: Mapping[str, Any]) -> str | None:
    if reference.target is None:
        return 'a reference is {"$ref": "#/steps/<id>/result/…"} or {"$ref": "#/input/…"}, alone'
    if reference.target.step is not None or reference.target.is_item:
        return None
    try:
        references.at(given, reference.target.pointer)
    except PointerMissing:
        return "the input has nothing there"
    return None


def _quality_faults(requirement: Requirement, place: str) -> Iterator[Fault]:
    expected = requirement.quality
    validators = expected.review and expected.review.validators
    if validators and validators.quorum > validators.count:
        yield Fault(f"{place}/review/validators/quorum", "more than are asked")
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
