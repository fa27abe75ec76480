"""Drift on the wire."""

from typing import Self

from mesh_shared.wire import Uuid
from pydantic import BaseModel, Field

from mesh_deployer.domain.drift import Drift
from mesh_deployer.service.running import Comparison


class DriftView(BaseModel):
    placement: str = Field(examples=["dcloud"])
    service: str = Field(examples=["web"])
    what: str = Field(
        description="service, image, replicas, cpu_millis, memory_bytes or ports.", examples=["replicas"]
    )
    wanted: str | None = Field(description="What the SDL says; null for a service that it lacks.")
    found: str | None = Field(description="What the backend reports; null when the service is not there.")

    @classmethod
    def of(cls, drift: Drift) -> Self:
        return cls(
            placement=drift.placement,
            service=drift.service,
            what=drift.what,
            wanted=drift.wanted,
            found=drift.found,
        )


class DriftsView(BaseModel):
    """Every difference; none means that all that is reported is as it should be."""

    deploymentId: Uuid
    version_hash: str
    items: list[DriftView]
    not_reported: list[str] = Field(
        description="What the backend does not report, so that nothing is known of it.", examples=[["image"]]
    )

    @classmethod
    def of(cls, found: Comparison) -> Self:
        return cls(
            deploymentId=found.deployment.id,
            version_hash=found.deployment.version_hash,
            items=[DriftView.of(difference) for difference in found.drift],
            not_reported=list(found.unreported),
        )
