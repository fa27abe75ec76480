"""Providers and connections."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from mesh_shared.auth.tokens import Principal
from mesh_shared.web import conditional, pages
from mesh_shared.web.route import MeshRoute
from mesh_shared.web.security import allow

from mesh_security_gateway.domain.injection import Injector, Provider
from mesh_security_gateway.schemas.connections import (
    REVISION,
    ConnectionRequest,
    ConnectionView,
    RotationRequest,
)
from mesh_security_gateway.schemas.fields import NAME
from mesh_security_gateway.schemas.providers import Basic, Bearer, HeaderKey, ProviderModel, QueryKey
from mesh_security_gateway.service.gateway import Gateway

providers = APIRouter(prefix="/v1/providers", tags=["providers"], route_class=MeshRoute)
connections = APIRouter(prefix="/v1/connections", tags=["connections"], route_class=MeshRoute)

ProviderAdmin = Annotated[Principal, allow("gateway:admin")]
Connector = Annotated[Principal, allow("gateway:connect")]
NamePath = Annotated[str, Path(pattern=NAME, examples=["github"])]
Revision = Annotated[
    str,
    Query(
        pattern=REVISION,
        description="The connection's `revision` as you read it; another one is a conflict.",
        examples=["c0ffee012345-1"],
    ),
]


@providers.post("", status_code=201, operation_id="register_provider", summary="Register a provider")
async def register_provider(request: Request, body: ProviderModel, caller: ProviderAdmin) -> ProviderModel:
    """Fixes an upstream for good. Saying the same again is harmless; another one needs another name."""
    gateway: Gateway = request.app.state.service
    provider = Provider(
        name=body.name,
        origin=body.origin,
        base_path=body.base_path,
        injector=_injector(body.injector),
        allow_private=body.allow_private,
    )
    return _provider(await gateway.wiring.register(caller, provider))


@providers.get("", operation_id="list_providers", summary="List providers")
async def list_providers(
    request: Request,
    response: Response,
    caller: ProviderAdmin,
    cursor: pages.Cursor = None,
    limit: pages.Limit = 50,
) -> pages.Page[ProviderModel]:
    """All providers in the order of their names."""
    gateway: Gateway = request.app.state.service
    after = pages.position(request, cursor)
    found = await gateway.wiring.providers(after[0] if after else "", limit)
    return pages.page(request, response, [_provider(p) for p in found], limit, [p.name for p in found[-1:]])


@providers.get("/{name}", operation_id="get_provider", summary="Get a provider")
async def get_provider(
    request: Request, response: Response, name: NamePath, caller: ProviderAdmin
) -> ProviderModel:
    """One provider."""
    gateway: Gateway = request.app.state.service
    provider = await gateway.wiring.provider(name)
    conditional.tag(request, response, provider.name)
    return _provider(provider)


# No idempotency key here or at rotation: it would keep a hash of the body, and with it of the secret. Both
# recognise a secret that is in place already by its fingerprint.
@connections.post("", status_code=201, operation_id="create_connection", summary="Create a connection")
async def create_connection(request: Request, body: ConnectionRequest, caller: Connector) -> ConnectionView:
    """Puts a secret to a provider, under a name that the caller then owns. The secret is never read again."""
    gateway: Gateway = request.app.state.service
    made = await gateway.wiring.connect(
        caller, name=body.name, provider=body.provider, secret=body.secret.get_secret_value()
    )
    return ConnectionView.model_validate(made)


@connections.get("", operation_id="list_connections", summary="List connections")
async def list_connections(
    request: Request,
    response: Response,
    caller: Connector,
    cursor: pages.Cursor = None,
    limit: pages.Limit = 50,
) -> pages.Page[ConnectionView]:
    """The caller's own connections, all for an admin, in the order of their names."""
    gateway: Gateway = request.app.state.service
    after = pages.position(request, cursor)
    found = await gateway.wiring.connections(caller, after[0] if after else "", limit)
    views = [ConnectionView.model_validate(connection) for connection in found]
    return pages.page(request, response, views, limit, [connection.name for connection in found[-1:]])


@connections.get("/{name}", operation_id="get_connection", summary="Get a connection")
async def get_connection(
    request: Request, response: Response, name: NamePath, caller: Connector
) -> ConnectionView:
    """One connection; its secret has a version and a fingerprint."""
    gateway: Gateway = request.app.state.service
    found = await gateway.wiring.connection(caller, name)
    conditional.tag(request, response, found.revision)
    return ConnectionView.model_validate(found)


@connections.post("/{name}/rotate", operation_id="rotate_connection", summary="Rotate the secret")
async def rotate_connection(
    request: Request, name: NamePath, body: RotationRequest, caller: Connector
) -> ConnectionView:
    """Puts a new secret in place of the old one, which is revoked. The next call uses it."""
    gateway: Gateway = request.app.state.service
    rotated = await gateway.wiring.rotate(caller, name, body.secret.get_secret_value())
    return ConnectionView.model_validate(rotated)


@connections.delete(
    "/{name}", status_code=204, operation_id="delete_connection", summary="Delete a connection"
)
async def delete_connection(request: Request, name: NamePath, caller: Connector, revision: Revision) -> None:
    """Destroys the connection with its secrets and every grant on it, if it is still what the caller saw."""
    gateway: Gateway = request.app.state.service
    await gateway.wiring.disconnect(caller, name, revision)


def _injector(model: Bearer | Basic | HeaderKey | QueryKey) -> Injector:
    match model:
        case HeaderKey(kind=kind, name=name) | QueryKey(kind=kind, name=name):
            return Injector(kind, name)
        case _:
            return Injector(model.kind)


def _provider(provider: Provider) -> ProviderModel:
    members = {"kind": provider.injector.kind} | ({"name": n} if (n := provider.injector.name) else {})
    return ProviderModel.model_validate(
        {
            "name": provider.name,
            "origin": provider.origin,
            "base_path": provider.base_path,
            "injector": members,
            "allow_private": provider.allow_private,
        }
    )
