"""How long the console lets somebody stay: in a real browser whose clock is moved."""

import time
from typing import Any

import pytest
from itsdangerous import URLSafeSerializer
from mesh_cli.demo.stage import Stage
from mesh_cli.embedded import EmbeddedMesh
from mesh_console.api.page import COOKIE
from playwright.async_api import Page, expect

pytestmark = [pytest.mark.xdist_group("mesh"), pytest.mark.again]

QUARTER_S = 15 * 60
DRAFTED = "drafted"
SDL = 'version: "2.0"\n# of an hour\n'
NOTHING_WAITS = "!('sent' in sessionStorage)"


async def change(page: Page, mesh: EmbeddedMesh, **values: Any) -> None:
    """Makes of the browser's cookie what it would be at another time of day."""
    serializer = URLSafeSerializer((mesh.home("console") / "session.key").read_bytes(), salt=COOKIE)
    (cookie,) = await page.context.cookies()
    changed = serializer.dumps(serializer.loads(cookie.get("value", "")) | values)
    await page.context.add_cookies(
        [{"name": COOKIE, "value": str(changed), "url": mesh.console_url, "sameSite": "Strict"}]
    )


async def test_who_works_on_one_page_stays_and_its_form_is_still_good(
    page: Page, mesh: EmbeddedMesh, storefront: str, errors: list[str]
):
    await page.clock.install()
    await page.goto("/workspace")
    notice = page.get_by_text("Your session ends at")
    await change(page, mesh, expires_at=int(time.time()) + 60)
    await page.clock.fast_forward((QUARTER_S - 60) * 1000)
    await expect(notice).to_be_visible()

    await page.get_by_label("Workspace").fill(storefront)

    await expect(notice).to_be_hidden()
    await page.get_by_role("button", name="Analyse").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text(storefront)
    assert errors == []


@pytest.fixture
async def late(page: Page, mesh: EmbeddedMesh) -> Page:
    """The login, after a form was sent too late."""
    await page.goto("/deployments/preview")
    await page.get_by_label("Name").fill(DRAFTED)
    await page.get_by_text("Or an SDL of your own").click()
    await page.get_by_label("SDL", exact=True).fill(SDL)
    await change(page, mesh, expires_at=int(time.time()) - 1)
    await page.get_by_role("button", name="Who would bid?").click()
    await expect(page.get_by_text("Your session has ended")).to_be_visible()
    return page


async def sign_in(page: Page, key: str) -> None:
    await page.get_by_label("API key").fill(key.strip())
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", level=1, name="Preview a deployment")).to_be_visible()


async def test_what_was_typed_into_a_form_that_came_too_late_is_there_again(
    late: Page, mesh: EmbeddedMesh, errors: list[str]
):
    await sign_in(late, mesh.admin_key_file.read_text())

    await expect(late.get_by_text("This was not done")).to_be_visible()
    await expect(late.get_by_label("Name")).to_have_value(DRAFTED)
    await expect(late.get_by_label("SDL", exact=True)).to_have_value(SDL)
    assert errors == []


async def test_a_form_of_a_session_before_is_filled_again_as_well(page: Page, mesh: EmbeddedMesh):
    await page.goto("/workspace")
    await page.get_by_label("Workspace").fill(DRAFTED)
    await change(page, mesh, csrf="another")
    await page.get_by_role("button", name="Analyse").click()
    await expect(page.get_by_text("Open the page anew")).to_be_visible()

    await page.goto("/workspace")

    await expect(page.get_by_label("Workspace")).to_have_value(DRAFTED)


async def test_nobody_else_finds_what_was_typed_before_they_came(late: Page, stage: Stage):
    body = {"subject": "console/next", "scopes": ["deployer:read"]}
    made = await stage.ask("POST", "security-gateway", "/v1/api-keys", json=body)

    await sign_in(late, made.body["key"])

    await late.wait_for_function(NOTHING_WAITS)
    await expect(late.get_by_label("SDL", exact=True)).to_have_value("")


async def test_a_form_that_was_done_leaves_nothing_behind(page: Page):
    await page.goto("/deployments/preview")
    await page.get_by_label("Name").fill(DRAFTED)
    await page.get_by_role("button", name="Who would bid?").click()
    await expect(page.get_by_role("heading", name="SDL")).to_be_visible()

    await page.goto("/deployments/preview")

    await page.wait_for_function(NOTHING_WAITS)
    await expect(page.get_by_label("Name")).to_have_value("web")


async def test_neither_secrets_nor_hidden_fields_wait(page: Page):
    await page.goto("/workspace")
    secret = "<input type=password name=secret value=s>"
    await page.evaluate(f"document.querySelector('main form').insertAdjacentHTML('afterbegin', '{secret}')")
    await page.get_by_label("Workspace").fill(DRAFTED)
    await page.evaluate("addEventListener('submit', (event) => event.preventDefault())")
    await page.get_by_role("button", name="Analyse").click()

    kept = await page.evaluate("JSON.parse(sessionStorage.sent)")

    assert kept["values"] == [["workspace", DRAFTED], ["base", ""]]


async def test_who_cannot_stay_is_told_before_the_end_and_comes_back_after_signing_in(
    page: Page, mesh: EmbeddedMesh, errors: list[str]
):
    await change(page, mesh, held="", expires_at=int(time.time()) + 60)
    await page.goto("/agents?capability=text.summarize")

    await page.get_by_role("link", name="Sign in again").click()
    await page.get_by_label("API key").fill(mesh.admin_key_file.read_text().strip())
    await page.get_by_role("button", name="Sign in").click()

    await expect(page).to_have_url(f"{mesh.console_url}/agents?capability=text.summarize")
    assert errors == []


async def test_who_watches_when_the_session_ends_is_led_to_the_login_and_told_why(
    page: Page, mesh: EmbeddedMesh
):
    await page.goto("/events")
    await expect(page.locator("[data-light]")).to_contain_text("live")
    await change(page, mesh, expires_at=int(time.time()) - 1)
    mesh.stop("console")
    mesh.start_console()

    await expect(page.get_by_text("Your session has ended")).to_be_visible(timeout=20_000)
    assert page.url == f"{mesh.console_url}/login?next=/events"
