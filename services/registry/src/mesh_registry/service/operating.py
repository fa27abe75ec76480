"""What was accepted: made durable with its transaction, followed until it is in the index."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from mesh_shared.bell import Bell, wait
from mesh_shared.chain.journal import Call, Journal
from mesh_shared.database.engine import Database
from mesh_shared.gathering import Gathering
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_registry.domain.cards import Evidence
from mesh_registry.domain.chain import Depths
from mesh_registry.domain.intents import Change, Registration
from mesh_registry.domain.operations import Operation
from mesh_registry.errors import (
    ChallengeClosed,
    OperationNotFound,
    OperationRefused,
    OperationReverted,
    SigningDelayed,
)
from mesh_registry.ports import Contracts
from mesh_registry.repository.cards import Cards
from mesh_registry.repository.challenges import Challenges
from mesh_registry.repository.operations import Accepted, Operations
from mesh_registry.service.looking import Lookout

SIGNED_WITHIN_S = 5.0
CONFIRMED_WITHIN_S = 30.0
LOOK_S = 0.5
"""Replicas do not hear each other's bells; this is how often we look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Something to do on the chain under a `claim` that one operation at most may have.

    `spends` tells that the operator's own tokens are taken by allowance, `answers` is the nonce of the
    challenge that is answered by it, `card` is what the agent is registered by.
    """

    intent: Registration | Change
    claim: str
    call: Call
    requested_by: str
    spends: bool = False
    answers: str | None = None
    card: Evidence | None = None


Outcome = UUID | ChallengeClosed | None
"""Of an order: its operation; None when a parallel request has the claim."""


@dataclass(slots=True, kw_only=True)
class Operating:
    """Writes to the chain with the operator's key."""

    database: Database
    contracts: Contracts
    operator: str
    depths: Depths
    sent: Bell
    """Rings when a transaction changed state."""
    indexed: Bell
    """Rings when the index changed."""
    lookout: Lookout
    _intake: Gathering[Order, Outcome] = field(init=False)

    def __post_init__(self) -> None:
        self._intake = Gathering(self._accept_all)

    async def claiming(self, claim: str, agent_id: str) -> tuple[Operation | None, bool]:
        """The operation that has `claim`, None while it is free; and whether the index has the agent."""
        known, is_there = await self.lookout.claim(claim, agent_id)
        return None if known is None or known.has_failed else known, is_there

    async def accept(self, order: Order) -> UUID | None:
        """Makes intent, transaction and card one commit; None when a parallel request was faster.

        Orders that come while another commit is made share the next one. Raises `ChallengeClosed` when
        another order answered the same challenge.
        """
        outcome = await self._intake.outcome(order)
        if isinstance(outcome, ChallengeClosed):
            raise outcome
        return outcome

    async def _accept_all(self, take: Callable[[], list[Order]]) -> Sequence[Outcome]:
        orders: list[Order] = []
        try:
            async with self.database.write() as session:
                orders = take()
                return await self._write(session, orders)
        except IntegrityError:  # another request was faster; with whom, each finds out for itself
            return [await self._accept_alone(order) for order in orders]

    async def _accept_alone(self, order: Order) -> Outcome:
        try:
            async with self.database.write() as session:
                (outcome,) = await self._write(session, [order])
                return outcome
        except IntegrityError:
            return None

    async def _write(self, session: AsyncSession, orders: Sequence[Order]) -> Sequence[Outcome]:
        outcomes = [await _id_for(session, order) for order in orders]
        new = [(id, o) for id, o in zip(outcomes, orders, strict=True) if isinstance(id, UUID)]
        operations = Operations(session, self.depths)
        known = await operations.claiming({order.claim for _, order in new})
        await operations.release([failed.id for failed in known.values() if failed.has_failed])
        queued = await Journal(session).prepare_all(self.operator, self._calls(new))
        await operations.add(
            [
                Accepted(
                    id=id,
                    claim=order.claim,
                    intent=order.intent,
                    transaction_id=queued[_key(id, order)],
                    requested_by=order.requested_by,
                )
                for id, order in new
            ]
        )
        await _keep_cards(session, [order for _, order in new])
        return outcomes

    def _calls(self, orders: Iterable[tuple[UUID, Order]]) -> Mapping[str, Call]:
        """What is sent, by key; the registry is allowed the operator's tokens before it takes any."""
        calls: dict[str, Call] = {}
        for id, order in orders:
            if order.spends:
                calls.setdefault(f"approve:{self.contracts.registry}", self.contracts.approve())
            calls[_key(id, order)] = order.call
        return calls

    async def operation(self, id: UUID) -> Operation:
        """Where an operation stands. Raises `OperationNotFound`."""
        found = await self.lookout.operation(id)
        if found is None:
            raise OperationNotFound
        return found

    async def signed(self, id: UUID) -> Operation:
        """The operation once its transaction has a hash.

        Raises `SigningDelayed` after 5 s, and why the contract refused as some `OperationRefused`.
        """
        try:
            signed = await self._until(id, lambda operation: operation.is_signed, self.sent, SIGNED_WITHIN_S)
        except TimeoutError:
            raise SigningDelayed(id) from None
        return self._accepted(signed)

    async def confirmed(self, id: UUID) -> Operation:
        """The operation once the index shows it, or as it is after 30 s.

        Raises `OperationNotFound`, and `OperationReverted` when it was mined without effect.
        """
        with suppress(TimeoutError):
            await self._until(id, lambda operation: operation.is_over, self.indexed, CONFIRMED_WITHIN_S)
        return self._accepted(await self.operation(id))

    def refusal(self, operation: Operation) -> OperationRefused | None:
        """Why the operation failed; None while it has not."""
        if not operation.has_failed:
            return None
        reason = operation.refusal
        return OperationReverted() if reason is None else self.contracts.refusal(reason)

    async def _until(
        self, id: UUID, is_done: Callable[[Operation], bool], bell: Bell, timeout_s: float
    ) -> Operation:
        async with asyncio.timeout(timeout_s):
            while True:
                ticket = bell.ticket()
                operation = await self.operation(id)
                if is_done(operation):
                    return operation
                await wait(ticket, LOOK_S)

    def _accepted(self, operation: Operation) -> Operation:
        if (refusal := self.refusal(operation)) is not None:
            raise refusal
        return operation


def _key(id: UUID, order: Order) -> str:
    return f"{order.intent.kind}:{id}"


async def _id_for(session: AsyncSession, order: Order) -> UUID | ChallengeClosed:
    if order.answers is not None and not await Challenges(session).close(order.answers):
        return ChallengeClosed()
    return uuid4()


async def _keep_cards(session: AsyncSession, orders: Iterable[Order]) -> None:
    made = [(o.intent, o.card) for o in orders if isinstance(o.intent, Registration)]
    await Cards(session).forget([registration.agent_id for registration, _ in made])
    for registration, card in made:
        if card is not None:
            Cards(session).keep(registration.agent_id, registration.cid, card)
