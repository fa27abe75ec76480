"""Changing agents: the operator's own at a caller's word, everybody else's at their owner's."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from uuid import NAMESPACE_URL, UUID, uuid5

from mesh_shared.chain.journal import Call
from mesh_shared.content import cid
from mesh_shared.content.store import ContentStore, once
from mesh_shared.errors import IdempotencyKeyReused

from mesh_registry.domain import naming
from mesh_registry.domain.agents import Agent
from mesh_registry.domain.challenges import Asker, Challenge
from mesh_registry.domain.intents import Change, Stake, Switch, Update, Withdrawal, claim_of
from mesh_registry.domain.metadata import AgentMetadata, document
from mesh_registry.domain.operations import Operation
from mesh_registry.domain.signing import (
    TO_SIGN,
    Authorization,
    Permit,
    TypedData,
    change_data,
    digest,
    permit_data,
)
from mesh_registry.errors import (
    AgentNotFound,
    ChallengeClosed,
    OwnerMustSign,
    VersionMismatch,
)
from mesh_registry.ports import Contracts
from mesh_registry.repository.agents import Agents
from mesh_registry.repository.challenges import Challenges
from mesh_registry.service.operating import Operating, Order
from mesh_registry.service.wallets import require_signature

TO_ANSWER = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A change that somebody wants, and the metadata that it brings, if it brings any."""

    change: Change
    metadata: AgentMetadata | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """An owner's answer to the challenge `nonce`, and its signature for the contract where that wants one."""

    nonce: str
    signature: bytes
    deadline: int | None = None
    authorization: bytes | None = None
    permit: Permit | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What an owner signs to have its agent changed.

    `typed` is for the contract, until `deadline`; None when the contract lets anybody make the change.
    `permit` is for the token, when the change is a stake.
    """

    challenge: Challenge
    typed: TypedData | None
    permit: TypedData | None
    deadline: int


@dataclass(frozen=True, slots=True)
class Changer:
    """Changes agents that are in the index."""

    operating: Operating
    store: ContentStore
    asker: Asker

    @property
    def contracts(self) -> Contracts:
        """Whom we write to."""
        return self.operating.contracts

    async def challenge(self, wanted: Wanted, requested_by: str) -> Question:
        """What the agent's owner signs: within five minutes for us, within an hour for the contract.

        Raises `AgentNotFound`, `VersionMismatch`, `ChainUnavailable`, and what is wrong with the metadata as
        `ToolUnfit`, `TextUnfit` or `ContentTooLarge`.
        """
        change, now = wanted.change, datetime.now(UTC)
        agent = await self._agent(change)
        deadline = int((now + TO_SIGN).timestamp())
        terms = await self.contracts.registration_terms(agent.owner)
        permit = await self._permit(change, agent.owner, deadline)
        asked = self.asker.ask(change, agent.owner, token_hex(16), now, now + TO_ANSWER)
        async with self.operating.database.write() as session:
            await Challenges(session).add(asked, requested_by, now)
        return Question(
            challenge=asked,
            typed=None if isinstance(change, Withdrawal) else change_data(change, terms, deadline),
            permit=permit,
            deadline=deadline,
        )

    async def _permit(self, change: Change, owner: str, deadline: int) -> TypedData | None:
        if not isinstance(change, Stake):
            return None
        terms = await self.contracts.permit_terms(owner)
        return permit_data(owner, self.contracts.registry, change.units, terms, deadline)

    async def change(self, wanted: Wanted, proof: Proof | None, requested_by: str, key: str) -> Operation:
        """The operation that changes the agent; its transaction is signed.

        The same change of the same version again is the same operation; other changes are told apart by the
        caller and its `key`.

        Raises what `challenge` does, `OwnerMustSign`, `ChallengeClosed`, `SignatureDoesNotMatch`,
        `IdempotencyKeyReused`, `StoreUnavailable`, `SigningDelayed`, and whatever the contract refuses as
        some kind of `OperationRefused`.
        """
        change = wanted.change
        claim = claim_of(change, uuid5(NAMESPACE_URL, "\0".join((change.agent_id, requested_by, key))))
        id = await self._known(change, claim)
        while id is None:
            try:
                id = await self._accept(wanted, claim, proof, requested_by)
            except ChallengeClosed:  # by another copy of this very request, perhaps
                if await self._known(change, claim) is None:
                    raise
            id = id or await self._known(change, claim)
        return await self.operating.signed(id)

    async def _accept(
        self, wanted: Wanted, claim: str, proof: Proof | None, requested_by: str
    ) -> UUID | None:
        change = wanted.change
        call = await self._call(change, await self._agent(change), proof)
        if wanted.metadata is not None:
            await self.store.add(once(document(wanted.metadata)))  # before anything names its CID
        order = Order(
            intent=change,
            claim=claim,
            call=call,
            requested_by=requested_by,
            spends=isinstance(change, Stake) and proof is None,
            answers=proof and proof.nonce,
        )
        return await self.operating.accept(order)

    async def _known(self, change: Change, claim: str) -> UUID | None:
        """The operation of this very change; None when nobody has made it."""
        known, _ = await self.operating.claiming(claim, change.agent_id)
        if known is None:
            return None
        if known.intent != change:
            raise (
                VersionMismatch
                if isinstance(change, Update | Switch)
                else IdempotencyKeyReused("This key belongs to another change.")
            )
        return known.id

    async def _agent(self, change: Change) -> Agent:
        """The agent as it is indexed, when the change is one that it can still have."""
        async with self.operating.database.read() as session:
            found = await Agents(session).find(change.agent_id)
        if found is None:
            raise AgentNotFound
        agent, _ = found
        if isinstance(change, Update | Switch) and change.expected_version < agent.version:
            raise VersionMismatch  # a later version may be on its way; the contract knows
        return agent

    async def _call(self, change: Change, agent: Agent, proof: Proof | None) -> Call:
        if proof is None:
            if agent.owner != self.operating.operator:
                raise OwnerMustSign
            return self.contracts.change(change)
        await self._check(proof, change, agent.owner)
        if isinstance(change, Withdrawal):
            return self.contracts.change(change)
        if proof.authorization is None or proof.deadline is None:
            raise OwnerMustSign
        terms = await self.contracts.registration_terms(agent.owner)
        typed = change_data(change, terms, proof.deadline)
        await require_signature(self.contracts, agent.owner, digest(typed), proof.authorization)
        signed = Authorization(
            owner=agent.owner,
            deadline=proof.deadline,
            signature=proof.authorization,
            permit=proof.permit,
        )
        return self.contracts.change_for(change, signed, terms.nonce)

    async def _check(self, proof: Proof, change: Change, owner: str) -> None:
        """Lets pass the owner's own answer to an open question about exactly this change."""
        async with self.operating.database.read() as session:
            asked = await Challenges(session).open(proof.nonce, datetime.now(UTC))
        if asked is None or (asked.owner, asked.change) != (owner, change):
            raise ChallengeClosed
        await require_signature(self.contracts, owner, asked.digest, proof.signature)


def update_of(agent_id: str, expected_version: int, metadata: AgentMetadata) -> Wanted:
    """The update that gives an agent other metadata. Raises `ToolUnfit`, `TextUnfit`, `ContentTooLarge`."""
    change = Update(
        agent_id=agent_id,
        cid=str(cid.of(document(metadata))),  # a document is one block
        capabilities=naming.capability_hashes(metadata.capabilities),
        expected_version=expected_version,
    )
    return Wanted(change=change, metadata=metadata)
