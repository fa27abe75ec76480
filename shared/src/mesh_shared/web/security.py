"""Turns the Authorization field into a `Principal`, and scopes into refusals."""

from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from mesh_shared.auth.tokens import Principal
from mesh_shared.errors import Forbidden, Unauthenticated

bearer = HTTPBearer(
    scheme_name="mesh",
    bearerFormat="JWT",
    description="A session token from the security gateway: `POST /v1/sessions`.",
    auto_error=False,
)


async def authenticate(request: Request) -> Principal | None:
    """The caller, or None without credentials. Raises `Unauthenticated` for credentials that do not hold."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if not scheme:
        return None
    if scheme.lower() != "bearer":
        raise Unauthenticated("Only bearer tokens are accepted.")
    if not hasattr(request.state, "principal"):
        request.state.principal = await request.app.state.platform.verifier.verify(token.strip())
    return request.state.principal


async def _authorize(
    request: Request,
    scopes: SecurityScopes,
    _: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> Principal:
    caller = await authenticate(request)
    if caller is None:
        raise Unauthenticated("A session token is needed.")
    missing = [scope for scope in scopes.scopes if not caller.can(scope)]
    if missing:
        raise Forbidden(f"The token lacks: {', '.join(missing)}.", missing=missing)
    return caller


def allow(*scopes: str) -> Any:
    """Dependency marker: `caller: Annotated[Principal, allow("registry:write")]`."""
    return Security(_authorize, scopes=scopes)
