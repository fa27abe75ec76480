"""What an agent's owner signed, for who cannot ask a chain."""

from mesh_shared.wire import Hex32, WireModel
from pydantic import BaseModel, Field

from mesh_registry.schemas.fields import EXAMPLE_OWNER, WalletSignature


class SignatureRequest(WireModel):
    """A text, and what may be its owner's signature as `personal_sign` makes it (EIP-191)."""

    text: str = Field(min_length=1, max_length=4096, examples=["service.example wants you to sign in"])
    signature: WalletSignature


class SignatureView(BaseModel):
    agentId: Hex32
    owner: str = Field(examples=[EXAMPLE_OWNER])
    signed: bool = Field(description="Whether the owner did: by its key, or in its contract's word.")
