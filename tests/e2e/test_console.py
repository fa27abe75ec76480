"""The console as a person uses it: a real browser, on the mesh of everybody."""

from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
from mesh_cli.demo.cast import Player
from mesh_cli.demo.stage import Stage
from mesh_cli.embedded import EmbeddedMesh
from mesh_cli.parts import ROOT
from mesh_console.domain.panels import PANELS
from playwright.async_api import Page, expect

pytestmark = [pytest.mark.xdist_group("mesh"), pytest.mark.again]

HOSTILE = "<img src=x onerror=alert(1)>\"'><script>alert(2)</script>{{ 7 * 7 }}"
PAGES = (*(path for path in PANELS if path != "/docs"), "/docs/events")
FORMS = ("/deployments/preview", "/login")
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
WCAG_AA = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
FAULTS = """async (rules) => (await axe.run({ runOnly: rules })).violations
    .flatMap(({ id, nodes }) => nodes.map(({ target }) => `${id}: ${target}`))"""
PHONE = {"width": 390, "height": 844}
WIDTH = "document.documentElement.scrollWidth"


@pytest.fixture
async def run(stage: Stage, players: list[Player]) -> dict[str, Any]:
    """A run of two steps, one after the other, that has ended."""
    text = "Agents met on a chain. They agreed on a price. Everyone was paid for good work."
    step = {"capability": "text.summarize", "max_price": "50000"}
    words = {"first": text, "second": {"$ref": "#/steps/first/result/summary"}}
    steps: list[dict[str, Any]] = [
        step | {"id": id, "parameters": {"text": said, "sentences": 1}} for id, said in words.items()
    ]
    steps[1]["needs"] = ["first"]
    body = {"task": HOSTILE, "requirements": steps, "budget": "200000"}
    headers = {"Prefer": "wait=30"}
    return (
        await stage.ask("POST", "coordinator", "/v1/runs", key="console:run", json=body, headers=headers)
    ).body


async def test_every_panel_is_clean_and_fits_a_phone_and_the_dark(
    page: Page, errors: list[str], foreign: list[str], run: dict[str, Any], tmp_path: Path
):
    paths = (*PAGES, f"/runs/{run['id']}")
    for path in paths:
        await page.goto(path)
        await page.screenshot(path=tmp_path / f"{paths.index(path)}.png")
    await page.set_viewport_size(PHONE)  # pyright: ignore[reportArgumentType]
    await page.emulate_media(color_scheme="dark")
    wide = [path for path in paths if await page.goto(path) and await page.evaluate(WIDTH) > PHONE["width"]]

    assert (errors, foreign, wide) == ([], [], [])


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_on_any_page_that_wcag_aa_forbids(
    page: Page, stage: Stage, run: dict[str, Any], storefront: str, scheme: Literal["light", "dark"]
):
    analysis = await stage.ask("POST", "workspace-analyzer", "/v1/analyses", json={"workspace": storefront})
    await page.emulate_media(color_scheme=scheme)
    agent = run["steps"][0]["attempts"][0]["agent_id"]
    paths = [*PAGES, *FORMS, f"/runs/{run['id']}", f"/agents/{agent}", f"/workspace/{analysis.body['id']}"]
    found = {path: await faults(page, path) for path in paths}

    assert {path: told for path, told in found.items() if told} == {}


async def faults(page: Page, path: str) -> list[str]:
    """The rule and the place of whatever is wrong with a page."""
    await page.goto(path)
    await page.evaluate(AXE.read_text())
    return await page.evaluate(FAULTS, WCAG_AA)


async def test_a_run_is_drawn_with_its_agents_and_its_money(
    page: Page, errors: list[str], run: dict[str, Any]
):
    await page.goto(f"/runs/{run['id']}")

    await expect(page.locator(".graph svg .node")).to_have_count(2)
    await expect(page.locator(".graph svg .edge")).to_have_count(1)
    await expect(page.locator(".notice.good")).to_contain_text("locked")
    await expect(page.locator("tr.chosen").first).to_contain_text("accepted")
    assert errors == []


