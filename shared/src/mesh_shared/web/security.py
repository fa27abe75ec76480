"""Turns the Authorization field into a `Principal`, and scopes into refusals."""

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes
from starlette.requests import HTTPConnection

from mesh_shared.auth import dpop
from mesh_shared.auth.tokens import Principal
from mesh_shared.errors import Forbidden, Unauthenticated

if TYPE_CHECKING:
    from mesh_shared.platform import Platform

bearer = HTTPBearer(
    scheme_name="mesh",
    bearerFormat="JWT",
    description=(
        "A session token: the `token` of the security gateway's answer to `POST /v1/sessions` "
        "with an API key in `X-API-Key`."
    ),
    auto_error=False,
)


_CALLER = "mesh.caller"
"""Key in the ASGI scope: who asks is found out once."""


async def authenticate(request: HTTPConnection) -> Principal | None:
    """The caller, or None without credentials. Raises `Unauthenticated` for credentials that do not hold."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if not scheme:
        return None
    known: Principal | None = request.scope.get(_CALLER)
    if known is None:
        known = request.scope[_CALLER] = await _principal(request, scheme.lower(), token.strip())
    return known


async def _principal(request: HTTPConnection, scheme: str, token: str) -> Principal:
    platform: Platform = request.app.state.platform
    match scheme:
        case "bearer":
            return await platform.verifier.verify(token)
        case "dpop":
            # The token first: what a stranger proves is not worth remembering.
            caller = await platform.verifier.verify(token, is_bound=True)
            if await prove(request, token) != caller.jkt:
                raise dpop.ProofRefused
            return caller
        case _:
            raise Unauthenticated("Only bearer and DPoP tokens are accepted.")


async def prove(request: HTTPConnection, token: str | None = None, *, needs_nonce: bool = False) -> str:
    """The thumbprint of the key that the request's `DPoP` field proves; see `dpop.Proofs.check`."""
    platform: Platform = request.app.state.platform
    method: str = request.scope.get("method", "GET")  # a WebSocket's opening is one
    path = request.scope["raw_path"].decode("ascii", "replace")
    about = dpop.Request(method=method, url=f"{platform.public_url}{path}", token=token)
    return await platform.proofs.check(request.headers.getlist("dpop"), about, needs_nonce=needs_nonce)


async def _authorize(
    request: Request,
    scopes: SecurityScopes,
    _: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> Principal:
    return await authorize(request, *scopes.scopes)


async def authorize(request: HTTPConnection, *scopes: str) -> Principal:
    """The caller, who holds `scopes`. Raises `Unauthenticated` and `Forbidden`."""
    caller = await authenticate(request)
    if caller is None:
        raise Unauthenticated("A session token is needed.")
    missing = [scope for scope in scopes if not caller.can(scope)]
    if missing:
        raise Forbidden(f"The token lacks: {', '.join(missing)}.", missing=missing)
    return caller


def allow(*scopes: str) -> Any:
    """Dependency marker: `caller: Annotated[Principal, allow("registry:write")]`."""
    return Security(_authorize, scopes=scopes)
