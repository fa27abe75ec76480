"""What was accepted: made durable with its transaction, followed until it is in the index."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID, uuid4

from mesh_shared.bell import Bell, wait
from mesh_shared.chain.journal import Call, Journal
from mesh_shared.database.engine import Database
from sqlalchemy.exc import IntegrityError

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
from mesh_registry.repository.operations import Operations
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


@dataclass(frozen=True, slots=True, kw_only=True)
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

    async def claiming(self, claim: str) -> Operation | None:
        """The operation that has `claim`; None while it is free."""
        async with self.database.read() as session:
            known = await Operations(session, self.depths).claiming(claim)
        return None if known is None or known.has_failed else known

    async def accept(self, order: Order) -> UUID | None:
        """Makes intent, transaction and card one commit; None when a parallel request was faster.

        Raises `ChallengeClosed` when another order answered the same challenge.
        """
        id = uuid4()
        try:
            async with self.database.write() as session:
                operations, journal = Operations(session, self.depths), Journal(session)
                failed = await operations.claiming(order.claim)
                if failed is not None and failed.has_failed:
                    await operations.release(failed.id)
                if order.answers is not None and not await Challenges(session).close(order.answers):
                    raise ChallengeClosed
                if order.spends:
                    allowing = f"approve:{self.contracts.registry}"
                    await journal.prepare(allowing, self.operator, self.contracts.approve())
                transaction = await journal.prepare(f"{order.intent.kind}:{id}", self.operator, order.call)
                operations.add(id, order.claim, order.intent, transaction, order.requested_by)
                if isinstance(order.intent, Registration):
                    await Cards(session).keep(order.intent.agent_id, order.intent.cid, order.card)
        except IntegrityError:
            return None
        return id

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
