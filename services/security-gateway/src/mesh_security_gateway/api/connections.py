"""Providers and connections."""

import time
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from mesh_shared.auth.tokens import Principal
from mesh_shared.web import conditional, pages
from mesh_shared.web.route import MeshRoute
from mesh_shared.web.security import allow

from mesh_security_gateway.schemas.connections import (
    REVISION,
    ConnectionRequest,
    ConnectionView,
    RotationRequest,
    VersionList,
    VersionView,
)
from mesh_security_gateway.schemas.fields import NAME
from mesh_security_gateway.schemas.providers import ProviderModel
from mesh_security_gateway.service.gateway import Gateway

providers = APIRouter(prefix="/v1/providers", tags=["providers"], route_class=MeshRoute)
connections = APIRouter(prefix="/v1/connections", tags=["connections"], route_class=MeshRoute)

ProviderAdmin = Annotated[Principal, allow("gateway:admin")]
Connector = Annotated[Principal, allow("gateway:connect")]
NumberPath = Annotated[int, Path(ge=1, le=999_999_999, examples=[1])]
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
    return ProviderModel.of(await gateway.wiring.register(caller, body.provider()))


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
    models = [ProviderModel.of(provider) for provider in found]
    return pages.page(request, response, models, limit, [provider.name for provider in found[-1:]])


@providers.get("/{name}", operation_id="get_provider", summary="Get a provider")
async def get_provider(
    request: Request, response: Response, name: NamePath, caller: ProviderAdmin
) -> ProviderModel:
    """One provider."""
    gateway: Gateway = request.app.state.service
    provider = await gateway.wiring.provider(name)
    conditional.tag(request, response, provider.name)
    return ProviderModel.of(provider)


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
    """Puts a new secret in place of the old one, which is revoked at once or has some time left.

    The next call uses the new one. While the old one has time, a GET or HEAD that the upstream refuses with
    401 is sent again under it.
    """
    gateway: Gateway = request.app.state.service
    secret = body.secret.get_secret_value()
    return ConnectionView.model_validate(await gateway.rotation.rotate(caller, name, secret, body.grace_s))


@connections.get("/{name}/versions", operation_id="list_secret_versions", summary="List secret versions")
async def list_secret_versions(request: Request, name: NamePath, caller: Connector) -> VersionList:
    """Every secret that the connection ever had, newest first, without the secrets."""
    gateway: Gateway = request.app.state.service
    found, now = await gateway.rotation.versions(caller, name), time.time()
    return VersionList(items=[VersionView.at(version, now) for version in found])


@connections.post(
    "/{name}/versions/{number}/revoke",
    operation_id="revoke_secret_version",
    summary="Revoke a secret version",
)
async def revoke_secret_version(
    request: Request, name: NamePath, number: NumberPath, caller: Connector
) -> VersionView:
    """Ends a secret: the next call does not use it. Repeating it is harmless."""
    gateway: Gateway = request.app.state.service
    return VersionView.at(await gateway.rotation.revoke(caller, name, number), time.time())


@connections.post(
    "/{name}/versions/{number}/destroy",
    operation_id="destroy_secret_version",
    summary="Destroy a secret version",
)
async def destroy_secret_version(
    request: Request, name: NamePath, number: NumberPath, caller: Connector
) -> VersionView:
    """Ends a secret and overwrites its ciphertext: nothing opens it again. Repeating it is harmless."""
    gateway: Gateway = request.app.state.service
    return VersionView.at(await gateway.rotation.destroy(caller, name, number), time.time())


@connections.delete(
    "/{name}", status_code=204, operation_id="delete_connection", summary="Delete a connection"
)
async def delete_connection(request: Request, name: NamePath, caller: Connector, revision: Revision) -> None:
    """Destroys the connection with its secrets and every grant on it, if it is still what the caller saw."""
    gateway: Gateway = request.app.state.service
    await gateway.wiring.disconnect(caller, name, revision)
