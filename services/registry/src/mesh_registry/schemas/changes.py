"""Changes of agents: what is asked for, what the owner signs, how it answers."""

from typing import Annotated, Literal, Self, cast

from mesh_shared.wire import Cid, Hex32, Timestamp, WireModel
from pydantic import BaseModel, Discriminator, Field, StringConstraints, Tag

from mesh_registry.domain.intents import Change, Stake, Switch, Unstake, Withdrawal, bounded, cid_of
from mesh_registry.domain.metadata import AgentMetadata
from mesh_registry.domain.signing import TypedData
from mesh_registry.schemas.fields import MAX_INSTANT, Deadline, WalletSignature, as_bytes
from mesh_registry.schemas.registrations import EXAMPLE_METADATA, PermitBody
from mesh_registry.service.changing import Proof, Question, Wanted, update_of

Version = Annotated[
    int, Field(ge=1, le=MAX_INSTANT, description="The `version` of the agent that you read.", examples=[1])
]
Amount = Annotated[
    str,
    StringConstraints(pattern=r"^[1-9][0-9]{0,77}$"),
    Field(description="Base units of the token, as a decimal string; not 0.", examples=["1500000"]),
]


class UpdateBody(WireModel):
    """Other metadata."""

    kind: Literal["update"]
    expectedVersion: Version
    metadata: AgentMetadata = Field(examples=[EXAMPLE_METADATA])

    def wanted(self, agent_id: str) -> Wanted:
        return update_of(agent_id, self.expectedVersion, self.metadata)


class SwitchBody(WireModel):
    """Found from now on, or found no more; all else stays."""

    kind: Literal["activate", "deactivate"]
    expectedVersion: Version

    def wanted(self, agent_id: str) -> Wanted:
        change = Switch(agent_id=agent_id, expected_version=self.expectedVersion, kind=self.kind)
        return Wanted(change=change)


class StakeBody(WireModel):
    """`stake` locks more of the owner's tokens; `unstake` begins the cooldown of some."""

    kind: Literal["stake", "unstake"]
    amount: Amount

    def wanted(self, agent_id: str) -> Wanted:
        make = Stake if self.kind == "stake" else Unstake
        return Wanted(change=make(agent_id=agent_id, units=bounded(int(self.amount))))


class WithdrawalBody(WireModel):
    """All that has cooled down goes to the agent's owner."""

    kind: Literal["withdraw"]

    def wanted(self, agent_id: str) -> Wanted:
        return Wanted(change=Withdrawal(agent_id=agent_id))


_TAGS = {
    "update": "update",
    "activate": "switch",
    "deactivate": "switch",
    "stake": "stake",
    "unstake": "stake",
    "withdraw": "withdrawal",
}


def _tag(value: object) -> str | None:
    """Which body it is. A discriminator by name does not go with the validators of `WireModel`."""
    if isinstance(value, dict):
        kind = cast("dict[str, object]", value).get("kind")
    else:
        kind = getattr(value, "kind", None)
    return _TAGS.get(kind) if isinstance(kind, str) else None


ChangeBody = Annotated[
    Annotated[UpdateBody, Tag("update")]
    | Annotated[SwitchBody, Tag("switch")]
    | Annotated[StakeBody, Tag("stake")]
    | Annotated[WithdrawalBody, Tag("withdrawal")],
    Discriminator(_tag),
    Field(examples=[{"kind": "deactivate", "expectedVersion": 1}]),
]


class ChallengeRequest(WireModel):
    """A change that the agent's owner is going to sign."""

    agentId: Hex32
    change: ChangeBody

    def wanted(self) -> Wanted:
        return self.change.wanted(self.agentId)


class ProofBody(WireModel):
    """The owner's answer to a challenge."""

    nonce: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")] = Field(examples=["5e" * 16])
    signature: WalletSignature = Field(description="Of `message`, as `personal_sign` makes it (EIP-191).")


class ChangeAuthorization(WireModel):
    """The owner's signature of `typedData`; of `permit` too for a stake that no allowance covers."""

    deadline: Deadline
    signature: WalletSignature
    permit: PermitBody | None = Field(default=None, examples=[None])


class ChangeRequest(WireModel):
    """A change; of an agent of the operator it needs nothing else.

    `proof` and `authorization` are the signatures under what `POST /v1/wallet-challenges` answered.
    """

    change: ChangeBody
    proof: ProofBody | None = Field(default=None, examples=[None])
    authorization: ChangeAuthorization | None = Field(
        default=None, description="Needed where `typedData` was not null.", examples=[None]
    )

    def proven(self) -> Proof | None:
        if self.proof is None:
            return None
        return Proof(
            nonce=self.proof.nonce,
            signature=as_bytes(self.proof.signature),
            deadline=self.authorization and self.authorization.deadline,
            authorization=self.authorization and as_bytes(self.authorization.signature),
            permit=self.authorization and self.authorization.permit and self.authorization.permit.permit(),
        )


class ChallengeView(BaseModel):
    """What the owner signs: `message` as text for the registry, `typedData` for the contract."""

    agentId: Hex32
    owner: str = Field(examples=["0x70997970C51812dc3A010C7d01b50e0d17dc79C8"])
    nonce: str = Field(examples=["5e" * 16])
    message: str = Field(description="EIP-4361; sign it with `personal_sign`. It is good for one change.")
    expiresAt: Timestamp
    metadataCid: Cid | None = Field(description="Where the new metadata is going to be; null without any.")
    typedData: TypedData | None = Field(description="EIP-712; null when the contract asks for no signature.")
    permit: TypedData | None = Field(description="ERC-2612, for a stake; null when there is none.")
    deadline: Deadline

    @classmethod
    def of(cls, question: Question) -> Self:
        challenge = question.challenge
        change: Change = challenge.change
        return cls(
            agentId=change.agent_id,
            owner=challenge.owner,
            nonce=challenge.nonce,
            message=challenge.message,
            expiresAt=challenge.expires_at,
            metadataCid=cid_of(change),
            typedData=question.typed,
            permit=question.permit,
            deadline=question.deadline,
        )
