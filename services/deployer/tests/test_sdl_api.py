"""SDL through the API: written from a config, validated with every finding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml
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
            "hint": "Akash restarts what ends.",
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


@pytest.mark.parametrize("path", ["/v1/sdl", "/v1/sdl/validate"])
async def test_writing_and_checking_changes_nothing(tenant: Tenant, path: str):
    body = tenant.config if path == "/v1/sdl" else {"sdl": HELLO}

    first, second = [(await tenant.http.post(path, json=body)).json() for _ in range(2)]

    assert first == second
    assert (await tenant.http.get("/v1/events")).json()["items"] == []
