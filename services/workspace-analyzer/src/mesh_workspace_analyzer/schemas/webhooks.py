"""What is answered to those who tell of pushes."""

from mesh_shared.wire import Uuid, WireModel
from pydantic import Field


class DeliveryView(WireModel):
    analysis_id: Uuid | None = Field(description="Null when nothing was analysed; `text` says why.")
    text: str
