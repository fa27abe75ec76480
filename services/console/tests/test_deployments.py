"""Deployments as the real deployer tells them: who bid, who was chosen and why, and what it costs."""

from pathlib import Path
from typing import Any

import pytest
from visiting import Browser, Town

SDL = (Path(__file__).parents[3] / "examples" / "sdl" / "hello-web.yaml").read_text()


async def test_a_preview_shows_the_sdl_and_every_bid_with_its_reason(admin: Browser, city: Town):
    await admin.open("/deployments/preview")

    page = await admin.send("/deployments/preview", 200, image="debian:trixie-slim", name="hello")

    assert "image: debian:trixie-slim" in page
    assert "Somebody would take it" in page
    assert "Cheapest of" in page
    assert "like for like" in page


async def test_an_sdl_of_one_s_own_is_previewed_as_it_is(admin: Browser, city: Town):
    await admin.open("/deployments/preview")

    page = await admin.send("/deployments/preview", 200, sdl=SDL)

    assert "Somebody would take it" in page


@pytest.mark.parametrize("draft", [{"port": "many"}, {"cpu_millis": "9" * 30}, {"name": "Not A Name"}])
async def test_a_draft_that_cannot_be_is_told_with_the_place(
    admin: Browser, city: Town, draft: dict[str, str]
):
    await admin.open("/deployments/preview")

    page = await admin.send("/deployments/preview", 200, **draft)

    assert "<code>/" in page
    assert f'value="{next(iter(draft.values()))}"' in page


async def test_an_sdl_that_is_none_is_told_and_can_be_mended(admin: Browser, city: Town):
    await admin.open("/deployments/preview")

    page = await admin.send("/deployments/preview", 200, sdl="no SDL")

    assert 'role="alert"' in page
    assert "no SDL</textarea>" in page


async def test_a_preview_keeps_its_draft_while_the_deployer_is_down(admin: Browser, town: Town):
    await admin.open("/deployments/preview")

    page = await admin.send("/deployments/preview", 200, sdl=SDL)

    assert "The deployer does not answer." in page
    assert "GREETING=Hello from the mesh" in page


async def test_hostile_words_of_a_draft_come_back_as_words(admin: Browser, city: Town):
    await admin.open("/deployments/preview")

    page = await admin.send("/deployments/preview", 200, image='"><script>alert(1)</script>')

    assert "<script>alert" not in page
    assert "&#34;&gt;&lt;script&gt;alert" in page


async def test_a_deployment_tells_its_bids_its_cost_and_its_history(admin: Browser, city: Town):
    made = await deployed(city)

    page = await admin.open(f"/deployments/{made['deploymentId']}")

    assert made["deploymentId"] in page
    assert "<caption>History</caption>" in page
    assert "reputation 0.7 at least" in page


async def test_deployments_are_listed_with_their_market(admin: Browser, city: Town):
    made = await deployed(city)

    page = await admin.open("/deployments")

    assert f'href="/deployments/{made["deploymentId"]}"' in page
    assert "simulated" in page


async def test_without_a_deployment_the_list_says_so(admin: Browser, city: Town):
    assert "Nothing was deployed yet" in await admin.open("/deployments")


async def test_a_deployment_of_nobody_is_not_found(admin: Browser, city: Town):
    page = await admin.open("/deployments/5f80baf4-0504-50d4-9992-17cb14d75fe6", 404)

    assert "deployment-not-found" in page


async def deployed(city: Town) -> Any:
    return await city.admin("deployer", "/v1/deployments", {"sdl": SDL, "provider": "simulated"})
