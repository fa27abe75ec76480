"""Signing in by API key or by an agent's wallet, and out."""

import secrets
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from mesh_console.api.page import COOKIE, Acting, Anybody, Page, Sent, keep, segment
from mesh_console.domain.session import Session, local
from mesh_console.errors import ConsoleError, Refused

router = APIRouter()


@router.get("/login")
async def ask(page: Anybody, next: str = "/") -> Response:
    return _asking(page, next=local(next))


@router.post("/login")
async def open_by_key(page: Sent) -> Response:
    key = page.form.get("key", "").strip()
    headers = {"X-API-Key": key} if key.isascii() and key.isprintable() else {}
    return await _open(page, headers=headers)


@router.post("/login/wallet")
async def challenge(page: Sent) -> Response:
    """The text that the agent's owner is to sign."""
    agent = page.form.get("agent_id", "").strip()
    try:
        asked = await page.mesh.post("security-gateway", f"/v1/agents/{segment(agent)}/challenge")
    except ConsoleError as trouble:
        return _asking(page, next=local(page.form.get("next", "/")), trouble=trouble)
    return _asking(page, next=local(page.form.get("next", "/")), challenge=asked)


@router.post("/login/signature")
async def open_by_wallet(page: Sent) -> Response:
    proof = {name: page.form.get(name, "").strip() for name in ("agent_id", "nonce", "signature")}
    return await _open(page, {"proof": proof})


@router.post("/logout")
async def close(page: Acting) -> Response:
    response = page.go("/login")
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response


async def _open(
    page: Page, body: dict[str, Any] | None = None, headers: dict[str, str] | None = None
) -> Response:
    path = local(page.form.get("next", "/"))
    try:
        opened = await page.mesh.post("security-gateway", "/v1/sessions", body, headers=headers)
    except ConsoleError as trouble:
        return _asking(page, next=path, trouble=trouble)
    session = Session(
        csrf=secrets.token_urlsafe(16),
        token=opened["token"],
        subject=opened["subject"],
        scopes=tuple(opened["scopes"]),
        expires_at=opened["expires_at"],
    )
    response = page.go(path)
    keep(page.request, response, session)
    return response


def _asking(
    page: Page, *, next: str, challenge: dict[str, Any] | None = None, trouble: ConsoleError | None = None
) -> Response:
    status = trouble.status if isinstance(trouble, Refused) else 503 if trouble else 200
    response = page.show("login.html", status, next=next, challenge=challenge, trouble=trouble)
    keep(page.request, response, page.session)
    return response
