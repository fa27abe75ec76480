"""Deployments on the wire. The fields in camelCase are those of the system's first description."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal, Self

from mesh_shared.wire import Units, Uuid, WireModel
from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator, model_validator
from pydantic.json_schema import SkipJsonSchema

from mesh_deployer.domain import cost
from mesh_deployer.domain.deployment import Deployment, Lease, State
from mesh_deployer.domain.generation import generate_sdl
from mesh_deployer.domain.market import Bid, Cause, CloseReason, Declined, ScoredBid, Strategy, Terms, tally
from mesh_deployer.errors import EitherSdlOrConfig
from mesh_deployer.schemas.costs import CostReductionView
from mesh_deployer.schemas.money import Deposit, UactPerBlock, usd
from mesh_deployer.schemas.sdl import HELLO, ConfigModel, Sdl

ONE_OF: dict[str, JsonValue] = {
    "oneOf": [{"type": "object", "required": ["sdl"]}, {"type": "object", "required": ["config"]}]
}


class DeploymentOptions(WireModel):
    """An SDL, or a configuration to make one from; never both."""

    sdl: Sdl | SkipJsonSchema[None] = None
    config: ConfigModel | SkipJsonSchema[None] = None
    provider: Literal["auto", "simulated", "docker", "akash-chain", "akash-console"] = Field(
        default="auto",
        description="auto: the local Docker engine when it answers and has the image, otherwise simulated. "
        "akash-chain and akash-console cost money and are never chosen by themselves.",
        examples=["auto"],
    )
    reputation_floor: float | None = Field(
        default=None, ge=0, le=1, description="Least reputation of a provider; null for ours.", examples=[0.7]
    )
    strategy: Annotated[Strategy, Field(strict=False)] = Field(
        default=Strategy.CHEAPEST,
        description="cheapest: of those that meet the terms. best-value: price over what a reputation of so "
        "many leases can be relied on.",
        examples=["cheapest"],
    )

    top_up_to_uact: Deposit | None = Field(
        default=None,
        description="How far the deposit is raised by itself when it lasts less than 24 hours, so that "
        "it lasts 48; null for never. `POST …/deposit` changes it.",
        examples=[None],
    )
    fail_over: bool = Field(
        default=False,
        description="Whether it is begun at another provider by itself when replicas are missing for long; "
        "at most three times in a row.",
    )

    @field_validator("sdl", "config", mode="before")
    @classmethod
    def _is_there(cls, value: object) -> object:
        if value is None:
            raise ValueError("leave it out instead of null")
        return value

    @property
    def is_clear(self) -> bool:
        """True when there is exactly one thing to deploy."""
        return (self.sdl is None) != (self.config is None)

    def text(self) -> str:
        """The SDL to deploy. Raises `EitherSdlOrConfig`, and what `generate_sdl` raises."""
        if not self.is_clear:
            raise EitherSdlOrConfig
        return generate_sdl(self.config.config()) if self.config is not None else self.sdl or ""

    @property
    def top_up_to(self) -> int | None:
        """uact."""
        return None if self.top_up_to_uact is None else int(self.top_up_to_uact)

    def floor(self) -> Decimal | None:
        """The floor as it was written."""
        return None if self.reputation_floor is None else Decimal(str(self.reputation_floor))


class DeploymentRequest(DeploymentOptions):
    """Options whose schema says that there is exactly one thing to deploy."""

    model_config = ConfigDict(
        json_schema_extra={**ONE_OF, "examples": [{"sdl": HELLO, "provider": "simulated"}]}
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.is_clear:
            raise ValueError("give either sdl or config")
        return self


class BidView(BaseModel):
    placement: str = Field(description="Which placement of the SDL it is for.", examples=["dcloud"])
    provider: str = Field(examples=["sim1d65a389811f"])
    uri: str
    uact_per_block: UactPerBlock
    usd_per_month: str = Field(examples=["5.71"])
    reputation: str = Field(description="0 to 1.", examples=["0.79"])
    leases: int = Field(description="On how many leases it rests; 0 when nobody knows.", examples=[57])
    trust: str = Field(
        description="What the reputation hardly falls below, given so many leases (Wilson, 95 %).",
        examples=["0.6718"],
    )
    score: str | None = Field(description="What the strategy compares; the least is best.", examples=["13.5"])
    attributes: dict[str, str]
    accepted: bool = Field(description="Whether it met the terms.")
    rank: int | None = Field(description="1 is the chosen one; null when it is out.", examples=[1])
    cause: Cause = Field(description="Stable name of the reason.")
    reason: str = Field(examples=["Cheapest of 6 that met the terms."])

    @classmethod
    def of(cls, scored: ScoredBid, terms: Terms, inputs: cost.Inputs) -> Self:
        bid = scored.bid
        return cls(
            placement=terms.placement(bid.gseq),
            provider=bid.provider,
            uri=bid.uri,
            uact_per_block=f"{bid.uact_per_block:f}",
            usd_per_month=usd(cost.akash_usd_month(bid.uact_per_block, inputs)),
            reputation=f"{bid.reputation:f}",
            leases=bid.leases,
            trust=f"{bid.trust:f}",
            score=None if scored.score is None else f"{scored.score:f}",
            attributes=dict(bid.attributes),
            accepted=scored.accepted,
            rank=scored.rank,
            cause=scored.cause,
            reason=scored.reason,
        )


class DeclinedView(BaseModel):
    placement: str = Field(examples=["dcloud"])
    provider: str
    cause: Cause = Field(description="Stable name of the reason.")
    reason: str = Field(examples=["region is us-west, eu-west is required."])

    @classmethod
    def of(cls, declined: Declined, terms: Terms) -> Self:
        return cls(
            placement=terms.placement(declined.gseq),
            provider=declined.provider,
            cause=declined.cause,
            reason=declined.reason,
        )


class BidsView(BaseModel):
    """Every bid with the reason for its place, by placement and best first.

    And who did not bid, where the market knows.
    """

    deploymentId: Uuid
    status: State
    explanation: str
    strategy: Strategy
    reputation_floor: str = Field(examples=["0.7"])
    requirements: dict[str, str]
    items: list[BidView]
    declined: list[DeclinedView]
    out: dict[Cause, int] = Field(description="How many are out, by cause.", examples=[{"reputation": 7}])

    @classmethod
    def of(cls, deployment: Deployment, inputs: cost.Inputs) -> Self:
        return cls(
            deploymentId=deployment.id,
            status=deployment.state,
            explanation=deployment.explanation,
            strategy=deployment.terms.strategy,
            reputation_floor=f"{deployment.terms.reputation_floor:f}",
            requirements=dict(deployment.terms.requirements),
            items=[BidView.of(scored, deployment.terms, inputs) for scored in deployment.bids],
            declined=[DeclinedView.of(declined, deployment.terms) for declined in deployment.declined],
            out=tally(deployment.bids, deployment.declined),
        )


class StepView(BaseModel):
    at: datetime
    status: State
    note: str


class FundsView(BaseModel):
    """An estimate: so many blocks by the clock since the first lease, each at today's price."""

    lasts_until: datetime = Field(description="When nothing is left; at the latest a century on.")
    goal_uact: Units | None = Field(description="What the deposit is being raised to.")
    top_up_to_uact: Units | None = Field(description="How far it is raised by itself; null for not at all.")

    @classmethod
    def of(cls, deployment: Deployment, inputs: cost.Inputs) -> Self | None:
        if (funds := deployment.funds(inputs.block_time_s)) is None:
            return None
        goal, most = deployment.deposit_goal_uact, deployment.top_up_to_uact
        return cls(
            lasts_until=funds.lasts_until,
            goal_uact=str(goal) if goal > deployment.deposit_uact else None,
            top_up_to_uact=None if most is None else str(most),
        )


