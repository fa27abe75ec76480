"""What protects a visitor: forms of ours only, nothing foreign that runs, and a page for every failure."""

from pathlib import Path

import pytest
from mesh_console import app
from visiting import Browser, Town

TEMPLATES = sorted((Path(app.__file__).parent / "templates").glob("*.html"))


@pytest.mark.parametrize("path", ["/login", "/login/wallet", "/login/signature"])
async def test_a_form_without_the_session_s_token_does_nothing(stranger: Browser, path: str):
    await stranger.open("/login")

    page = await stranger.send(path, 403, csrf="forged")

    assert "not valid any more" in page


@pytest.mark.parametrize("path", ["/logout", "/runs/1/cancel", "/approvals/calls/1/approve"])
async def test_nobody_acts_for_a_visitor_by_a_forged_form(admin: Browser, path: str):
    await admin.send(path, 403, csrf="")


async def test_a_stranger_s_form_leads_to_the_login(stranger: Browser):
    await stranger.open("/login")

    assert await stranger.send("/logout") == "/login?next=/"


async def test_a_form_of_before_the_login_is_not_valid_after_it(stranger: Browser, town: Town):
    await stranger.open("/login")
    before = stranger.csrf
    await stranger.sign_in(town.admin_key)

    await stranger.send("/logout", 403, csrf=before)


async def test_every_page_lets_nothing_foreign_run(stranger: Browser):
    for path in ("/login", "/nowhere", "/static/console.css"):
        policy = (await stranger.http.get(path)).headers["content-security-policy"]
        assert "default-src 'none'; script-src 'self'; style-src 'self';" in policy
        assert "unsafe" not in policy


async def test_pages_are_kept_nowhere_and_files_for_an_hour(admin: Browser):
    page, file = await admin.http.get("/"), await admin.http.get("/static/console.css")

    assert page.headers["cache-control"] == "no-store"
    assert file.headers["cache-control"] == "private, max-age=3600"


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_template_trusts_a_value_or_carries_code(template: Path):
    text = template.read_text()

    assert "|safe" not in text.replace(" ", "")
    assert "autoescape" not in text
    assert "<style" not in text
    assert " style=" not in text
    assert " on" + "click" not in text
    assert text.count("<script") == text.count('<script src="/static/')


async def test_a_body_that_is_too_large_is_refused(stranger: Browser):
    answer = await stranger.http.post("/login", content=b"x" * 300_000)

    assert answer.status_code == 413


async def test_an_address_of_nobody_is_a_page(stranger: Browser):
    assert "no such page" in await stranger.open("/nowhere", 404)


async def test_a_refusal_is_shown_in_the_service_s_words(stranger: Browser, town: Town):
    await stranger.sign_in(await town.key("reader", "coordinator:run"))

    page = await stranger.open("/events", 403)

    assert "events:read" in page
    assert "forbidden" in page


async def test_a_service_that_is_away_is_named(admin: Browser):
    assert "The coordinator does not answer" in await admin.open("/runs/1", 502)


async def test_the_console_is_ready_while_somebody_can_sign_in(stranger: Browser, town: Town):
    assert (await stranger.http.get("/livez")).json() == {"status": "alive"}
    assert (await stranger.http.get("/readyz")).status_code == 200

    town.streets.apps.clear()

    answer = await stranger.http.get("/readyz")
    assert (answer.status_code, answer.json()["down"]) == (503, ["security-gateway"])
