"""The MCP registry's API as its OpenAPI document (2025-12-01) and the schema of 2025-12-11 have it."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import jsonschema
import pytest
from mesh_registry.domain import exports, naming
from mesh_registry.schemas.servers import DEACTIVATED, OFFICIAL, seconds

if TYPE_CHECKING:
    from callers_of_registry import Body, Caller
    from unaided import Chain

SPACE = "1.0.0.127"
SCHEMA = os.environ.get("MESH_MCP_SCHEMA", "")
# What the schema says of the members that we write.
NAME = re.compile(r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+")
REMOTE = re.compile(r"https?://\S+")
KNOWN = {"$schema", "name", "title", "description", "version", "websiteUrl", "remotes"}


def name_of(agent: str) -> str:
    return f"{SPACE}/{naming.agent_id_of(agent)}"


async def listed(caller: Caller, **params: Any) -> Body:
    answer = await caller.http.get("/v0.1/servers", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def registered(caller: Caller, agent: str, /, **said: Any) -> None:
    await caller.registered(agent, metadata=caller.metadata(protocols=["mcp"], **said))


def assert_is_server(server: Body) -> None:
    assert server.keys() <= KNOWN
    assert server["$schema"].endswith("/schemas/2025-12-11/server.schema.json")
    assert NAME.fullmatch(server["name"])
    assert 3 <= len(server["name"]) <= 200
    assert 1 <= len(server["description"]) <= 100
    assert 1 <= len(server["title"]) <= 100
    assert len(server["version"]) <= 255
    assert [remote["type"] for remote in server["remotes"]] == ["streamable-http"]
    assert all(REMOTE.fullmatch(remote["url"]) for remote in server["remotes"])


async def test_a_server_is_listed_as_the_official_registry_lists_it(caller_lite: Caller, chain: Chain):
    before = await chain.now()
    await registered(caller_lite, "acme/one", description="x" * 300)
    await caller_lite.registered("acme/two")

    page = await listed(caller_lite)

    (entry,) = page["servers"]
    official = entry["_meta"][OFFICIAL]
    assert page.keys() == {"servers", "metadata"}
    assert page["metadata"] == {"count": 1}
    assert_is_server(entry["server"])
    assert entry["server"]["name"] == name_of("acme/one")
    assert official.keys() == {"status", "publishedAt", "updatedAt", "isLatest"}
    assert (official["status"], official["isLatest"]) == ("active", True)
    assert before <= seconds(official["publishedAt"]) <= await chain.now()
    assert official["publishedAt"] <= official["updatedAt"]
    assert entry["_meta"][f"{SPACE}/agent"]["agentId"] == naming.agent_id_of("acme/one")


async def test_a_server_that_is_switched_off_is_deleted_for_a_mirror(caller_lite: Caller):
    await registered(caller_lite, "acme/one")
    await caller_lite.change("acme/one", {"kind": "deactivate", "expectedVersion": 1})

    plain, full = await listed(caller_lite), await listed(caller_lite, include_deleted=True)
    mirror = await listed(caller_lite, updated_since="2020-01-01T00:00:00.5+01:00")

    former, entry = full["servers"]
    assert plain["servers"] == []
    assert mirror == full
    assert former["_meta"][OFFICIAL]["isLatest"] is False
    assert entry["_meta"][OFFICIAL]["status"] == "deleted"
    assert entry["_meta"][OFFICIAL]["statusMessage"] == DEACTIVATED


async def test_servers_are_paged_and_narrowed_by_parameters(caller_lite: Caller):
    await registered(caller_lite, "acme/one", name="Weather")
    await registered(caller_lite, "acme/two", name="Files")

    first = await listed(caller_lite, limit=1)
    rest = await listed(caller_lite, limit=2, cursor=first["metadata"]["nextCursor"])

    async def found(**params: Any) -> list[str]:
        return [entry["server"]["title"] for entry in (await listed(caller_lite, **params))["servers"]]

    assert [entry["server"]["title"] for entry in first["servers"] + rest["servers"]] == ["Weather", "Files"]
    assert "nextCursor" not in rest["metadata"]
    assert await found(search="weath") == ["Weather"]
    assert await found(version="latest", search=name_of("acme/two")) == ["Files"]
    assert await found(version="1.0.0") == ["Weather", "Files"]
    assert await found(version="2.0.0") == await found(version="1") == []
    assert await found(updated_since="2999-01-01t00:00:00z") == []


async def test_a_server_s_versions_are_found_by_its_name(caller_lite: Caller):
    await registered(caller_lite, "acme/one", name="First")
    update = {"kind": "update", "expectedVersion": 1}
    other = caller_lite.metadata(name="Second", protocols=["mcp"])
    await caller_lite.change("acme/one", update | {"metadata": other})
    base = f"/v0.1/servers/{name_of('acme/one')}/versions"
    encoded = f"/v0.1/servers/{quote(name_of('acme/one'), safe='')}/versions"

    versions = (await caller_lite.http.get(base)).json()
    latest = (await caller_lite.http.get(f"{encoded}/latest")).json()
    first = (await caller_lite.http.get(f"{encoded}/1.0.0")).json()

    assert [entry["server"]["title"] for entry in versions["servers"]] == ["Second", "First"]
    assert (await caller_lite.http.get(encoded)).json() == versions
    assert versions["metadata"] == {"count": 2}
    assert [latest, first] == versions["servers"]
    assert (await listed(caller_lite))["servers"] == [first, latest]
    assert (await listed(caller_lite, version="latest"))["servers"] == [latest]
    assert (latest["_meta"][OFFICIAL]["isLatest"], first["_meta"][OFFICIAL]["isLatest"]) == (True, False)


async def test_what_is_no_server_is_not_found(caller_lite: Caller, chain: Chain):
    await caller_lite.registered("acme/plain")
    names = [name_of("acme/plain"), name_of("nobody"), f"com.example/{naming.agent_id_of('acme/plain')}"]

    answers = [
        await caller_lite.http.get(f"/v0.1/servers/{name}/versions{end}")
        for name in names
        for end in ("", "/latest", "/1.0.0")
    ]

    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(404, "server-not-found")}


async def test_a_time_or_a_cursor_that_is_none_is_refused(caller_lite: Caller):
    times = ["yesterday", "2026-01-01", "2026-02-30T00:00:00Z", "2026-01-01T00:00:00", "1700000000", ""]

    refused = [await caller_lite.http.get("/v0.1/servers", params={"updated_since": time}) for time in times]
    foreign = await caller_lite.http.get("/v0.1/servers", params={"cursor": "abc"})

    assert [answer.status_code for answer in refused] == [422] * len(times)
    assert (foreign.status_code, foreign.json()["code"]) == (404, "cursor-not-found")


@pytest.mark.parametrize(
    ("instant", "expected"),
    [
        ("1970-01-01T00:00:01Z", 1),
        ("1970-01-01t01:00:00.999999999+01:00", 0),
        ("1969-12-31T23:59:59z", -1),
        ("2026-11-26T08:29:10.5Z", 1795681750),
    ],
)
def test_a_time_is_read_as_rfc_3339_writes_it(instant: str, expected: int):
    assert seconds(instant) == expected


@pytest.mark.skipif(not SCHEMA, reason="MESH_MCP_SCHEMA names no server.schema.json of 2025-12-11")
async def test_the_schema_itself_is_content(caller_lite: Caller):
    await registered(caller_lite, "acme/one", description="")
    schema = json.loads(Path(SCHEMA).read_bytes())

    entry = (await listed(caller_lite))["servers"][0]
    exported = (await caller_lite.http.get(f"/v1/agents/{naming.agent_id_of('acme/one')}/server.json")).json()

    assert schema["$id"] == exports.SERVER_SCHEMA or "draft" in schema["$id"]
    assert exported == entry["server"]
    jsonschema.validate(exported, schema)
