"""What a service says happened."""

from datetime import datetime
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from mesh_shared.wire import Uuid


class Event(BaseModel):
    """A fact in the past tense. Fields are only ever added, never renamed."""

    model_config = ConfigDict(frozen=True)
    topic: ClassVar[str]
    """`<service>.<fact>.v<n>`; a change of meaning is a new version."""

    def subject(self) -> str | None:
        """The id of the thing that the fact is about."""
        return None


class CloudEvent(BaseModel):
    """CloudEvents 1.0 in JSON format, with the `sequence` and distributed-tracing extensions."""

    model_config = ConfigDict(frozen=True)

    specversion: str = "1.0"
    id: Uuid
    source: str = Field(description="`/mesh/<service>`.", examples=["/mesh/registry"])
    type: str = Field(examples=["registry.agent-registered.v1"])
    subject: str | None = None
    time: datetime
    datacontenttype: str = "application/json"
    sequence: int = Field(description="Position in the source's log: 1, 2, 3, … without gaps.")
    traceparent: str | None = None
    data: dict[str, Any]


def channel(service: str) -> str:
    """The Redis channel of a service's events."""
    return f"mesh.events.{service}"
