"""The pages of the registry and the coordinator from answers that their documents allow."""

import re

import httpx
import pytest
from documents import Document
from visiting import Browser, Town

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7*7 }}{% raw %}"
ID = "5f80baf4-0504-50d4-9992-17cb14d75fe6"
PAGES = ["/", "/agents", f"/agents/0x{'5e' * 32}", "/runs", f"/runs/{ID}"]


def settle(town: Town, **more: bool | str) -> dict[str, Document]:
    """The registry and the coordinator as documents."""
    settled = {name: Document(name, **more) for name in ("registry", "coordinator")}  # pyright: ignore[reportArgumentType]
    for name, document in settled.items():
        town.streets.apps[name] = httpx.ASGITransport(document.app)
    return settled


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_reads_only_what_a_service_promises(admin: Browser, town: Town, path: str):
    settle(town)

    assert "words" in await admin.open(path)


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_stands_when_nothing_is_there_that_need_not_be(admin: Browser, town: Town, path: str):
    settle(town, is_bare=True)

    assert "<h1>" in await admin.open(path)


@pytest.mark.parametrize("path", PAGES)
async def test_hostile_words_are_in_no_tag_of_any_page(admin: Browser, town: Town, path: str):
    settle(town, words=HOSTILE)

    page = await admin.open(path)

    assert "alert(1)" in page
    assert not re.search(r"<script>|<img src=x|onerror=alert\(2\)>", page)
    assert "{{ 7*7 }}" in page


async def test_a_search_is_what_was_asked_for(admin: Browser, town: Town):
    settle(town)

    page = await admin.open("/agents", capability="text.summarize", text="short & sweet")

    assert 'value="text.summarize"' in page
    assert 'value="short &amp; sweet"' in page


async def test_a_long_list_goes_on_where_it_ended(admin: Browser, town: Town):
    settle(town)

    page = await admin.open("/agents", capability="a b")

    assert 'href="/agents?cursor=words&amp;capability=a%20b&amp;text="' in page


async def test_runs_are_shown_by_their_status(admin: Browser, town: Town):
    settle(town)

    page = await admin.open("/runs", status="failed")

    assert '<option value="failed" selected>' in page
    assert "curl" in page
    assert "status=failed" in page


async def test_a_run_is_cancelled_once_however_often_the_form_is_sent(admin: Browser, town: Town):
    coordinator = settle(town)["coordinator"]
    await admin.open("/runs")

    led = [await admin.send(f"/runs/{ID}/cancel", key="key-1") for _ in range(2)]

    assert led == [f"/runs/{ID}"] * 2
    assert coordinator.sent == [(f"/v1/runs/{ID}/cancel", {}, "key-1")] * 2


async def test_a_form_to_cancel_has_a_key_of_its_own_each_time(admin: Browser, town: Town):
    settle(town, is_bare=True)
    pages = [await admin.open(f"/runs/{ID}") for _ in range(2)]

    keys = {key for page in pages for key in re.findall(r'name="key" value="([^"]+)"', page)}

    assert len(keys) == 2


@pytest.mark.parametrize("decision", ["approve", "deny"])
async def test_a_step_is_decided_by_a_button(admin: Browser, town: Town, decision: str):
    coordinator = settle(town)["coordinator"]
    await admin.open("/approvals")

    led = await admin.send(f"/approvals/runs/{ID}/approval-1/{decision}", key="key-1")

    assert led == "/approvals"
    assert coordinator.sent == [(f"/v1/runs/{ID}/approvals/approval-1", {"decision": decision}, "key-1")]


async def test_a_run_says_that_its_sums_are_whole(admin: Browser, town: Town):
    settle(town)

    page = await admin.open(f"/runs/{ID}")

    assert "Not every escrow" not in page
    assert re.search(r'class="notice good">[^<]* in = ', page)


async def test_first_steps_are_shown_until_a_run_has_succeeded(admin: Browser, town: Town):
    settle(town, is_bare=True)
    before = await admin.open("/")
    settle(town)
    after = await admin.open("/")

    assert "First steps" in before
    assert "First steps" not in after