async def test_a_workspace_is_analysed_and_its_change_drawn(page: Page, errors: list[str], storefront: str):
    await page.goto("/workspace")
    await page.get_by_label("Workspace").fill(storefront)
    await page.get_by_role("button", name="Analyse").click()

    await expect(page.locator(".graph svg .node.bad")).to_contain_text("pricing", timeout=60_000)
    await expect(page.get_by_text("6 of 10 projects affected")).to_be_visible()
    assert errors == []


async def test_the_portal_has_the_apis_of_all_services_and_asks_nobody_else(
    window: Page, errors: list[str], foreign: list[str], mesh: EmbeddedMesh
):
    for service in mesh.ports.services:
        await window.goto(f"/docs?api={service}")
        title = f"371 Mesh {service.replace('-', ' ')}"
        await expect(window.get_by_role("heading", level=1, name=title)).to_be_visible(timeout=30_000)
    # Scalar wonders at `$ref` in examples, where it is a word of ours.
    assert [error for error in errors if "$ref-value" not in error] == []
    assert foreign == []


async def test_an_audit_is_verified_in_its_place(page: Page, errors: list[str]):
    await page.goto("/gateway")
    await page.get_by_role("link", name="Verify all of it").click()

    await expect(page.locator("#verdict .good")).to_contain_text("are what was written")
    assert (urlsplit(page.url).path, errors) == ("/gateway", [])


async def test_hostile_words_are_words(
    page: Page, errors: list[str], foreign: list[str], stage: Stage, run: dict[str, Any]
):
    metadata = {"name": HOSTILE[:64], "description": HOSTILE, "endpoint": "https://agent.example"}
    metadata |= {"capabilities": ["console.hostile"], "toolDefinitions": [], "reputationHistory": []}
    body = {"id": "console/hostile", "metadata": metadata, "stake": "0"}
    made = await stage.ask("POST", "registry", "/v1/agents?wait=confirmed", key="console:hostile", json=body)
    told: list[str] = []
    page.on("dialog", lambda dialog: told.append(dialog.message))

    for path in ("/agents?capability=console.hostile", f"/agents/{made.body['agentId']}", "/events", "/runs"):
        await page.goto(path)
    await expect(page.get_by_text("<img src=x").first).to_be_visible()

    assert await page.locator("main img, main script").count() == 0
    assert (told, errors, foreign) == ([], [], [])


async def test_live_events_go_on_over_a_restart_without_a_gap_or_a_duplicate(
    page: Page, mesh: EmbeddedMesh, stage: Stage
):
    async def happen(name: str) -> None:
        body = {"subject": f"console/{name}", "scopes": ["gateway:proxy"]}
        await stage.ask("POST", "security-gateway", "/v1/api-keys", json=body)

    await page.goto("/events")
    await expect(page.locator("[data-light]")).to_contain_text("live")
    await happen("before")
    await expect(page.locator(".log code", has_text="console/before")).to_be_visible()
    mesh.stop("console")
    await happen("meanwhile")
    mesh.start_console()
    await happen("after")
    await expect(page.locator(".log code", has_text="console/after")).to_be_visible(timeout=20_000)

    lines = page.locator(".log li[data-service=security-gateway] summary")
    shown = [int(text) for text in await lines.all_text_contents()]
    assert shown == list(range(shown[0], shown[0] - len(shown), -1))


async def test_events_are_held_while_paused_and_filtered_by_words(page: Page, stage: Stage):
    await page.goto("/events")
    await expect(page.locator("[data-light]")).to_contain_text("live")
    await page.get_by_role("button", name="Pause").click()
    body = {"subject": "console/paused", "scopes": ["gateway:proxy"]}
    await stage.ask("POST", "security-gateway", "/v1/api-keys", json=body)
    await expect(page.get_by_role("button", name="Resume (1)")).to_be_visible()
    line = page.locator(".log code", has_text="console/paused")
    before = await line.count()
    await page.get_by_role("button", name="Resume").click()
    await expect(line).to_be_visible()
    await page.get_by_label("Type, subject or trace contains").fill("no such words")

    assert before == 0
    await expect(line).to_be_hidden()


async def test_the_keyboard_leads_past_the_panels_to_the_content(page: Page):
    await page.goto("/agents")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")

    assert await page.evaluate("document.activeElement.id") == "main"
