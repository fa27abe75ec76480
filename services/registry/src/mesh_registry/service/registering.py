"""Registering agents: what is said of them to the content store, who they are to the chain."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from eth_utils.address import to_checksum_address
from mesh_shared.bell import Bell, wait
from mesh_shared.chain.journal import Call, Journal
from mesh_shared.content import cid
from mesh_shared.content.store import ContentStore, once
from mesh_shared.database.engine import Database
from sqlalchemy.exc import IntegrityError

from mesh_registry.domain import naming
from mesh_registry.domain.chain import Depths
from mesh_registry.domain.metadata import AgentMetadata, document
from mesh_registry.domain.operations import Operation
from mesh_registry.domain.reputation import MAX_STAKE_UNITS
from mesh_registry.domain.signing import (
    Authorization,
    Registration,
    TypedData,
    permit_data,
    registration_data,
    signer,
)
from mesh_registry.errors import (
    AgentExists,
    OperationNotFound,
    RegistrationRefused,
    RegistrationReverted,
    SignatureDoesNotMatch,
    SigningDelayed,
    StakeTooLarge,
)
from mesh_registry.ports import Contracts
from mesh_registry.repository.agents import Agents
from mesh_registry.repository.operations import Operations

TO_SIGN = timedelta(hours=1)
SIGNED_WITHIN_S = 5.0
CONFIRMED_WITHIN_S = 30.0
LOOK_S = 0.5
"""Replicas do not hear each other's bells; this is how often we look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """An agent that somebody wants registered; `stake_units` are base units of the token."""

    name: str
    did: str | None
    metadata: AgentMetadata
    stake_units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What an owner signs to have its agent registered; `permit` is None when there is nothing to stake."""

    registration: Registration
    nonce: int
    deadline: int
    registration_data: TypedData
    permit_data: TypedData | None


@dataclass(frozen=True, slots=True)
class Registrar:
    """Writes to the chain with the operator's key, which owns the agents that no other owner signed for."""

    database: Database
    store: ContentStore
    contracts: Contracts
    operator: str
    depths: Depths
    sent: Bell
    """Rings when a transaction changed state."""
    indexed: Bell
    """Rings when the index changed."""

    async def draft(self, wish: Wish, owner: str) -> Draft:
        """What `owner` signs within an hour to become the agent's owner. Nothing is stored.

        Raises `AgentExists`, `StakeTooLarge`, `ToolUnfit`, `TextUnfit`, `ContentTooLarge`,
        `ChainUnavailable`.
        """
        registration = self._registration(wish, owner, document(wish.metadata))
        if await self._known(registration) is not None:
            raise AgentExists
        deadline = int((datetime.now(UTC) + TO_SIGN).timestamp())
        terms = await self.contracts.registration_terms(registration.owner)
        permit = await self._permit_data(registration, deadline) if registration.stake_units else None
        return Draft(
            registration=registration,
            nonce=terms.nonce,
            deadline=deadline,
            registration_data=registration_data(registration, terms, deadline),
            permit_data=permit,
        )

    async def register(self, wish: Wish, authorization: Authorization | None, requested_by: str) -> Operation:
        """The operation that registers the agent; its transaction is signed.

        The agent belongs to the owner who signed, or to the operator. The same registration again is the same
        operation, whoever asks and under whatever key.

        Raises `AgentExists`, `SignatureDoesNotMatch`, `StakeTooLarge`, `ToolUnfit`, `TextUnfit`,
        `ContentTooLarge`, `StoreUnavailable`, `ChainUnavailable`, `SigningDelayed`, and whatever the contract
        refuses as some kind of `RegistrationRefused`.
        """
        said = document(wish.metadata)
        registration = self._registration(wish, authorization.owner if authorization else self.operator, said)
        id = await self._known(registration)
        while id is None:
            call = await self._call(registration, authorization)
            await self.store.add(once(said))  # before anything names its CID
            accepted = await self._accept(registration, call, authorization is None, requested_by)
            id = accepted or await self._known(registration)
        return await self._signed(id)

    async def operation(self, id: UUID) -> Operation:
        """Where a registration stands. Raises `OperationNotFound`."""
        async with self.database.read() as session:
            found = await Operations(session, self.depths).get(id)
        if found is None:
            raise OperationNotFound
        return found

    async def confirmed(self, id: UUID) -> Operation:
        """The operation once the agent can be found, or as it is after 30 s.

        Raises `OperationNotFound`, and `RegistrationReverted` when it was mined without effect.
        """
        with suppress(TimeoutError):
            await self._until(id, lambda operation: operation.is_over, self.indexed, CONFIRMED_WITHIN_S)
        return self._accepted(await self.operation(id))

    def refusal(self, operation: Operation) -> RegistrationRefused | None:
        """Why the operation failed; None while it has not."""
        if not operation.has_failed:
            return None
        reason = operation.refusal
        return RegistrationReverted() if reason is None else self.contracts.refusal(reason)

    def _registration(self, wish: Wish, owner: str, said: bytes) -> Registration:
        """What the chain is to be told, `said` being the document."""
        if wish.stake_units > MAX_STAKE_UNITS:
            raise StakeTooLarge
        owner = to_checksum_address(owner)
        return Registration(
            owner=owner,
            agent_id=naming.agent_id_of(wish.name),
            did=wish.did or naming.did_of(self.contracts.chain_id, owner),
            cid=str(cid.of(said)),  # a document is one block
            stake_units=wish.stake_units,
            capabilities=naming.capability_hashes(wish.metadata.capabilities),
        )

    async def _known(self, registration: Registration) -> UUID | None:
        """The operation of this very registration; None when the agent's id is free."""
        async with self.database.read() as session:
            known = await Operations(session, self.depths).claiming(registration.agent_id)
            is_taken = await Agents(session).find(registration.agent_id) is not None
        if known is not None and not known.has_failed:
            if known.registration != registration:
                raise AgentExists
            return known.id
        if is_taken:
            raise AgentExists
        return None

    async def _call(self, registration: Registration, authorization: Authorization | None) -> Call:
        if authorization is None:
            return self.contracts.register(registration)
        terms = await self.contracts.registration_terms(registration.owner)
        data = registration_data(registration, terms, authorization.deadline)
        if signer(data, authorization.signature) != registration.owner:
            raise SignatureDoesNotMatch
        return self.contracts.register_for(registration, authorization, terms.nonce)

    async def _accept(
        self, registration: Registration, call: Call, is_own: bool, requested_by: str
    ) -> UUID | None:
        """Makes intent and transaction one commit; None when a parallel request was faster."""
        id = uuid4()
        try:
            async with self.database.write() as session:
                operations, journal = Operations(session, self.depths), Journal(session)
                failed = await operations.claiming(registration.agent_id)
                if failed is not None and failed.has_failed:
                    await operations.release(failed.id)
                if is_own and registration.stake_units:
                    allowing = f"approve:{self.contracts.registry}"
                    await journal.prepare(allowing, self.operator, self.contracts.approve())
                transaction = await journal.prepare(f"register:{id}", self.operator, call)
                operations.add(id, registration, transaction, requested_by)
        except IntegrityError:
            return None
        return id

    async def _permit_data(self, registration: Registration, deadline: int) -> TypedData:
        terms = await self.contracts.permit_terms(registration.owner)
        spender, units = self.contracts.registry, registration.stake_units
        return permit_data(registration.owner, spender, units, terms, deadline)

    async def _signed(self, id: UUID) -> Operation:
        try:
            signed = await self._until(id, lambda operation: operation.is_signed, self.sent, SIGNED_WITHIN_S)
        except TimeoutError:
            raise SigningDelayed(id) from None
        return self._accepted(signed)

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
