"""What every page has: its visitor, their way to the services, and how it looks."""

import secrets
import time
from collections.abc import Awaitable
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import quote
from uuid import uuid4

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from itsdangerous import BadData, URLSafeSerializer
from jinja2 import Environment, PackageLoader, StrictUndefined

from mesh_console.adapters.mesh import Mesh
from mesh_console.adapters.sessions import Sessions
from mesh_console.domain import words
from mesh_console.domain.panels import PANELS
from mesh_console.domain.session import RENEWED_S, WARNED_S, Session
from mesh_console.errors import ConsoleError, Forged, SignedOut

COOKIE = "mesh_console"
MAX_FIELDS = 100

ValueT = TypeVar("ValueT")


@dataclass(slots=True)
class Page:
    """One request of a visitor; `form` has the fields that they sent."""

    request: Request
    session: Session
    mesh: Mesh
    form: dict[str, str] = field(default_factory=dict[str, str])
    is_renewed: bool = False

    @property
    def sessions(self) -> Sessions:
        """Where sessions are opened and renewed."""
        return self.request.app.state.sessions

    @property
    def site(self) -> dict[str, str]:
        """Names our origin, where it is known, to a service whose text a wallet compares with it."""
        site: str = self.request.app.state.site
        return {"site": site} if site else {}

    def show(self, template: str, code: int = 200, **values: Any) -> Response:
        """The page `template` with `values`, all of which it escapes."""
        environment: Environment = self.request.app.state.environment
        return self.kept(
            HTMLResponse(environment.get_template(template).render(**self._visit(), **values), code)
        )

    def _visit(self) -> dict[str, Any]:
        """What every template may tell."""
        now, url = time.time(), self.request.url
        return {
            "path": url.path,
            "here": f"{url.path}?{url.query}" if url.query else url.path,
            "session": self.session,
            "is_signed_in": self.session.is_signed_in(now),
            "left_s": self.session.left_s(now),
            "due_s": RENEWED_S,
            "warned_s": WARNED_S,
            "panels": PANELS,
            "asked": self.mesh.asked,
            "new_key": lambda: str(uuid4()),
        }

    def go(self, path: str) -> Response:
        """Leads the browser to another page, after something was done."""
        return self.kept(RedirectResponse(path, 303))

    def kept(self, response: Response) -> Response:
        """The answer, with the cookie of a session that this request renewed."""
        if self.is_renewed:
            keep(self.request, response, self.session)
        return response


@dataclass(frozen=True, slots=True)
class Answer(Generic[ValueT]):
    """What a service answered, or why it did not."""

    value: ValueT | None = None
    trouble: ConsoleError | None = None


async def attempt(call: Awaitable[ValueT]) -> Answer[ValueT]:
    """For a page that has other things to show as well. Raises `SignedOut`, as then it has not."""
    try:
        return Answer(await call)
    except SignedOut:
        raise
    except ConsoleError as trouble:
        return Answer(trouble=trouble)


def environment() -> Environment:
    """Templates that escape everything and stumble over what a service does not say."""
    made = Environment(
        loader=PackageLoader("mesh_console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(words.FILTERS)
    return made


def visit(request: Request) -> Page:
    """The page of anybody, signed in or not."""
    session = _read(request) or Session(csrf=secrets.token_urlsafe(16))
    return Page(request, session, Mesh(request.app.state.http, request.app.state.urls))


def signed_in(request: Request) -> Page:
    """The page of somebody whom the gateway knows. Raises `SignedOut`."""
    page = visit(request)
    if not page.session.is_signed_in(time.time()):
        raise SignedOut("Sign in to see this page.")
    page.mesh.token = page.session.token
    return page


async def at_work(request: Request) -> Page:
    """`signed_in`, and for longer, unless a page that lies open asks for news of itself."""
    page = signed_in(request)
    return page if "hx-request" in request.headers else await _renewed(page)


async def _renewed(page: Page) -> Page:
    """Whoever is at work is not thrown out of it."""
    asking = Mesh(page.mesh.http, page.mesh.urls)
    session = await page.sessions.renewed(asking, page.session)
    page.is_renewed, page.session = session != page.session, session
    page.mesh.token = session.token
    return page


async def sent(request: Request) -> Page:
    """The page of anybody who sent one of our forms. Raises `Forged` for any other form."""
    page = visit(request)
    form = await request.form(max_files=0, max_fields=MAX_FIELDS)
    page.form = {name: value for name, value in form.items() if isinstance(value, str)}
    if not secrets.compare_digest(page.form.pop("csrf", "").encode(), page.session.csrf.encode()):
        raise Forged("Open the page anew and send it again.")
    return page


async def acting(request: Request) -> Page:
    """`sent` by somebody whom the gateway knows. Raises `SignedOut` and `Forged`."""
    known = signed_in(request)
    page = await sent(request)
    page.mesh = known.mesh
    return await _renewed(page)


Anybody = Annotated[Page, Depends(visit)]
Known = Annotated[Page, Depends(signed_in)]
Signed = Annotated[Page, Depends(at_work)]
Sent = Annotated[Page, Depends(sent)]
Acting = Annotated[Page, Depends(acting)]


def keep(request: Request, response: Response, session: Session) -> None:
    """Puts the session into a cookie that no script reads and no other site sends."""
    response.set_cookie(
        COOKIE,
        _serializer(request).dumps(asdict(session)),
        httponly=True,
        samesite="strict",
        secure=request.app.state.is_tls,
    )


def _read(request: Request) -> Session | None:
    """Whose cookie this is; None without one that we signed, and for one that another version made."""
    try:
        values = _serializer(request).loads(request.cookies.get(COOKIE, ""))
        return Session(**values | {"scopes": tuple(values["scopes"])})
    except (BadData, KeyError, TypeError):
        return None


def _serializer(request: Request) -> URLSafeSerializer:
    return URLSafeSerializer(request.app.state.secret, salt=COOKIE)


def segment(text: str) -> str:
    """`text` as one step of a path, whatever is in it; dots alone would lead up it (RFC 3986 §5.2.4)."""
    quoted = quote(text, safe="")
    return quoted if quoted.strip(".") else quoted.replace(".", "%2E")
