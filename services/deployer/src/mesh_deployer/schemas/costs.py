"""Costs on the wire."""

from datetime import date
from typing import Self

from mesh_shared.wire import WireModel
from pydantic import BaseModel, Field

from mesh_deployer.domain import cost
from mesh_deployer.domain.cost import Basket, CloudCost, Comparison, Snapshot
from mesh_deployer.domain.workload import Shape
from mesh_deployer.schemas.money import Percent, UactPerBlock, Usd, percent, usd

BASIS = "a bid of the simulated market; it is no quotation"


class PriceView(BaseModel):
    cloud: str = Field(examples=["aws"])
    what: str = Field(examples=["vcpu"])
    sku: str = Field(examples=["Fargate Linux/x86 vCPU"])
    region: str = Field(examples=["us-east-1"])
    unit: str = Field(examples=["vCPU-hour"])
    usd: str | None = Field(description="Per unit; null where no source was at hand.", examples=["0.04048"])
    included: str = Field(description="The part of the quantity that costs nothing.", examples=["0"])
    minimum: str = Field(description="The least that is billed.", examples=["0.25"])
    source: str = Field(examples=["https://aws.amazon.com/fargate/pricing/"])
    seen: date = Field(description="The day on which `via` had the price.")
    via: str = Field(description="Who quotes the source.")


class PricesView(BaseModel):
    """The dated price lists that every comparison is computed from."""

    snapshot_date: date
    items: list[PriceView]

    @classmethod
    def of(cls, snapshot: Snapshot) -> Self:
        return cls(snapshot_date=snapshot.date, items=[_price(price) for price in snapshot.prices])


class ComparisonRequest(WireModel):
    cpu_millis: int = Field(ge=1, le=19_200_000, description="Thousandths of a CPU.", examples=[1000])
    memory_bytes: int = Field(ge=1, le=2**47, examples=[10**9])
    storage_bytes: int = Field(ge=0, le=2**50, examples=[10**9])
    uact_per_block: UactPerBlock

    def shape(self) -> Shape:
        """The resources in the domain's words."""
        return Shape(self.cpu_millis, self.memory_bytes, self.storage_bytes)


class ItemView(BaseModel):
    what: str = Field(examples=["vcpu"])
    quantity: str = Field(description="What is billed: vCPU, GB of 10**9 bytes, or pieces.", examples=["1"])
    usd_month: str | None = Field(description="Null where the price is not known.", examples=["29.57"])
    sku: str | None = Field(examples=["Fargate Linux/x86 vCPU"])


class BasketView(BaseModel):
    items: list[ItemView]
    usd_month: str | None = Field(
        description="The sum; null as soon as one price is not known.", examples=["32.82"]
    )
    percent: Percent

    @classmethod
    def of(cls, basket: Basket) -> Self:
        total = basket.usd_month
        return cls(
            items=[
                ItemView(
                    what=item.what,
                    quantity=f"{item.quantity.normalize():f}",
                    usd_month=None if item.usd_month is None else usd(item.usd_month),
                    sku=item.sku,
                )
                for item in basket.items
            ],
            usd_month=None if total is None else usd(total),
            percent=percent(basket.percent),
        )


class CloudView(BaseModel):
    cloud: str = Field(examples=["aws"])
    like_for_like: BasketView = Field(description="The same vCPU, memory and disk.")
    as_delivered: BasketView = Field(
        description="With the least that is billed, a load balancer and two public IPv4 addresses."
    )

    @classmethod
    def of(cls, cloud: CloudCost) -> Self:
        return cls(
            cloud=cloud.cloud,
            like_for_like=BasketView.of(cloud.like_for_like),
            as_delivered=BasketView.of(cloud.as_delivered),
        )


class InputsView(BaseModel):
    uact_per_block: UactPerBlock
    usd_per_uact: str = Field(examples=["0.000001"])
    block_time_s: str = Field(examples=["6.098"])
    days_per_month: str = Field(examples=["30.437"])
    cpu_millis: int
    memory_bytes: int
    storage_bytes: int


class ComparisonView(BaseModel):
    """Akash against three clouds, every line of it."""

    akash_usd_month: Usd
    clouds: list[CloudView]
    formula: str
    snapshot_date: date
    inputs: InputsView

    @classmethod
    def of(cls, comparison: Comparison, shape: Shape) -> Self:
        return cls(
            akash_usd_month=usd(comparison.akash_usd_month),
            clouds=[CloudView.of(cloud) for cloud in comparison.clouds],
            formula=cost.FORMULA,
            snapshot_date=comparison.snapshot_date,
            inputs=_inputs(comparison, shape),
        )


class CostReductionView(BaseModel):
    """What a deployment's own bid saves, computed when it is read."""

    percent_like_for_like: dict[str, Percent]
    percent_as_delivered: dict[str, Percent]
    akash_usd_month: Usd
    basis: str = Field(description="Where the Akash price comes from.", examples=[BASIS])
    formula: str
    snapshot_date: date
    inputs: InputsView

    @classmethod
    def of(cls, comparison: Comparison, shape: Shape) -> Self:
        return cls(
            percent_like_for_like={c.cloud: percent(c.like_for_like.percent) for c in comparison.clouds},
            percent_as_delivered={c.cloud: percent(c.as_delivered.percent) for c in comparison.clouds},
            akash_usd_month=usd(comparison.akash_usd_month),
            basis=BASIS,
            formula=cost.FORMULA,
            snapshot_date=comparison.snapshot_date,
            inputs=_inputs(comparison, shape),
        )


def _inputs(comparison: Comparison, shape: Shape) -> InputsView:
    return InputsView(
        uact_per_block=f"{comparison.uact_per_block:f}",
        usd_per_uact=f"{comparison.inputs.usd_per_uact:f}",
        block_time_s=f"{comparison.inputs.block_time_s:f}",
        days_per_month=f"{cost.DAYS_PER_MONTH:f}",
        cpu_millis=shape.cpu_millis,
        memory_bytes=shape.memory_bytes,
        storage_bytes=shape.storage_bytes,
    )


def _price(price: cost.Price) -> PriceView:
    return PriceView(
        cloud=price.cloud,
        what=price.what,
        sku=price.sku,
        region=price.region,
        unit=price.unit,
        usd=None if price.usd is None else f"{price.usd:f}",
        included=f"{price.included:f}",
        minimum=f"{price.minimum:f}",
        source=price.source,
        seen=price.seen,
        via=price.via,
    )
