"""The registry API of the Model Context Protocol, v0.1 (modelcontextprotocol/registry): open to anyone."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from mesh_shared.web import pages
from mesh_shared.web.route import MeshRoute

from mesh_registry.api.answers import InRegistry, tag
from mesh_registry.api.exports import here
from mesh_registry.domain import exports
from mesh_registry.domain.servers import LATEST, Sought, version_number
from mesh_registry.errors import ServerNotFound
from mesh_registry.schemas.servers import (
    Instant,
    ListMetadata,
    Namespace,
    Search,
    ServerList,
    ServerName,
    ServerView,
    Version,
    seconds,
)

router = APIRouter(prefix="/v0.1/servers", tags=["mcp"], route_class=MeshRoute)

WithDeleted = Annotated[bool, Query(description="Agents that their owners switched off, too.")]


async def _agent_id(namespace: Namespace, name: ServerName, request: Request) -> str:
    """The agent behind a server's name. Raises `ServerNotFound` for names that we don't give."""
    if namespace != exports.namespace(request.app.state.platform.public_url):
        raise ServerNotFound
    return name


Server = Annotated[str, Depends(_agent_id)]


@router.get("", operation_id="list_servers", summary="List MCP servers", response_model_exclude_none=True)
async def list_servers(
    *,
    request: Request,
    response: Response,
    registry: InRegistry,
    cursor: pages.Cursor = None,
    limit: pages.Limit = 30,
    search: Annotated[
        Search | None, Query(description="Part of the name or the title, in any case.", examples=[None])
    ] = None,
    updated_since: Annotated[
        Instant | None,
        Query(description="RFC 3339. Switches `include_deleted` on.", examples=[None]),
    ] = None,
    version: Annotated[
        Version | None, Query(description="`latest`, or an exact one.", examples=[None])
    ] = None,
    include_deleted: WithDeleted = False,
) -> ServerList:
    """Agents that speak MCP, in all their versions: the longest registered first, each from its oldest on.

    `version=latest` leaves the present ones. A page may be short and still have a `nextCursor`. A name is
    this registry's host in reverse and the agent's id. Publishing is registering an agent, so there is no
    `/v0.1/publish`.
    """
    sought = Sought(
        search=search,
        updated_since=None if updated_since is None else seconds(updated_since),
        version=None if version in (None, LATEST) else version_number(version) or 0,
        is_latest=version == LATEST,
        with_deleted=include_deleted or updated_since is not None,
    )
    token_id, number = pages.position(request, cursor) or (0, 0)
    place = here(request, registry)
    found, last = await registry.servers.page(sought, exports.namespace(place.url), (token_id, number), limit)
    page = None if last is None else pages.page(request, response, found, len(found), last)
    if page is not None:
        del response.headers["Link"]  # its limit would be that of a short page
    view = ServerList(
        servers=[ServerView.of(edition, place) for edition in found],
        metadata=ListMetadata(nextCursor=page and page.next_cursor, count=len(found)),
    )
    tag(request, response, view)
    return view


@router.get(
    "/{namespace}/{name}/versions",
    operation_id="list_server_versions",
    summary="List versions of an MCP server",
    response_model_exclude_none=True,
)
async def list_server_versions(
    server: Server,
    request: Request,
    response: Response,
    registry: InRegistry,
    include_deleted: WithDeleted = False,
) -> ServerList:
    """The versions whose documents were found, newest first, a hundred at least where there are as many.

    The slash in the name may be written as `%2F`.
    """
    place = here(request, registry)
    found = await registry.servers.versions(server, with_deleted=include_deleted)
    views = [ServerView.of(edition, place) for edition in found]
    view = ServerList(servers=views, metadata=ListMetadata(count=len(views)))
    tag(request, response, view)
    return view


@router.get(
    "/{namespace}/{name}/versions/{version}",
    operation_id="get_server_version",
    summary="Get a version of an MCP server",
    response_model_exclude_none=True,
)
async def get_server_version(
    server: Server,
    version: Version,
    request: Request,
    response: Response,
    registry: InRegistry,
    include_deleted: WithDeleted = False,
) -> ServerView:
    """One version, or the `latest`."""
    place = here(request, registry)
    view = ServerView.of(await registry.servers.version(server, version, with_deleted=include_deleted), place)
    tag(request, response, view)
    return view
