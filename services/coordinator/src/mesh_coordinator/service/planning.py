"""Planning: what is needed, who offers it, who is chosen, and why."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import Any

from mesh_shared.errors import FieldError

from mesh_coordinator.domain import references, requirements, selection
from mesh_coordinator.domain.faults import MAX_DEPTH, faults
from mesh_coordinator.domain.plan import Plan, PlannedStep
from mesh_coordinator.domain.requirements import Requirement
from mesh_coordinator.domain.review import Validators
from mesh_coordinator.domain.run import OnFailure
from mesh_coordinator.domain.selection import Candidate, Limits, Listing
from mesh_coordinator.errors import BudgetAboveLimit, InvalidPlan, NoRequirementRecognised
from mesh_coordinator.ports import Directory, Drafter

PARALLEL_SEARCHES = 8
Question = tuple[str | None, str]
"""What the registry is asked: for one agent, or for all that offer a capability."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is to be done; without `requirements` the rules read them out of `text`.

    `budget_units` are base units, `parallel` is how many steps run at once; None is as much, and as many, as
    the operator allows. `shared_budget` names one of the owner's. `output` are references to be answered at
    the end; with a `quorum` so many required steps are enough. After `deadline_s` nothing more is started.
    `implied` is the part of a fault's pointer that the request leaves out: a single call has no
    `/requirements/0`.
    """

    text: str
    requirements: tuple[Requirement, ...] | None = None
    given: Mapping[str, Any] = field(default_factory=dict[str, Any])
    budget_units: int | None = None
    shared_budget: str | None = None
    output: Mapping[str, Any] = field(default_factory=dict[str, Any])
    on_failure: OnFailure = OnFailure.PARTIAL
    quorum: int | None = None
    deadline_s: int | None = None
    parallel: int | None = None
    implied: str = ""

    @property
    def input(self) -> dict[str, Any]:
        """What `#/input/…` refers to: the text as `task`, and the given members."""
        return {"task": self.text} | dict(self.given)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planner:
    """Turns tasks into plans."""

    directory: Directory
    own_accounts: frozenset[str]
    own_endpoint: str
    max_budget_units: int
    ledger_limit_units: int
    paces: Mapping[str, float]
    drafter: Drafter | None = None
    """Asked when no rule knows the words."""

    async def plan(self, task: Task) -> Plan:
        """Who would do what, for how much. Changes nothing.

        Raises `NoRequirementRecognised`, `InvalidPlan`, `BudgetAboveLimit`, `AgentNotFound` or `Unavailable`.
        """
        needed = await self._needed(task)
        await self.check(task, needed)
        limits = Limits(
            own_accounts=self.own_accounts, own_endpoint=self.own_endpoint, budget_units=self.budget(task)
        )
        # Many steps ask for the same; each question is asked once.
        questions = list(dict.fromkeys(question for one in needed for question in _questions(one)))
        places = asyncio.Semaphore(PARALLEL_SEARCHES)
        found = await asyncio.gather(*(self._listings(question, places) for question in questions))
        answers = dict(zip(questions, found, strict=True))
        return Plan(steps=tuple(_planned(one, answers, limits, self.paces) for one in needed))

    def budget(self, task: Task) -> int:
        """What the task may spend, in base units. Raises `BudgetAboveLimit`."""
        if task.budget_units is None:
            return self.max_budget_units
        if task.budget_units > self.max_budget_units:
            raise BudgetAboveLimit(self.max_budget_units)
        return task.budget_units

    async def _needed(self, task: Task) -> Sequence[Requirement]:
        """What the task needs, step by step: as it says, as the rules read it, or as the model drafts it."""
        needed = task.requirements if task.requirements is not None else requirements.recognised(task.text)
        if not needed and self.drafter is not None:
            needed = await self.drafter.draft(task.text, sorted(task.input))
        if not needed:
            raise NoRequirementRecognised([rule.capability for rule in requirements.RULES])
        return needed

    async def check_again(self, task: Task) -> None:
        """Raises `InvalidPlan` for what is no plan; what was drafted is not drafted, or looked at, again."""
        if needed := task.requirements or requirements.recognised(task.text):
            await self.check(task, needed)
        elif references.depth([task.input, task.output]) > MAX_DEPTH:
            raise InvalidPlan([FieldError("body", "", f"nested deeper than {MAX_DEPTH} levels")])

    async def check(self, task: Task, needed: Sequence[Requirement]) -> None:
        """Raises `InvalidPlan` when `needed` is no plan for the task."""
        # A megabyte of schemas and patterns takes a while to check; others are served meanwhile.
        find = partial(
            faults,
            needed,
            task.input,
            output=task.output,
            quorum=task.quorum,
            ledger_units=self.ledger_limit_units,
        )
        if found := await asyncio.to_thread(find):
            places = [(fault.pointer.removeprefix(task.implied), fault.detail) for fault in found]
            raise InvalidPlan([FieldError("body", pointer, detail) for pointer, detail in places])

    async def _listings(self, question: Question, places: asyncio.Semaphore) -> Sequence[Listing]:
        agent_id, capability = question
        async with places:
            if agent_id is not None:
                return [await self.directory.agent(agent_id)]
            return await self.directory.offering(capability)


def _question(wanted: Requirement) -> Question:
    return wanted.agent_id, wanted.capability


def _questions(wanted: Requirement) -> Iterator[Question]:
    """Who does it, and who may be asked about what was done."""
    yield _question(wanted)
    if (validators := _validators(wanted)) is not None:
        for agent_id in validators.agents or (None,):
            yield agent_id, validators.capability


def _validators(wanted: Requirement) -> Validators | None:
    return wanted.quality.review and wanted.quality.review.validators


def _planned(
    wanted: Requirement,
    answers: Mapping[Question, Sequence[Listing]],
    limits: Limits,
    paces: Mapping[str, float],
) -> PlannedStep:
    question, *others = _questions(wanted)
    wanted = _named(wanted, answers[question])
    return PlannedStep(
        requirement=wanted,
        candidates=selection.rank(wanted, answers[question], limits, paces),
        validators=_ranked(wanted, chain.from_iterable(map(answers.__getitem__, others)), limits),
    )


def _ranked(wanted: Requirement, listings: Iterable[Listing], limits: Limits) -> tuple[Candidate, ...]:
    """Validators work for nothing: who asks for money is turned down."""
    if (validators := _validators(wanted)) is None:
        return ()
    asked = Requirement(id=wanted.id, capability=validators.capability, max_price_units=0)
    return selection.rank(asked, listings, limits)


def _named(wanted: Requirement, listings: Sequence[Listing]) -> Requirement:
    """`wanted` with the capability that its action belongs to, when only agent and action were named."""
    offered = (tool for listing in listings for tool in listing.tools if tool.name == wanted.action)
    if wanted.capability or (tool := next(offered, None)) is None:
        return wanted
    return replace(wanted, capability=tool.capability)
