"""Connections: a secret goes in and never comes out."""

from datetime import datetime
from typing import Annotated

from mesh_shared.wire import WireModel
from pydantic import Field, Secret, StringConstraints

from mesh_security_gateway.schemas.fields import Name, View

REVISION = r"^[0-9a-f]{12}-[1-9][0-9]{0,8}$"

SecretText = Annotated[
    Secret[Annotated[str, StringConstraints(min_length=8, max_length=4096, pattern=r"^[\x21-\x7e]+$")]],
    Field(
        description="Visible ASCII, written and never read. For kind `basic`: user:password.",
        examples=["sk-this-is-an-example"],
        json_schema_extra={"format": "password", "writeOnly": True},
    ),
]


class ConnectionRequest(WireModel):
    name: Name
    provider: Name
    secret: SecretText


class RotationRequest(WireModel):
    secret: SecretText


class ConnectionView(View):
    name: str = Field(examples=["github"])
    provider: str = Field(examples=["github"])
    owner: str = Field(examples=["admin"])
    version: int = Field(description="Counts the secrets that were put here.", examples=[1])
    revision: str = Field(
        description="Changes with every rotation; whoever deletes the connection names it.",
        examples=["c0ffee012345-1"],
    )
    fingerprint: str = Field(
        description="Names the secret without telling it (HMAC, 16 hex digits).",
        examples=["c0ffee0123456789"],
    )
    created_at: datetime
    rotated_at: datetime
