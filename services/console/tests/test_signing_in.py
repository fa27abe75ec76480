"""Nobody sees a page without a session of the gateway, and nobody keeps one longer than it says."""

import os
import stat
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
from fastapi import FastAPI
from mesh_console.domain.session import Session, local
from visiting import Browser, Town, browsing

AGENT = "0x" + "5e" * 32


async def test_a_stranger_is_led_to_the_login_and_back(stranger: Browser):
    answer = await stranger.http.get("/runs")

    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/runs")


async def test_an_api_key_opens_the_console(stranger: Browser, town: Town):
    assert await stranger.sign_in(town.admin_key, next="/gateway") == "/gateway"
    assert "Overview" in await stranger.open("/")


async def test_a_wrong_key_is_told_in_the_gateway_s_words(stranger: Browser):
    await stranger.open("/login")

    page = await stranger.send("/login", 401, key="not-a-key")

    assert 'role="alert"' in page
    assert "not-a-key" not in page


async def test_a_key_that_no_header_can_carry_is_a_wrong_key(stranger: Browser):
    await stranger.open("/login")

    await stranger.send("/login", 401, key="schlüssel\r\nX-Evil: 1")


async def test_the_key_is_in_no_page_and_no_cookie(admin: Browser, town: Town):
    assert town.admin_key not in await admin.open("/")
    assert town.admin_key not in str(admin.http.cookies)


async def test_the_cookie_is_for_this_site_and_no_script(stranger: Browser, town: Town):
    await stranger.open("/login")
    answer = await stranger.http.post("/login", data={"csrf": stranger.csrf, "key": town.admin_key})

    (morsel,) = SimpleCookie(answer.headers["set-cookie"]).values()

    assert morsel["httponly"]
    assert morsel["samesite"] == "strict"
    assert morsel["path"] == "/"


async def test_a_cookie_of_somebody_else_s_making_is_none(admin: Browser):
    (name,) = admin.http.cookies
    value = admin.http.cookies[name]
    admin.http.cookies.clear()

    answer = await admin.http.get("/", headers={"Cookie": f"{name}={value[:-3]}abc"})

    assert answer.status_code == 303


async def test_a_cookie_of_another_version_is_none(admin: Browser):
    session = admin.session
    older = {name: value for name, value in session.items() if name != "scopes"}
    for other in (older, session | {"nickname": "adm"}):
        admin.carry(other)

        assert (await admin.http.get("/")).status_code == 303
        assert "Sign in" in await admin.open("/login")


async def test_signing_out_forgets_the_session(admin: Browser):
    assert await admin.send("/logout") == "/login"

    assert (await admin.http.get("/")).status_code == 303


async def test_a_restart_signs_nobody_out(console: FastAPI, town: Town):
    async with browsing(console) as before:
        await before.sign_in(town.admin_key)
    async with browsing(console) as after:
        after.http.cookies = before.http.cookies
        await after.open("/")


async def test_the_key_that_signs_cookies_is_ours_alone(admin: Browser, tmp_path: Path):
    mode = os.stat(tmp_path / "console" / "session.key").st_mode

    assert stat.S_IMODE(mode) == 0o600


async def test_a_wallet_that_nobody_can_look_up_is_told_of(stranger: Browser):
    await stranger.open("/login")

    page = await stranger.send("/login/wallet", 503, agent_id=AGENT)

    assert 'role="alert"' in page


async def test_a_signature_without_a_question_is_refused(stranger: Browser):
    await stranger.open("/login")

    page = await stranger.send("/login/signature", 422, agent_id=AGENT, nonce="x", signature="y")

    assert 'role="alert"' in page


async def test_htmx_is_led_to_the_login_by_itself(stranger: Browser):
    answer = await stranger.http.get("/", headers={"HX-Request": "true"})

    assert (answer.status_code, answer.headers["hx-redirect"]) == (204, "/login?next=/")


async def test_without_the_gateway_the_login_says_so(stranger: Browser, town: Town):
    town.streets.apps.clear()
    await stranger.open("/login")

    page = await stranger.send("/login", 503, key="any")

    assert "The security-gateway does not answer" in page


@pytest.mark.parametrize("path", ["//evil.example", "/\\evil.example", "https://evil.example", "", "/a\nb"])
def test_no_login_leads_to_another_site(path: str):
    assert local(path) == "/"


def test_a_page_of_ours_is_kept_through_the_login():
    assert local("/runs?status=failed") == "/runs?status=failed"


@pytest.mark.parametrize(("token", "now", "is_in"), [("t", 9, True), ("t", 10, False), ("", 9, False)])
def test_a_session_lasts_as_long_as_its_token(token: str, now: int, is_in: bool):
    assert Session(csrf="c", token=token, expires_at=10).is_signed_in(now) is is_in
