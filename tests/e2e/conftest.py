import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from mesh_cli import parts
from mesh_cli.demo import cast
from mesh_cli.demo.stage import Stage
from mesh_cli.embedded import EmbeddedMesh, Ports
from playwright.async_api import ConsoleMessage, Page, Request, async_playwright, expect

CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="session")
def other_ports() -> Ports:
    """The ports of a mesh of one's own, beside the one that all share."""
    rows = range(30_000, 40_000, 20)
    return Ports(next(row for row in rows if all(map(parts.is_port_free, range(row, row + 20)))))


@pytest.fixture
async def weather(stage: Stage, tmp_path: Path) -> AsyncIterator[str]:
    """An API that wants a token, and the gateway's connection "row-g" to it; yields the token."""
    port = stage.mesh.ports.agent(5)
    token = cast.start_upstream(stage, port, tmp_path / "token")
    provider = {
        "name": "row-g",
        "origin": f"http://127.0.0.1:{port}",
        "injector": {"kind": "bearer"},
        "allow_private": True,
    }
    connection = {"name": "row-g", "provider": "row-g", "secret": token}
    grant = {"subject": "admin", "connection": "row-g", "methods": ["GET"], "paths": ["/v1/weather/*"]}
    await stage.ask("POST", "security-gateway", "/v1/providers", json=provider)
    await stage.ask("POST", "security-gateway", "/v1/connections", json=connection)
    await stage.ask("POST", "security-gateway", "/v1/grants", json=grant)
    yield token
    stage.mesh.stop("upstream")


@pytest.fixture
def console_url(mesh: EmbeddedMesh) -> str:
    if "console" not in mesh.running:
        mesh.start_console()
    return mesh.console_url


@pytest.fixture
async def errors() -> list[str]:
    """What the browser's console says that nobody wants to read there."""
    return []


@pytest.fixture
async def foreign() -> list[str]:
    """Where the browser has asked beyond this machine."""
    return []


@pytest.fixture
async def window(console_url: str, errors: list[str], foreign: list[str]) -> AsyncIterator[Page]:
    """A window of a browser that has never been here."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")

    def said(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            errors.append(message.text)

    def asked(request: Request) -> None:
        if urlsplit(request.url).hostname not in ("127.0.0.1", None):
            foreign.append(request.url)

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = await browser.new_context(base_url=console_url)
        context.on("console", said)
        context.on("weberror", lambda error: errors.append(str(error.error)))
        context.on("request", asked)
        yield await context.new_page()
        await browser.close()


@pytest.fixture
async def page(window: Page, mesh: EmbeddedMesh) -> Page:
    """The admin's window, at the overview."""
    await window.goto("/login")
    await window.get_by_label("API key").fill(mesh.admin_key_file.read_text().strip())
    await window.get_by_role("button", name="Sign in").click()
    await expect(window.get_by_role("heading", name="Overview")).to_be_visible()
    return window
