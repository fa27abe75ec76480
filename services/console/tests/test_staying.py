"""Who is at work stays signed in by the API key that they came with, and it is kept for no longer."""

import asyncio
import time
from dataclasses import replace

import pytest
from mesh_console.adapters.sessions import Sessions
from mesh_console.domain.session import LONGEST_S, RENEWED_S, Session
from mesh_console.errors import Refused
from visiting import Browser, Town, late

NOW = 1_000_000


@pytest.mark.parametrize(
    ("left_s", "age_s", "is_due"),
    [
        (RENEWED_S, 600, False),
        (RENEWED_S - 1, 600, True),
        (1, 600, True),
        (0, 600, False),
        (1, LONGEST_S - 1, True),
        (1, LONGEST_S, False),
    ],
)
def test_a_session_is_renewed_in_its_second_half_and_until_a_long_day_is_over(
    left_s: int, age_s: int, is_due: bool
):
    session = Session(csrf="c", token="t", expires_at=NOW + left_s, opened_at=NOW - age_s)

    assert session.is_due(NOW) is is_due


@pytest.mark.parametrize(("token", "now", "has_ended"), [("t", 10, True), ("t", 9, False), ("", 10, False)])
def test_only_who_was_signed_in_is_told_that_it_has_ended(token: str, now: int, has_ended: bool):
    assert Session(csrf="c", token=token, expires_at=10).has_ended(now) is has_ended


async def test_a_page_that_is_asked_for_late_renews_the_session_and_keeps_its_forms(admin: Browser):
    before = admin.session
    admin.change(**late())

    page = await admin.open("/workspace")

    after = admin.session
    assert after["expires_at"] >= before["expires_at"]
    assert after["token"] != before["token"]
    assert after["csrf"] == before["csrf"]
    assert after["csrf"] in page


async def test_whoever_works_on_one_page_for_long_says_so(admin: Browser):
    admin.change(**late())

    answer = await admin.http.post("/session", data={"csrf": admin.csrf})

    assert answer.json()["left_s"] > RENEWED_S
    assert admin.session["expires_at"] > time.time() + RENEWED_S


async def test_neither_a_young_session_nor_one_of_yesterday_is_renewed(admin: Browser):
    for age in ({}, {"opened_at": int(time.time()) - LONGEST_S} | late()):
        admin.change(**age)
        before = admin.session

        await admin.open("/workspace")

        assert admin.session == before


async def test_a_page_that_looks_again_by_itself_is_nobody_at_work(admin: Browser):
    admin.change(**late())
    before = admin.session

    await admin.http.get("/runs", headers={"HX-Request": "true"})

    assert admin.session == before


async def test_the_api_key_is_in_memory_until_the_person_signs_out(admin: Browser, town: Town):
    await admin.sign_in(town.admin_key)
    held = len(admin.app.state.sessions._held)
    admin.change(**late())

    await admin.send("/logout")

    assert (held, len(admin.app.state.sessions._held)) == (1, 0)
    assert (await admin.http.get("/")).status_code == 303


async def test_a_key_is_forgotten_when_its_session_is_over(town: Town):
    sessions, mesh = Sessions(), town.way()
    session = await sessions.by_key(mesh, town.admin_key)
    (held,) = sessions._held.values()

    held.end._run()

    assert sessions._held == {}
    assert await sessions.renewed(mesh, session) == session


async def test_who_signs_out_while_the_session_is_renewed_is_out(town: Town):
    sessions = Sessions()
    session = replace(await sessions.by_key(town.way(), town.admin_key), **late())
    renewing = asyncio.create_task(sessions.renewed(town.way(), session))
    await asyncio.sleep(0)

    sessions.end(session)

    assert await renewing == session
    assert sessions._held == {}


async def test_who_comes_when_memory_is_full_is_let_in_and_not_renewed(town: Town):
    session = await Sessions(most=0).by_key(town.way(), town.admin_key)

    assert (session.subject, session.held) == ("admin", "")


async def test_a_key_that_is_revoked_renews_nothing(stranger: Browser, town: Town):
    key = await town.key("clerk", "gateway:audit")
    await stranger.sign_in(key)
    mesh = await town.mesh()
    keys = (await mesh.get("security-gateway", "/v1/api-keys"))["items"]
    (id,) = [one["id"] for one in keys if one["subject"] == "clerk"]
    await mesh.post("security-gateway", f"/v1/api-keys/{id}/revoke")
    stranger.change(**late())
    before = stranger.session

    await stranger.open("/workspace")

    assert stranger.session == before
    with pytest.raises(Refused):
        await stranger.app.state.sessions.by_key(town.way(), key)
