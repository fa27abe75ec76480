"""Credentials by name, grants as a matrix, and an audit that is explained and verified."""

from typing import Any

import pytest
from mesh_console.domain.grants import matrix
from visiting import Browser, Town

SECRET = "sk-nobody-sees-this"
PROVIDER = {"name": "weather", "origin": "https://weather.example", "injector": {"kind": "bearer"}}
GRANT = {"subject": "agent-7", "connection": "weather", "methods": ["GET"], "paths": ["/v1/weather/*"]}


@pytest.fixture
async def weather(town: Town) -> Any:
    """A connection, and a grant that wants a person's approval."""
    connection = {"name": "weather", "provider": "weather", "secret": SECRET}
    await town.admin("security-gateway", "/v1/providers", PROVIDER)
    await town.admin("security-gateway", "/v1/connections", connection)
    return await town.admin("security-gateway", "/v1/grants", GRANT | {"needs_approval": True})


async def test_grants_stand_where_agent_and_connection_meet(admin: Browser, weather: Any):
    page = await admin.open("/gateway")

    assert '<th scope="row">agent-7</th>' in page
    assert "<strong>GET</strong> <code>/v1/weather/*</code>" in page


async def test_a_secret_is_in_no_page(admin: Browser, weather: Any):
    pages = [await admin.open(path) for path in ("/gateway", "/gateway/verification", "/approvals", "/")]

    assert not [page for page in pages if SECRET in page]


async def test_without_a_grant_the_page_says_that_nothing_is_allowed(admin: Browser):
    page = await admin.open("/gateway")

    assert "every call is refused" in page
    assert "There is no credential" in page


async def test_the_audit_is_filtered_by_agent(admin: Browser, weather: Any):
    page = await admin.open("/gateway", agent="nobody")

    assert "/gateway/audit/" not in page


async def test_an_entry_of_the_audit_is_explained(admin: Browser, town: Town, weather: Any):
    mesh = await town.mesh()
    (entry, *_) = (await mesh.get("security-gateway", "/v1/audit"))["items"]

    page = await admin.open(f"/gateway/audit/{entry['id']}")

    assert f"Entry {entry['sequence']} of the audit" in page
    assert entry["leaf_hash"] in page


async def test_the_whole_audit_is_verified_on_request(admin: Browser, weather: Any):
    page = await admin.open("/gateway/verification")

    assert "entries are what was written" in page


async def test_a_call_that_waits_is_approved_by_a_button(admin: Browser, town: Town, weather: Any):
    agent = await town.token(await town.key("agent-7", "gateway:proxy"))
    headers = {"Authorization": f"Bearer {agent}"}
    await town.services["security-gateway"].get("/v1/proxy/weather/v1/weather/Oslo", headers=headers)
    mesh = await town.mesh()
    (waiting,) = (await mesh.get("security-gateway", "/v1/approvals", pending="true"))["items"]
    listed = await admin.open("/approvals")

    await admin.send(f"/approvals/calls/{waiting['id']}/approve")

    decided = await mesh.get("security-gateway", f"/v1/approvals/{waiting['id']}")
    assert "GET /v1/weather/Oslo" in listed
    assert (decided["state"], decided["approver"]) == ("approved", "admin")


async def test_a_decision_that_is_none_does_nothing(admin: Browser, weather: Any):
    await admin.send("/approvals/calls/5f80baf4-0504-50d4-9992-17cb14d75fe6/forget", 404)


async def test_approvals_of_runs_say_whose_answer_is_missing(admin: Browser):
    assert "The coordinator does not answer" in await admin.open("/approvals")


def given(subject: str, connection: str, *, is_revoked: bool = False) -> dict[str, Any]:
    return {"subject": subject, "connection": connection, "is_revoked": is_revoked}


def test_a_revoked_grant_is_in_no_cell():
    found = matrix([given("a", "x"), given("a", "x", is_revoked=True)], ["x"])

    assert found.cells == {("a", "x"): [given("a", "x")]}


def test_a_connection_that_nobody_may_use_has_a_column():
    found = matrix([given("b", "y"), given("a", "x")], ["z"])

    assert (found.subjects, found.connections) == (["a", "b"], ["x", "y", "z"])
