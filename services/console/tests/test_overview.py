"""The first page tells how each of the five is, whatever the others do."""

from mesh_console.adapters import log
from visiting import Browser, Town

FIRST_START = 6
"""Keys that the gateway makes then: the admin's and one for each service."""


async def test_a_service_that_answers_is_up_and_one_that_does_not_is_named(admin: Browser):
    page = await admin.open("/")

    assert page.count('class="state good"') == 1
    assert page.count("Waits for an answer") == 4


async def test_what_a_service_waits_for_is_told(admin: Browser, city: Town):
    page = await admin.open("/")

    assert "Reaches database, redis" in page
    assert "version 0.1.0" in page


async def test_events_of_the_last_minute_are_counted(admin: Browser, town: Town):
    for subject in ("one", "two"):
        await town.key(subject, "gateway:proxy")
    await town.told("security-gateway", FIRST_START + 2)

    page = await admin.open("/")

    assert f"{FIRST_START + 2} events a minute" in page


async def test_who_may_read_no_events_sees_the_tiles(stranger: Browser, town: Town):
    await stranger.sign_in(await town.key("reader", "coordinator:run"))

    assert "Events: The token lacks: events:read." in await stranger.open("/")


async def test_a_page_tells_how_to_ask_the_same_with_curl(admin: Browser):
    page = await admin.open("/")

    assert "curl -s -H &#34;Authorization: Bearer $TOKEN&#34; http://security-gateway/readyz" in page


async def test_the_newest_event_is_found_from_any_that_was_known(town: Town):
    for subject in ("one", "two", "three"):
        await town.key(subject, "gateway:proxy")
    last = FIRST_START + 3
    await town.told("security-gateway", last)
    mesh = await town.mesh()

    found = [await log.newest(mesh, "security-gateway", known) for known in range(last + 1)]

    assert found == [last] * (last + 1)


async def test_a_log_without_events_ends_at_nought(city: Town):
    assert await log.newest(await city.mesh(), "deployer") == 0
