"""How long the console lets somebody stay: in a real browser whose clock is moved."""

import time
from typing import Any

import pytest
from itsdangerous import URLSafeSerializer
from mesh_cli.embedded import EmbeddedMesh
from mesh_console.api.page import COOKIE
from playwright.async_api import Page, expect

pytestmark = [pytest.mark.xdist_group("mesh"), pytest.mark.again]

QUARTER_S = 15 * 60


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
