"""The registry API of the Model Context Protocol, v0.1, on the wire."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from mesh_shared.wire import Hex32, Units
from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from mesh_registry.domain import exports
from mesh_registry.domain.chain import Status
from mesh_registry.domain.exports import Here, namespace
from mesh_registry.domain.reputation import PPM
from mesh_registry.domain.servers import Edition

OFFICIAL = "io.modelcontextprotocol.registry/official"
DEACTIVATED = "Deactivated by its owner."
_INSTANT = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE
)


def seconds(instant: str) -> int:
    """Unix seconds of a time as RFC 3339 writes it. Raises `ValueError`."""
    if _INSTANT.fullmatch(instant) is None:
        raise ValueError("This is no time as RFC 3339 writes it.")
    return int(datetime.fromisoformat(instant.upper()).timestamp())


def _checked(instant: str) -> str:
    seconds(instant)
    return instant


Instant = Annotated[
    str, AfterValidator(_checked), Field(max_length=40, json_schema_extra={"format": "date-time"})
]
Search = Annotated[str, StringConstraints(pattern=r"^[^\x00]{1,200}$")]
Namespace = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9.-]{1,200}$")]
ServerName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9._-]{1,200}$")]
Version = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9.+_-]{1,255}$")]


class Official(BaseModel):
    """What the registry says of an entry. `deleted`: its owner switched the agent off."""

    status: Literal["active", "deleted"]
    statusMessage: str | None = Field(default=None, examples=[DEACTIVATED])
    publishedAt: datetime = Field(description="Time of the block that registered the agent.")
    updatedAt: datetime = Field(
        description="Time of the owner's last word on this version, or when its document was found."
    )
    isLatest: bool

    @classmethod
    def of(cls, edition: Edition) -> Self:
        agent = edition.listing.agent
        return cls(
            status="active" if agent.is_active else "deleted",
            statusMessage=None if agent.is_active else DEACTIVATED,
            publishedAt=datetime.fromtimestamp(agent.registered_at, UTC),
            updatedAt=datetime.fromtimestamp(edition.updated_at, UTC),
            isLatest=edition.is_latest,
        )


class Behind(BaseModel):
    """The agent that is the server, under a name of this registry's own in `_meta`."""

    agentId: Hex32
    did: str
    reputation: float
    stakeAmount: Units
    status: Status


class ServerView(BaseModel):
    """A `server.json`, and what the registry says of it."""

    server: dict[str, Any] = Field(description="As schema 2025-12-11 has it.")
    meta: dict[str, Official | Behind] = Field(
        alias="_meta", description=f"`{OFFICIAL}`, and the agent under this registry's own name."
    )

    @classmethod
    def of(cls, edition: Edition, here: Here) -> Self:
        agent = edition.listing.agent
        behind = Behind(
            agentId=agent.agent_id,
            did=agent.did,
            reputation=agent.standing.reputation_ppm / PPM,
            stakeAmount=str(agent.stake_units),
            status=edition.listing.status,
        )
        meta = {OFFICIAL: Official.of(edition), f"{namespace(here.url)}/agent": behind}
        return cls(server=exports.server(edition.listing, here), _meta=meta)


class ListMetadata(BaseModel):
    nextCursor: str | None = Field(default=None, description="Pass as `cursor`; not there on the last page.")
    count: int = Field(description="Items on this page.")


class ServerList(BaseModel):
    servers: list[ServerView]
    metadata: ListMetadata
