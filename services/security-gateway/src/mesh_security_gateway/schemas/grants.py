"""Grants."""

from datetime import datetime
from typing import Annotated

from mesh_shared.wire import Uuid, WireModel
from pydantic import BaseModel, Field, StringConstraints

from mesh_security_gateway.domain.grants import Budget, Rate
from mesh_security_gateway.schemas.fields import ExpiresAt, Method, Name, Subject

# 18 digits fit 64 bits, where every database can add them.
LimitedUnits = Annotated[
    str,
    StringConstraints(pattern=r"^(0|[1-9][0-9]{0,17})$"),
    Field(description="Base units of your choice, as a decimal string.", examples=["1000"]),
]


class RateModel(WireModel):
    """So many calls in a row, and then one more every `per_s / calls` seconds."""

    calls: int = Field(ge=1, le=1_000_000, examples=[60])
    per_s: int = Field(ge=1, le=86_400, examples=[60])

    def rate(self) -> Rate:
        return Rate(calls=self.calls, per_s=self.per_s)


class BudgetModel(WireModel):
    """Every call takes `per_call` of `units` before it goes out. What was not sent is given back."""

    units: LimitedUnits
    per_call: str = Field(default="1", pattern=r"^[1-9][0-9]{0,17}$", examples=["1"])

    def budget(self) -> Budget:
        return Budget(units=int(self.units), per_call=int(self.per_call))


class BudgetView(BudgetModel):
    spent: LimitedUnits


class GrantRequest(WireModel):
    subject: Subject
    connection: Name
    methods: list[Method] = Field(min_length=1, max_length=7, examples=[["GET"]])
    paths: list[
        Annotated[str, StringConstraints(pattern=r"^(/[A-Za-z0-9._~!$&'()*+,;=:@%-]*)+$", max_length=500)]
    ] = Field(
        min_length=1,
        max_length=50,
        description="Patterns over canonical paths: `*` within one segment, `/**` at the end for all below.",
        examples=[["/user", "/repos/**"]],
    )
    expires_at: ExpiresAt = None
    rate: RateModel | None = Field(default=None, description="How often; null for as often as one likes.")
    budget: BudgetModel | None = Field(default=None, description="How much in all; null for no end.")
    needs_approval: bool = Field(
        default=False,
        description="Whether a person must approve each request; see `/v1/approvals`.",
        examples=[False],
    )


class GrantView(BaseModel):
    id: Uuid
    subject: str = Field(examples=["agent-7"])
    connection: str = Field(examples=["github"])
    methods: list[str] = Field(examples=[["GET"]])
    paths: list[str] = Field(examples=[["/user"]])
    expires_at: ExpiresAt
    rate: RateModel | None
    budget: BudgetView | None
    needs_approval: bool
    created_by: str = Field(examples=["admin"])
    created_at: datetime
    is_revoked: bool
