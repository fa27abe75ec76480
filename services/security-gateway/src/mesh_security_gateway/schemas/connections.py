"""Connections: a secret goes in and never comes out."""

from datetime import datetime
from typing import Annotated, Self

from mesh_shared.wire import WireModel
from pydantic import BaseModel, Field, Secret, StringConstraints

from mesh_security_gateway.domain.versions import State, Version
from mesh_security_gateway.schemas.fields import Name, View

REVISION = r"^[0-9a-f]{12}-[1-9][0-9]{0,8}$"

_PEM = r"-----BEGIN [A-Z ]{1,40}-----\n([A-Za-z0-9+/=]+\n)+-----END [A-Z ]{1,40}-----\n?"
SECRET = rf"^([\x21-\x7e]+|({_PEM})+)$"
SecretText = Annotated[
    Secret[Annotated[str, StringConstraints(min_length=8, max_length=16384, pattern=SECRET)]],
    Field(
        description="Visible ASCII or PEM, written and never read. The injector says how it is put together,"
        " such as user:password for kind `basic`.",
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
    grace_s: int = Field(
        default=0,
        ge=0,
        le=30 * 86400,
        description="How long the old secret is still tried where the upstream refuses the new one.",
        examples=[3600],
    )


class VersionView(View):
    """One secret that was put to a connection."""

    number: int = Field(examples=[1])
    state: State
    fingerprint: str = Field(examples=["c0ffee0123456789"])
    created_at: datetime
    not_after: int | None = Field(description="When its grace ends, Unix seconds.", examples=[1764000900])

    @classmethod
    def at(cls, version: Version, now: float) -> Self:
        return cls(
            number=version.number,
            state=version.at(now),
            fingerprint=version.fingerprint,
            created_at=version.created_at,
            not_after=version.not_after,
        )


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


class VersionList(BaseModel):
    items: list[VersionView]
