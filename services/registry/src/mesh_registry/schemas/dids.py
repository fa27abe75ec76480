"""Resolved DIDs."""

from typing import Any

from pydantic import BaseModel, Field

from mesh_registry.service.resolving import Evidence


class DidView(BaseModel):
    """A DID document and what speaks for it."""

    did: str = Field(examples=["did:web:acme.example"])
    document: dict[str, Any] = Field(
        description="W3C DID Core. Of did:web its host may have written anything: it is text of a stranger.",
        examples=[{"@context": ["https://www.w3.org/ns/did/v1"], "id": "did:web:acme.example"}],
    )
    evidence: Evidence = Field(
        description="`derived` from the DID alone, `served` by its host over HTTPS, `on-chain` said by the "
        "registry of ERC-1056."
    )
