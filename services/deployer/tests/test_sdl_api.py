"""SDL through the API: written from a config, validated with every finding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml
from mesh_deployer.schemas.conversion import COMPOSE
from mesh_deployer.schemas.sdl import HELLO

if TYPE_CHECKING:
    from conftest import Tenant


async def test_a_config_becomes_an_sdl_that_validates_to_the_same_values(tenant: Tenant):
    sdl = (await tenant.http.post("/v1/sdl", json=tenant.config)).json()["sdl"]

    validated = (await tenant.http.post("/v1/sdl/validate", json={"sdl": sdl})).json()

    assert (validated["ok"], validated["issues"]) == (True, [])
    assert validated["groups"] == [
        {
            "name": "dcloud",
            "denom": "uact",
            "attributes": {},
            "units": [
                {
                    "service": "web",
                    "image": "debian:trixie-slim",
                    "cpu_millis": 500,
                    "memory_bytes": 512 * 2**20,
                    "storage_bytes": 2**30,
                    "count": 2,
                    "max_price": "100",
                    "public": True,
                }
            ],
        }
    ]


async def test_the_generated_sdl_is_plain_yaml_with_the_promised_parts(tenant: Tenant):
    """Row F, read by a YAML library that knows nothing of ours."""
    config = tenant.config | {"command": ["serve"], "args": ["--port", "8080"]}

    document = yaml.safe_load((await tenant.http.post("/v1/sdl", json=config)).json()["sdl"])

    assert document["version"] == "2.0"
    assert document["services"]["web"] == {
        "image": "debian:trixie-slim",
        "command": ["serve"],
        "args": ["--port", "8080"],
        "env": ["GREETING=hello"],
        "expose": [{"port": 8080, "as": 80, "to": [{"global": True}]}],
    }
    assert document["profiles"]["placement"]["dcloud"]["pricing"]["web"]["denom"] == "uact"
    assert document["deployment"] == {"web": {"dcloud": {"profile": "web", "count": 2}}}


async def test_findings_come_with_place_code_message_hint_and_severity(tenant: Tenant):
    sdl = HELLO.replace("size: 128Mi", "size: 1GB").replace("    expose:", "    restart: always\n    expose:")

    validated = (await tenant.http.post("/v1/sdl/validate", json={"sdl": sdl})).json()

    assert (validated["ok"], validated["version_hash"], validated["groups"]) == (False, None, [])
    assert validated["issues"] == [
        {
            "path": "services.web.restart",
            "code": "unknown-key",
            "message": "There is no `restart` here.",
            "hint": "Akash restarts what ends; leave it out.",
            "severity": "warning",
        },
        {
            "path": "profiles.compute.web.resources.memory.size",
            "code": "quantity",
            "message": "Memory: not a size that Akash reads.",
            "hint": "Write 1Gi.",
            "severity": "error",
        },
    ]


async def test_a_compose_file_becomes_an_sdl_that_validates_to_the_same_hash(tenant: Tenant):
    body = {"compose": COMPOSE, "variables": {"TAG": "1.28"}, "max_price_uact_per_block": "42.5"}

    converted = (await tenant.http.post("/v1/sdl/from-compose", json=body)).json()

    assert converted["ok"]
    validated = (await tenant.http.post("/v1/sdl/validate", json={"sdl": converted["sdl"]})).json()
    assert validated["version_hash"] == converted["version_hash"]
    (unit,) = validated["groups"][0]["units"]
    assert (unit["image"], unit["max_price"]) == ("nginx:1.28", "42.5")
    assert [(issue["path"], issue["code"], issue["severity"]) for issue in converted["issues"]] == [
        ("services.web.environment.API_TOKEN", "secret-in-sdl", "warning")
    ]


async def test_a_compose_file_without_an_image_is_answered_with_the_reason(tenant: Tenant):
    response = await tenant.http.post("/v1/sdl/from-compose", json={"compose": "services: {web: {build: .}}"})

    converted = response.json()
    assert (response.status_code, converted["ok"], converted["sdl"]) == (200, False, None)
    (issue,) = [issue for issue in converted["issues"] if issue["path"] == "services.web.image"]
    assert issue["hint"] == "Push the image to a registry and name it in `images`."


async def test_what_was_pushed_is_named_beside_the_file(tenant: Tenant):
    body = {
        "compose": "services: {web: {build: ., ports: ['80']}}",
        "images": {"web": "ghcr.io/acme/web:1"},
    }

    converted = (await tenant.http.post("/v1/sdl/from-compose", json=body)).json()
    refused = await tenant.http.post("/v1/sdl/from-compose", json=body | {"images": {"web": "../web"}})

    assert "image: ghcr.io/acme/web:1" in converted["sdl"]
    assert refused.status_code == 422


async def test_two_sdls_are_compared_and_each_change_says_what_carries_it(tenant: Tenant):
    body = {"before": HELLO, "after": HELLO.replace("trixie", "bookworm").replace("count: 1", "count: 2")}

    compared = (await tenant.http.post("/v1/sdl/diff", json=body)).json()

    assert compared["carried_by"] == "deployment"
    assert {change["what"]: change["carried_by"] for change in compared["changes"]} == {
        "image": "update",
        "count": "deployment",
    }
    assert all(change["reason"] for change in compared["changes"])


async def test_comparing_with_something_else_is_refused_and_says_which_of_the_two(tenant: Tenant):
    refusal = await tenant.http.post("/v1/sdl/diff", json={"before": "version: 1.0", "after": HELLO})

    assert (refusal.status_code, refusal.json()["code"]) == (409, "sdl-invalid")
    assert refusal.json()["issues"][0]["path"] == "before.version"


BODIES: dict[str, dict[str, Any]] = {
    "/v1/sdl": {
        "name": "web",
        "image": "nginx",
        "port": 80,
        "cpu_millis": 100,
        "memory_bytes": 2**27,
        "storage_bytes": 2**29,
        "max_price_uact_per_block": "10",
    },
    "/v1/sdl/validate": {"sdl": HELLO},
    "/v1/sdl/from-compose": {"compose": COMPOSE},
    "/v1/sdl/diff": {"before": HELLO, "after": HELLO.replace("count: 1", "count: 2")},
}


@pytest.mark.parametrize("path", BODIES)
async def test_writing_checking_and_comparing_changes_nothing(tenant: Tenant, path: str):
    body = BODIES[path]

    first, second = [(await tenant.http.post(path, json=body)).json() for _ in range(2)]

    assert first == second
    assert (await tenant.http.get("/v1/events")).json()["items"] == []