class LeaseView(BaseModel):
    """Who runs a placement."""

    placement: str = Field(examples=["dcloud"])
    leaseId: str
    providerUri: str = Field(description="Where the provider is; .invalid when it is simulated.")
    provider: str = Field(examples=["sim1d65a389811f"])
    uact_per_block: UactPerBlock

    @classmethod
    def of(cls, lease: Lease, bid: Bid, terms: Terms) -> Self:
        return cls(
            placement=terms.placement(lease.gseq),
            leaseId=lease.lease_id,
            providerUri=lease.provider_uri,
            provider=bid.provider,
            uact_per_block=f"{bid.uact_per_block:f}",
        )


class DeploymentView(BaseModel):
    """`leaseId`, `providerUri` and `chosen` are those of the first placement; `leases` has them all."""

    deploymentId: Uuid
    leaseId: str | None = Field(description="Null while there is no lease.")
    providerUri: str | None = Field(description="Where the provider is; .invalid when it is simulated.")
    leases: list[LeaseView] = Field(description="One for each placement of the SDL, or none.")
    costReduction: CostReductionView | None = Field(description="Null while no bid is chosen.")
    status: State
    provider: str = Field(description="The backend.", examples=["simulated"])
    provider_reason: str = Field(description="Why this backend, and what that means.")
    uris: list[str] = Field(description="Where the workload really answers; empty when nothing runs.")
    bids_seen: int
    chosen: BidView | None
    explanation: str = Field(description="The last thing that happened.")
    version_hash: str
    deposit_uact: Units
    refunded_uact: Units | None = Field(description="What came back at the end.")
    close_reason: CloseReason | None = Field(
        description="Why the market closed it, in Akash's words: what came first counts."
    )
    replaces: Uuid | None = Field(description="Which deployment is closed once this one runs.")
    replaced_by: Uuid | None = Field(description="Which one is to take its place, or has.")
    unready_since: datetime | None = Field(description="Since when replicas are missing; else null.")
    funds: FundsView | None = Field(description="How long the deposit lasts; null without a lease.")
    history: list[StepView]
    created_at: datetime
    revision: int

    @classmethod
    def of(cls, deployment: Deployment, saving: cost.Comparison | None, inputs: cost.Inputs) -> Self:
        terms, refund = deployment.terms, deployment.refunded_uact
        leases = [
            LeaseView.of(lease, bid, terms)
            for lease in deployment.leases
            for bid in deployment.chosen
            if bid.gseq == lease.gseq
        ]
        chosen = next((b for b in deployment.bids if b.bid in deployment.chosen[:1]), None)
        return cls(
            deploymentId=deployment.id,
            leaseId=leases[0].leaseId if leases else None,
            providerUri=leases[0].providerUri if leases else None,
            leases=leases,
            costReduction=CostReductionView.of(saving, deployment.shape) if saving else None,
            status=deployment.state,
            provider=deployment.provider,
            provider_reason=deployment.provider_reason,
            uris=list(deployment.uris),
            bids_seen=len(deployment.bids),
            chosen=BidView.of(chosen, terms, inputs) if chosen else None,
            explanation=deployment.explanation,
            version_hash=deployment.version_hash,
            deposit_uact=str(deployment.deposit_uact),
            refunded_uact=None if refund is None else str(refund),
            close_reason=deployment.close_reason,
            replaces=deployment.replaces,
            replaced_by=deployment.replaced_by,
            unready_since=deployment.unready_since,
            funds=FundsView.of(deployment, inputs) if refund is None else None,
            history=[StepView(at=s.at, status=s.state, note=s.note) for s in deployment.history],
            created_at=deployment.created_at,
            revision=deployment.revision,
        )
