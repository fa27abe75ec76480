"""Signing in by API key or by an agent's wallet, and out."""

import time
from collections.abc import Awaitable
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, RedirectResponse, Response

from mesh_console.api.page import COOKIE, Acting, Anybody, Page, Sent, keep, segment
from mesh_console.domain.session import Session, local
from mesh_console.domain.words import when
from mesh_console.errors import ConsoleError, Refused

router = APIRouter()


@router.get("/login")
async def ask(page: Anybody, next: str = "/") -> Response:
    return _asking(page, next=local(next))


@router.post("/login")
async def open_by_key(page: Sent) -> Response:
    return await _open(page, page.sessions.by_key(page.mesh, page.form.get("key", "").strip()))


@router.post("/login/wallet")
async def challenge(page: Sent) -> Response:
    """The text that the agent's owner is to sign."""
    agent = page.form.get("agent_id", "").strip()
    try:
        asked = await page.mesh.post(
            "security-gateway", f"/v1/agents/{segment(agent)}/challenge", params=page.site
        )
    except ConsoleError as trouble:
        return _asking(page, next=local(page.form.get("next", "/")), trouble=trouble)
    return _asking(page, next=local(page.form.get("next", "/")), challenge=asked)


@router.post("/login/signature")
async def open_by_wallet(page: Sent) -> Response:
    proof = {name: page.form.get(name, "").strip() for name in ("agent_id", "nonce", "signature")}
    return await _open(page, page.sessions.by_wallet(page.mesh, proof))


@router.post("/session")
async def stay(page: Acting) -> Response:
    """Who has been at work on one page for a while says so by itself, and is told how long they have."""
    until = when(page.session.expires_at)
    return page.kept(JSONResponse({"left_s": page.session.left_s(time.time()), "until": until}))


@router.post("/logout")
async def close(page: Acting) -> Response:
    page.sessions.end(page.session)
    response = RedirectResponse("/login", 303)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response


async def _open(page: Page, opening: Awaitable[Session]) -> Response:
    path = local(page.form.get("next", "/"))
    try:
        session = await opening
    except ConsoleError as trouble:
        return _asking(page, next=path, trouble=trouble)
    page.sessions.end(page.session)
    response = page.go(path)
    keep(page.request, response, session)
    return response


def _asking(
    page: Page, *, next: str, challenge: dict[str, Any] | None = None, trouble: ConsoleError | None = None
) -> Response:
    status = trouble.status if isinstance(trouble, Refused) else 503 if trouble else 200
    response = page.show(
        "login.html",
        status,
        next=next,
        agent=page.form.get("agent_id") or page.session.agent,
        challenge=challenge,
        trouble=trouble,
        has_ended=page.session.has_ended(time.time()),
    )
    keep(page.request, response, page.session)
    return response
