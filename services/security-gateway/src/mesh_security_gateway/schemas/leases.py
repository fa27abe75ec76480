"""Leases."""

from typing import Self

from mesh_shared.wire import Uuid, WireModel
from pydantic import BaseModel, Field

from mesh_security_gateway.domain.leases import Lease
from mesh_security_gateway.schemas.fields import Name

MAX_TTL_S = 86_400


class LeaseRequest(WireModel):
    connection: Name
    ttl_s: int = Field(default=300, ge=1, le=MAX_TTL_S, examples=[300])
    max_ttl_s: int = Field(
        default=3600, ge=1, le=MAX_TTL_S, description="Renewing ends here.", examples=[3600]
    )


class RenewalRequest(WireModel):
    ttl_s: int = Field(default=300, ge=1, le=MAX_TTL_S, description="From now on.", examples=[300])


class PrefixRequest(WireModel):
    prefix: str = Field(
        pattern=r"^[a-z0-9][A-Za-z0-9._:/@-]{0,200}$",
        description="Of `path`, which is connection, holder and id.",
        examples=["github/agent-7/"],
    )


class RevokedView(BaseModel):
    revoked: int = Field(description="How many leases ended.", examples=[3])


class LeaseView(BaseModel):
    id: Uuid
    path: str = Field(examples=["github/agent-7/4812d3d5-05b8-4425-95a2-d0de0f22b9f2"])
    connection: str = Field(examples=["github"])
    holder: str = Field(examples=["agent-7"])
    created_at: int = Field(description="Unix seconds.", examples=[1764000000])
    expires_at: int = Field(description="Unix seconds.", examples=[1764000300])
    ends_at: int = Field(description="Unix seconds; renewing ends here.", examples=[1764003600])
    is_live: bool

    @classmethod
    def of(cls, lease: Lease, now: float) -> Self:
        return cls(
            id=lease.id,
            path=lease.path,
            connection=lease.connection,
            holder=lease.holder,
            created_at=lease.created_at,
            expires_at=lease.expires_at,
            ends_at=lease.ends_at,
            is_live=lease.is_live(now),
        )
