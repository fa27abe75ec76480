"""The coordinator: plans, runs and what was paid for them."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any

import msgspec

from mesh_client.channel import Channel, ended, segment
from mesh_client.streams import Event, Message, events, follow


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """An agent that could do a step, and why it does or does not; `price` is in base units."""

    agent_id: str
    name: str
    action: str
    price: int
    reputation: float
    score: float
    is_accepted: bool
    reason: str


class PlannedStep(msgspec.Struct, frozen=True, kw_only=True):
    """A step of a plan with the agent that would do it, None where nobody does."""

    id: str
    capability: str
    needs: list[str]
    agent: str | None
    action: str | None
    price: int | None
    candidates: list[Candidate]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a run would do. `price` is in base units, `gaps` says what nobody can do."""

    task: str
    steps: list[PlannedStep]
    waves: list[list[str]]
    price: int
    gaps: list[str]
    graph: str


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at in a result."""

    name: str
    matched: int
    of: int
    detail: str | None = None


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """How good a result is, 0 to 1; more than 0.8 is paid."""

    score: float
    checks: list[Check] = msgspec.field(default_factory=list[Check])


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One agent's try at a step: `outcome` is `success`, `refunded` or `forfeited` once it is settled."""

    number: int
    agent: str
    action: str
    price: int
    state: str
    outcome: str | None = None
    failure: str | None = None
    detail: str | None = None
    escrow_id: str | None = None
    quality: Quality | None = None


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """A question that a step waits with."""

    id: str | None
    step: str
    state: str
    price: int


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A step of a run, with every attempt at it."""

    id: str
    capability: str
    status: str
    reason: str | None = None
    approval: Approval | None = None
    duration_ms: int | None = None
    result: Any = None
    attempts: list[Attempt] = msgspec.field(default_factory=list[Attempt])
    candidates: list[Candidate] = msgspec.field(default_factory=list[Candidate])


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """Base units; never is more spent and reserved than the limit."""

    limit: int
    reserved: int
    spent: int


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A run as it stands: `running`, `succeeded`, `partial`, `failed` or `cancelled`."""

    id: str
    task: str
    status: str
    budget: Budget
    created_at: str
    ended_at: str | None = None
    steps: list[Step] = msgspec.field(default_factory=list[Step])
    result: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    output: dict[str, Any] | None = None
    graph: str = ""
    wall_ms: int | None = None

    @property
    def is_over(self) -> bool:
        """Whether it has ended, and every escrow with it."""
        return self.status != "running"


class Escrow(msgspec.Struct, frozen=True, kw_only=True):
    """An escrow as the chain has it; `amount` is in base units."""

    id: str
    state: str
    payer: str
    provider: str
    amount: int
    score: float


@dataclass(frozen=True, slots=True)
class Coordinator:
    """Hiring: one call for a task of any size."""

    channel: Channel

    async def plan(self, task: str, **terms: Any) -> Plan:
        """What a run would do, and cost. `terms` are members of the request, such as `requirements`."""
        return await self.channel.post("/v1/plans", Plan, {"task": task} | terms)

    async def start(self, task: str, *, key: str | None = None, **terms: Any) -> Run:
        """Begins a run and returns at once. `terms` are as for a plan; `budget` is in base units."""
        return await self.channel.post("/v1/runs", Run, {"task": task} | _worded(terms), key=key)

    async def run(self, run_id: str) -> Run:
        """A run as it stands. Raises `Problem` with 404."""
        return await self.channel.get(f"/v1/runs/{segment(run_id)}", Run)

    async def finished(self, run_id: str, *, within_s: float = 300.0) -> Run:
        """The run when it is over. Raises `Unfinished` when that takes longer."""
        return await ended(lambda: self.run(run_id), lambda run: run.is_over, within_s=within_s)

    def runs(self, *, status: str | None = None) -> AsyncIterator[Run]:
        """All runs without their steps, newest first."""
        return self.channel.pages("/v1/runs", Run, status=status)

    async def cancel(self, run_id: str) -> Run:
        """Stops a run; what is under way is settled, and nothing new begins."""
        return await self.channel.post(f"/v1/runs/{segment(run_id)}/cancel", Run)

    async def decide(self, run_id: str, approval_id: str, *, approve: bool) -> Approval:
        """Answers the question that a step waits with."""
        path = f"/v1/runs/{segment(run_id)}/approvals/{segment(approval_id)}"
        return await self.channel.post(path, Approval, {"decision": "approve" if approve else "deny"})

    def follow(self, run_id: str, *, after: int = 0) -> AsyncGenerator[Message]:
        """What happens to a run, as it happens; ends with the run."""

        async def is_over() -> bool:
            return (await self.run(run_id)).is_over

        path = f"/v1/runs/{segment(run_id)}/events"
        return follow(self.channel, path, after=str(after), is_over=is_over)

    async def escrow(self, escrow_id: str) -> Escrow:
        """An escrow, read from the chain."""
        return await self.channel.get(f"/v1/escrows/{segment(escrow_id)}", Escrow)

    def events(self, *, after: int = 0) -> AsyncGenerator[Event]:
        """What the coordinator publishes, without end."""
        return events(self.channel, after=after)


def _worded(terms: dict[str, Any]) -> dict[str, Any]:
    """The terms as JSON has them: an amount is a string."""
    budget = terms.get("budget")
    return terms if budget is None else terms | {"budget": str(budget)}
