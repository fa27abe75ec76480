"""Stored bytes."""

from mesh_shared.wire import Cid
from pydantic import BaseModel, Field


class ContentView(BaseModel):
    cid: Cid
    size: int = Field(description="Bytes.", examples=[5])
