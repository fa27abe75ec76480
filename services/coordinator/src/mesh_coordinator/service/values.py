"""Values at run time: what references stand for, once the steps that they point at are done."""

from collections.abc import Mapping
from typing import Any

from mesh_shared.canonical import canonical_json
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_coordinator.domain import references
from mesh_coordinator.domain.faults import MAX_STEPS, items_fault
from mesh_coordinator.domain.references import PointerMissing
from mesh_coordinator.repository.codec import REQUIREMENT
from mesh_coordinator.repository.runs import Runs
from mesh_coordinator.repository.tables import RunRow, StepRow

MAX_VALUE_BYTES = 1 << 20


class Unfit(Exception):
    """What earlier steps delivered makes no parameters for this one."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


async def parameters_of(session: AsyncSession, run: RunRow, step: StepRow) -> dict[str, Any]:
    """The step's parameters with every reference filled in. Raises `Unfit`."""
    parameters = await _filled(session, run, step, REQUIREMENT.validate_python(step.requirement).parameters)
    if len(canonical_json(parameters)) > MAX_VALUE_BYTES:
        raise Unfit("parameters-too-large")
    return parameters


async def array_of(session: AsyncSession, run: RunRow, step: StepRow) -> list[Any]:
    """The array for whose elements a mapped step is done. Raises `Unfit`."""
    wanted = REQUIREMENT.validate_python(step.requirement).for_each or {}
    array = await _filled(session, run, step, wanted)
    if (reason := items_fault(array)) is not None:
        raise Unfit(reason)
    if await Runs(session).count(step.run_id) + len(array) > MAX_STEPS:
        raise Unfit("too-many-steps")
    return array


async def gathered(session: AsyncSession, step: StepRow) -> list[Any]:
    """The results of a mapped step's items, in the order of the array. Raises `Unfit`."""
    items = await Runs(session).items(step.run_id, step.id)
    results = await Runs(session).results(step.run_id, items)
    array = [results[id] for id in items]
    if len(canonical_json(array)) > MAX_VALUE_BYTES:
        raise Unfit("results-too-large")
    return array


async def _filled(session: AsyncSession, run: RunRow, step: StepRow, wanted: Mapping[str, Any]) -> Any:
    results = await Runs(session).results(step.run_id, references.steps(wanted))
    if step.is_undo and step.parent is not None:
        # An item calls its own result that of the step whose item it is.
        own = await Runs(session).results(step.run_id, [step.parent])
        results[step.parent.partition(".")[0]] = own[step.parent]
    item = None if step.item is None else step.item["value"]
    try:
        return references.fill(wanted, results, run.given, item)
    except PointerMissing:
        raise Unfit("reference-missing") from None
