"""Who stays too long is told before and after, and signing in leads back to where they were."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from mesh_console.app import create_app
from mesh_console.settings import Settings
from visiting import Browser, Streets, browsing, late

AGENT = "0x" + "5e" * 32


@pytest.fixture
async def visitor(tmp_path: Path) -> AsyncIterator[Browser]:
    """An agent's owner who signed in a while ago, at a console whose services are all away."""
    app = create_app(Settings(state_dir=tmp_path), httpx.AsyncClient(transport=Streets()))
    async with browsing(app) as browser:
        await browser.open("/login")
        browser.change(token="t", subject=AGENT, **late(60))
        yield browser


@pytest.mark.parametrize(("left_s", "is_told"), [(110, True), (130, False)])
async def test_the_end_of_a_session_that_nothing_renews_is_told_before_it_comes(
    visitor: Browser, left_s: int, is_told: bool
):
    visitor.change(**late(left_s))

    page = await visitor.open("/workspace", cursor="a b")

    (hidden,) = re.findall(r'data-left="\d+" data-warned="120"( hidden)?>', page)
    assert (not hidden) is is_told
    assert 'href="/login?next=/workspace%3Fcursor%3Da%2Bb"' in page


async def test_who_comes_too_late_is_told_so_and_led_back(visitor: Browser):
    visitor.change(**late(-1))
    answer = await visitor.http.get("/runs?status=failed")

    page = await visitor.http.get(answer.headers["location"])

    assert "Your session has ended" in page.text
    assert 'name="next" value="/runs?status=failed"' in page.text


async def test_who_was_never_signed_in_is_told_nothing_of_an_end(visitor: Browser):
    visitor.change(token="")

    assert "Your session has ended" not in await visitor.open("/login")


async def test_an_agent_need_not_type_its_id_again(visitor: Browser):
    visitor.change(**late(-1))

    assert f'value="{AGENT}"' in await visitor.open("/login")
    assert f'value="{AGENT[:-2]}00"' in await visitor.send(
        "/login/signature", 503, agent_id=AGENT[:-2] + "00"
    )


async def test_who_sends_a_form_too_late_is_led_back_to_its_page(visitor: Browser):
    visitor.change(**late(-1))
    form, headers = {"csrf": visitor.csrf}, {"Referer": "http://test/runs/1"}

    answer = await visitor.http.post("/runs/1/cancel", data=form, headers=headers)

    assert answer.headers["location"] == "/login?next=/runs/1"


async def test_the_browser_is_told_whose_page_it_is_and_that_a_form_was_not_done(visitor: Browser):
    page = await visitor.open("/workspace")
    forged = await visitor.send("/workspace", 403, csrf="of a session before")
    login = await visitor.open("/login")

    assert f'data-subject="{AGENT}"' in page
    assert ["data-undone" in shown for shown in (page, forged, login)] == [False, True, True]


@pytest.mark.parametrize("referer", ["http://[", "//evil.example//evil.example", ""])
async def test_a_way_back_that_leads_nowhere_leads_to_the_first_page(visitor: Browser, referer: str):
    visitor.change(**late(-1))
    form, headers = {"csrf": visitor.csrf}, {"Referer": referer}

    answer = await visitor.http.post("/logout", data=form, headers=headers)

    assert answer.headers["location"] == "/login?next=/"


async def test_a_part_of_a_page_leads_back_to_the_page(visitor: Browser):
    visitor.change(**late(-1))
    headers = {"HX-Request": "true", "HX-Current-URL": "http://test/gateway?connection=a"}

    answer = await visitor.http.get("/gateway/verification", headers=headers)

    assert answer.headers["hx-redirect"] == "/login?next=/gateway%3Fconnection%3Da"


async def test_a_stream_that_comes_too_late_says_so_instead_of_leading_to_a_page(visitor: Browser):
    visitor.change(**late(-1))

    answer = await visitor.http.get("/events/stream", headers={"Accept": "text/event-stream"})

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.startswith("event: signed-out")


async def test_without_the_gateway_the_rest_of_a_session_is_good(visitor: Browser):
    assert "does not answer" in await visitor.open("/workspace")


async def test_nobody_stays_by_a_form_of_somebody_else(visitor: Browser):
    await visitor.send("/session", 403, csrf="forged")
