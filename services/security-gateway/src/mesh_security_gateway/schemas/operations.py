"""One call, whole, and the context it came about in."""

from typing import Annotated, Any, Self

import orjson
from mesh_shared.wire import Uuid, WireModel
from pydantic import BaseModel, Field, StringConstraints

from mesh_security_gateway.domain.headers import joined
from mesh_security_gateway.schemas.fields import CallMethod, Name
from mesh_security_gateway.service.operations import Operation, Performed


class OperationRequest(WireModel):
    """One call through a connection."""

    connection: Name
    method: CallMethod = Field(examples=["GET"])
    path: str = Field(
        pattern=r"^/[\x21-\x22\x24-\x7e]*$",
        max_length=4000,
        description="Percent-encoded, with its query if any.",
        examples=["/user"],
    )
    headers: dict[
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$")],
        Annotated[str, StringConstraints(pattern=r"^[\x20-\x7e]*$", max_length=1000)],
    ] = Field(
        default={},
        max_length=20,
        examples=[{"Accept": "application/json"}],
        json_schema_extra={"additionalProperties": False},  # other names; pydantic leaves it unsaid
    )
    # `json` is what it is called on the wire; as an attribute it would hide pydantic's own.
    content: Any = Field(
        default=None, alias="json", description="Any JSON value; null for no body.", examples=[None]
    )
    approval: Uuid | None = Field(
        default=None, description="A person's word on this request; see `/v1/approvals`.", examples=[None]
    )
    lease: Uuid | None = Field(
        default=None, description="What it is made under; see `/v1/leases`.", examples=[None]
    )

    def operation(self) -> Operation:
        return Operation(
            connection=self.connection,
            method=self.method,
            path=self.path,
            fields=tuple(self.headers.items()),
            json=None if self.content is None else orjson.dumps(self.content),
            approval=self.approval,
            lease=self.lease,
        )


class SecureContext(BaseModel):
    authenticated: bool
    permissions: list[str] = Field(
        description="What the caller may do with this connection.", examples=[["GET /user"]]
    )
    auditTrail: list[str] = Field(description="Ids of the audit entries of this operation.")


class OperationResult(BaseModel):
    status: int = Field(description="The upstream's.", examples=[200])
    headers: dict[str, str]
    body: Any = Field(description="JSON as what it says, everything else as text.")


class PerformedView(BaseModel):
    context: SecureContext
    result: OperationResult

    @classmethod
    def of(cls, performed: Performed) -> Self:
        return cls(
            context=SecureContext(
                authenticated=True,
                permissions=list(performed.permissions),
                auditTrail=list(performed.audit_trail),
            ),
            result=OperationResult(
                status=performed.status, headers=joined(performed.fields), body=performed.body
            ),
        )
