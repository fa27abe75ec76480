"""A page for every outcome that is not the page that was asked for."""

from http import HTTPStatus
from urllib.parse import quote, urlsplit

from fastapi import Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from mesh_console.api.headers import FIELDS
from mesh_console.api.page import visit
from mesh_console.domain.session import local
from mesh_console.errors import ConsoleError, SignedOut

ENDED = b"event: signed-out\ndata: {}\n\n"
"""A browser that asks for a stream follows no redirect that leads to a page, and would ask for ever."""


async def show(request: Request, raised: Exception) -> Response:
    """What happened, in a page; who is not signed in is led to where they can."""
    if isinstance(raised, SignedOut):
        return _to_login(request)
    trouble = raised if isinstance(raised, ConsoleError) else _of_framework(raised)
    status = trouble.status if trouble.status < HTTPStatus.INTERNAL_SERVER_ERROR else HTTPStatus.BAD_GATEWAY
    return visit(request).show("trouble.html", status, trouble=trouble)


async def confess(request: Request, raised: Exception) -> Response:
    """The page of a bug of ours, which the log has; it is made outside of what guards the other pages."""
    trouble = ConsoleError("This is a bug of the console. Its log has more.")
    page = visit(request).show("trouble.html", trouble.status, trouble=trouble)
    page.headers.update(FIELDS)
    return page


def _to_login(request: Request) -> Response:
    if "text/event-stream" in request.headers.get("accept", ""):
        return Response(ENDED, media_type="text/event-stream")
    login = f"/login?next={quote(_shown(request))}"
    if "hx-request" in request.headers:  # htmx would put the whole page into a part of this one
        return Response(status_code=HTTPStatus.NO_CONTENT, headers={"HX-Redirect": login})
    return Response(status_code=HTTPStatus.SEE_OTHER, headers={"Location": login})


def _shown(request: Request) -> str:
    """The page that the person looks at: what was asked for, or where the form or the part of it is."""
    asked = str(request.url) if request.method == "GET" else request.headers.get("referer", "")
    try:
        parts = urlsplit(request.headers.get("hx-current-url", asked))
    except ValueError:
        return "/"
    return local(f"{parts.path}?{parts.query}" if parts.query else parts.path)


def _of_framework(raised: Exception) -> ConsoleError:
    status = HTTPStatus(raised.status_code) if isinstance(raised, HTTPException) else HTTPStatus.NOT_FOUND
    trouble = ConsoleError("The console has no such page, or not in this way.")
    trouble.status, trouble.title = status, status.phrase
    return trouble
