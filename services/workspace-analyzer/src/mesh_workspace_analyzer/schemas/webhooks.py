"""What is answered to those who tell of pushes."""

from mesh_shared.wire import Uuid, WireModel
from pydantic import Field


class DeliveryView(WireModel):
    job_id: Uuid | None = Field(
        description="See `/v1/analysis-jobs/{job_id}`. Null when nothing is analysed; `text` says why."
    )
    text: str
