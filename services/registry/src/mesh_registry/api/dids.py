"""DID documents."""

from typing import Annotated, Any

from fastapi import APIRouter, Path
from mesh_shared.auth.tokens import Principal
from mesh_shared.web.route import MeshRoute
from mesh_shared.web.security import allow

from mesh_registry.api.agents import AgentId
from mesh_registry.api.answers import InRegistry
from mesh_registry.schemas.dids import DidView
from mesh_registry.schemas.fields import Did
from mesh_registry.service import DISCOVER

router = APIRouter(prefix="/v1", tags=["dids"], route_class=MeshRoute)


@router.get("/dids/{did}", operation_id="resolve_did", summary="Resolve a DID")
async def resolve_did(
    did: Annotated[Did, Path(description="did:key, did:pkh, did:web or did:ethr.")],
    caller: Annotated[Principal, allow(DISCOVER)],
    registry: InRegistry,
) -> DidView:
    """The DID document, and what speaks for it.

    did:web is fetched over HTTPS from public addresses only, within 10 s, 64 KiB at most. did:ethr is asked
    of the ERC-1056 registry that `MESH_ETHR_REGISTRY` names; without one it is its own owner. 404
    `did-not-resolved` says why there is no document.
    """
    document, evidence = await registry.resolver.resolve(did)
    return DidView(did=did, document=document, evidence=evidence)


@router.get(
    "/agents/{agent_id}/did.json", operation_id="get_agent_did", summary="Get an agent's DID document"
)
async def get_agent_did(agent_id: AgentId, registry: InRegistry) -> dict[str, Any]:
    """The agent as its owner's did:pkh; the DID that it names for itself is in `alsoKnownAs`, unproven."""
    return await registry.did_document(agent_id)
