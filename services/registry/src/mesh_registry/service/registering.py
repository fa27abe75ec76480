"""Registering agents: what is said of them to the content store, who they are to the chain."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from eth_utils.address import to_checksum_address
from mesh_shared.chain.journal import Call
from mesh_shared.content import cid
from mesh_shared.content.store import ContentStore, once
from mesh_shared.errors import MeshError

from mesh_registry.domain import naming
from mesh_registry.domain.cards import Evidence
from mesh_registry.domain.intents import Registration, bounded
from mesh_registry.domain.metadata import AgentMetadata, document
from mesh_registry.domain.operations import Operation
from mesh_registry.domain.signing import (
    TO_SIGN,
    Authorization,
    TypedData,
    digest,
    permit_data,
    registration_data,
)
from mesh_registry.errors import AgentExists, SigningDelayed
from mesh_registry.ports import Contracts
from mesh_registry.service.operating import Operating, Order
from mesh_registry.service.wallets import require_signature


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """An agent that somebody wants registered; `stake_units` are base units of the token.

    It belongs to the owner who signed the authorization, or to the operator. `card` is what the metadata was
    made of.
    """

    name: str
    did: str | None
    metadata: AgentMetadata
    stake_units: int
    authorization: Authorization | None = None
    card: Evidence | None = None


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
    """Registers agents of the operator, and of owners who signed."""

    operating: Operating
    store: ContentStore

    @property
    def contracts(self) -> Contracts:
        """Whom we write to."""
        return self.operating.contracts

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

    async def register(self, wish: Wish, requested_by: str) -> Operation:
        """The operation that registers the agent; its transaction is signed.

        The same registration again is the same operation, whoever asks and under whatever key.

        Raises `AgentExists`, `SignatureDoesNotMatch`, `StakeTooLarge`, `ToolUnfit`, `TextUnfit`,
        `ContentTooLarge`, `StoreUnavailable`, `ChainUnavailable`, `SigningDelayed`, and whatever the contract
        refuses as some kind of `OperationRefused`.
        """
        said = document(wish.metadata)
        authorization = wish.authorization
        owner = authorization.owner if authorization else self.operating.operator
        registration = self._registration(wish, owner, said)
        id = await self._known(registration)
        while id is None:
            order = Order(
                intent=registration,
                claim=registration.agent_id,
                call=await self._call(registration, authorization),
                requested_by=requested_by,
                spends=authorization is None and registration.stake_units > 0,
                card=wish.card,
            )
            await self.store.add(once(said))  # before anything names its CID
            id = await self.operating.accept(order) or await self._known(registration)
        return await self.operating.signed(id)

    async def register_all(self, wishes: Sequence[Wish], requested_by: str) -> list[Operation | MeshError]:
        """Registers each for itself, all at once; the outcomes in order.

        Raises an outcome of 500 or above, such as `ChainUnavailable`, because then all of them are worth
        repeating: what was accepted is accepted, and is the same operation again.
        """
        outcomes = await asyncio.gather(*(self._outcome(wish, requested_by) for wish in wishes))
        for outcome in outcomes:
            if isinstance(outcome, MeshError) and outcome.status >= MeshError.status:
                raise outcome
        return outcomes

    async def _outcome(self, wish: Wish, requested_by: str) -> Operation | MeshError:
        try:
            return await self.register(wish, requested_by)
        except SigningDelayed as delayed:
            return await self.operating.operation(delayed.operation_id)
        except MeshError as error:
            return error

    def _registration(self, wish: Wish, owner: str, said: bytes) -> Registration:
        """What the chain is to be told, `said` being the document."""
        owner = to_checksum_address(owner)
        return Registration(
            owner=owner,
            agent_id=naming.agent_id_of(wish.name),
            did=wish.did or naming.did_of(self.contracts.chain_id, owner),
            cid=str(cid.of(said)),  # a document is one block
            stake_units=bounded(wish.stake_units),
            capabilities=naming.capability_hashes(wish.metadata.capabilities),
        )

    async def _known(self, registration: Registration) -> UUID | None:
        """The operation of this very registration; None when the agent's id is free."""
        known, is_taken = await self.operating.claiming(registration.agent_id, registration.agent_id)
        if known is not None and known.intent == registration:
            return known.id
        if is_taken or known is not None:
            raise AgentExists
        return None

    async def _call(self, registration: Registration, authorization: Authorization | None) -> Call:
        if authorization is None:
            return self.contracts.register(registration)
        terms = await self.contracts.registration_terms(registration.owner)
        signed = digest(registration_data(registration, terms, authorization.deadline))
        await require_signature(self.contracts, registration.owner, signed, authorization.signature)
        return self.contracts.register_for(registration, authorization, terms.nonce)

    async def _permit_data(self, registration: Registration, deadline: int) -> TypedData:
        terms = await self.contracts.permit_terms(registration.owner)
        spender, units = self.contracts.registry, registration.stake_units
        return permit_data(registration.owner, spender, units, terms, deadline)
