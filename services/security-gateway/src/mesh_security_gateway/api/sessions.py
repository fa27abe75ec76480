"""Sessions, the keys that sign them, and the API keys that open them."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.security import APIKeyHeader
from mesh_shared.auth import dpop, tokens
from mesh_shared.auth.tokens import Principal
from mesh_shared.web import pages
from mesh_shared.web.route import MeshRoute
from mesh_shared.web.security import allow, prove
from mesh_shared.wire import Hex32, Uuid

from mesh_security_gateway.schemas.sessions import (
    ApiKeyRequest,
    ApiKeyView,
    ChallengeView,
    DelegationRequest,
    JwkSet,
    NewApiKeyView,
    ProtectedResource,
    SessionRequest,
    SessionView,
)
from mesh_security_gateway.service.gateway import Gateway
from mesh_security_gateway.service.wallets import Answer

router = APIRouter(route_class=MeshRoute)

api_key = APIKeyHeader(
    name="X-API-Key",
    scheme_name="api-key",
    description="What `POST /v1/api-keys` answered once, or a key file of the first start.",
    auto_error=False,
)
SITE = "Origin of the page that shows the text, one of the gateway's `MESH_SITES`: a wallet compares them."
KeyAdmin = Annotated[Principal, allow("gateway:keys")]


@router.get("/.well-known/jwks.json", operation_id="get_jwks", summary="Public keys", tags=["sessions"])
async def get_jwks(request: Request) -> JwkSet:
    """The keys that verify session tokens (RFC 7517)."""
    gateway: Gateway = request.app.state.service
    return JwkSet.model_validate(tokens.jwks([gateway.keys.signing_key]))


@router.post(
    "/v1/sessions", status_code=201, operation_id="open_session", summary="Open a session", tags=["sessions"]
)
async def open_session(
    request: Request, key: Annotated[str | None, Depends(api_key)], body: SessionRequest | None = None
) -> SessionView:
    """A token for 15 minutes. An unknown, revoked or expired key is answered like none at all.

    With the `proof` of an agent's owner no API key is needed: the agent is the subject, and the session ends
    when the agent changes hands, is switched off or loses its stake on the chain.

    With a `DPoP` proof (RFC 9449) the token is bound to the key that made it. The proof needs a nonce: the
    first answer has one in `DPoP-Nonce`.
    """
    gateway: Gateway = request.app.state.service
    asked = body or SessionRequest()
    narrowed: dict[str, Any] = {"audiences": asked.audiences, "scopes": asked.scopes}
    if (proof := asked.proof) is not None:
        jkt = await _proved(request)
        answer = Answer(agent=proof.agent_id, nonce=proof.nonce, signature=proof.signature)
        return SessionView.model_validate(await gateway.wallets.open(answer, jkt=jkt, **narrowed))
    holder = await gateway.keys.holder(key)
    jkt = await _proved(request)
    return SessionView.model_validate(gateway.keys.open_session(holder, jkt=jkt, **narrowed))


async def _proved(request: Request) -> str | None:
    """The thumbprint of the key that the request proves; None when it proves none."""
    return await prove(request, needs_nonce=True) if "dpop" in request.headers else None


@router.post(
    "/v1/agents/{agent_id}/challenge",
    operation_id="challenge_agent",
    summary="Ask what an agent's owner signs to let it in",
    tags=["sessions"],
)
async def challenge_agent(
    request: Request,
    agent_id: Annotated[Hex32, Path(description="Keccak-256 of the agent's name.")],
    site: Annotated[str, Query(description=SITE, max_length=300, examples=["http://127.0.0.1:8376"])] = "",
) -> ChallengeView:
    """A text for the wallet that owns the agent on the chain (EIP-4361), good for one session within five
    minutes; send nonce and signature as the `proof` of `POST /v1/sessions`.
    """
    gateway: Gateway = request.app.state.service
    asked = await gateway.wallets.ask(agent_id, site)
    return ChallengeView(
        agent_id=asked.agent,
        owner=asked.owner,
        nonce=asked.nonce,
        message=asked.text,
        expires_at=asked.expires_at,
    )


@router.post(
    "/v1/delegations",
    status_code=201,
    operation_id="delegate_session",
    summary="Act for somebody",
    tags=["sessions"],
)
async def delegate_session(
    request: Request, body: DelegationRequest, caller: Annotated[Principal, allow()]
) -> SessionView:
    """A token with which the caller acts for the holder of `subject_token` (RFC 8693).

    The subject stays who it is, `act` names who acts, and the audit keeps both. It never allows more, or
    lasts longer, than that token. One that is bound to a key cannot be handed on: only its holder can prove
    the key.
    """
    gateway: Gateway = request.app.state.service
    subject = await request.app.state.platform.verifier.verify(body.subject_token.get_secret_value())
    session = await gateway.keys.delegate(caller, subject, audiences=body.audiences, scopes=body.scopes)
    return SessionView.model_validate(session)


@router.get(
    "/.well-known/oauth-protected-resource",
    operation_id="get_protected_resource",
    summary="How to be let in",
    tags=["sessions"],
)
async def get_protected_resource(request: Request) -> ProtectedResource:
    """Metadata of this service as an OAuth resource (RFC 9728)."""
    url: str = request.app.state.platform.public_url
    return ProtectedResource(
        resource=url,
        jwks_uri=f"{url}/.well-known/jwks.json",
        bearer_methods_supported=["header"],
        dpop_signing_alg_values_supported=list(dpop.ALGORITHMS),
        dpop_bound_access_tokens_required=False,
    )


# No idempotency key here: a replay would have to keep the answer, and with it the key in clear.
@router.post(
    "/v1/api-keys",
    status_code=201,
    operation_id="create_api_key",
    summary="Create an API key",
    tags=["api-keys"],
)
async def create_api_key(request: Request, body: ApiKeyRequest, caller: KeyAdmin) -> NewApiKeyView:
    """The key is in this answer and nowhere else. Its scopes are among the caller's own.

    Its subject is the caller or below it (`me/agent`); only an admin names others.
    """
    gateway: Gateway = request.app.state.service
    made, text = await gateway.keys.create(
        caller, subject=body.subject, scopes=body.scopes, expires_in_s=body.expires_in_s, jkt=body.jkt
    )
    return NewApiKeyView(key=text, **ApiKeyView.model_validate(made).model_dump())


@router.get("/v1/api-keys", operation_id="list_api_keys", summary="List API keys", tags=["api-keys"])
async def list_api_keys(
    request: Request,
    response: Response,
    caller: KeyAdmin,
    cursor: pages.Cursor = None,
    limit: pages.Limit = 50,
) -> pages.Page[ApiKeyView]:
    """The caller's keys and those below it, all for an admin, in the order of their making."""
    gateway: Gateway = request.app.state.service
    after = pages.position(request, cursor)
    keys = await gateway.keys.page(caller, after[0] if after else 0, limit)
    views = [ApiKeyView.model_validate(key) for key in keys]
    return pages.page(request, response, views, limit, [key.position for key in keys[-1:]])


@router.post(
    "/v1/api-keys/{id}/revoke", operation_id="revoke_api_key", summary="Revoke an API key", tags=["api-keys"]
)
async def revoke_api_key(request: Request, id: Uuid, caller: KeyAdmin) -> ApiKeyView:
    """Ends a key that can do no more than the caller; its sessions end by themselves within 15 minutes."""
    gateway: Gateway = request.app.state.service
    return ApiKeyView.model_validate(await gateway.keys.revoke(caller, id))
