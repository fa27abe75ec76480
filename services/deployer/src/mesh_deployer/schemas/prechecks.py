"""Prechecks on the wire."""

from typing import Self

from mesh_shared.wire import Units
from pydantic import BaseModel, Field

from mesh_deployer.domain import cost
from mesh_deployer.domain.market import Cause, Strategy, tally
from mesh_deployer.schemas.costs import CostReductionView
from mesh_deployer.schemas.deployments import BidView, DeclinedView
from mesh_deployer.service.deployer import Precheck


class PrecheckView(BaseModel):
    """What would come of deploying it now. Nothing was opened, locked or stored."""

    ok: bool = Field(description="Whether a bid would be accepted for every placement.")
    explanation: str = Field(examples=["5 of 12 providers would do: sim1b49da446c391 is chosen."])
    provider: str = Field(description="The backend.", examples=["simulated"])
    provider_reason: str = Field(description="Why this backend, and what that means.")
    version_hash: str
    deposit_uact: Units
    strategy: Strategy
    reputation_floor: str = Field(examples=["0.7"])
    chosen: BidView | None = Field(description="For the first placement; `rank` 1 in `items` for each.")
    costReduction: CostReductionView | None = Field(description="What the chosen bids would save.")
    items: list[BidView] = Field(
        description="Every bid with the reason for its place, by placement and best first."
    )
    declined: list[DeclinedView] = Field(description="Who would not bid, and why.")
    out: dict[Cause, int] = Field(description="How many are out, by cause.", examples=[{"reputation": 7}])

    @classmethod
    def of(cls, found: Precheck, saving: cost.Comparison | None, inputs: cost.Inputs) -> Self:
        items = [BidView.of(scored, found.terms, inputs) for scored in found.choice.table]
        out = tally(found.choice.table, found.declined)
        return cls(
            ok=bool(found.choice.chosen),
            explanation=_explanation(found, out),
            provider=found.provider,
            provider_reason=found.provider_reason,
            version_hash=found.version_hash,
            deposit_uact=str(found.deposit_uact),
            strategy=found.terms.strategy,
            reputation_floor=f"{found.terms.reputation_floor:f}",
            chosen=items[0] if found.choice.chosen else None,
            costReduction=CostReductionView.of(saving, found.shape) if saving else None,
            items=items,
            declined=[DeclinedView.of(declined, found.terms) for declined in found.declined],
            out=out,
        )


def _explanation(found: Precheck, out: dict[Cause, int]) -> str:
    count = len(found.choice.table) + len(found.declined)
    causes = ", ".join(f"{number} {cause}" for cause, number in out.items())
    would = f"{count - sum(out.values())} of {count} providers would do"
    named = " and ".join(bid.provider for bid in found.choice.chosen)
    chosen = f": {named} is chosen" if named else ""
    return f"{would}{chosen}. Out: {causes}." if causes else f"{would}{chosen}."
