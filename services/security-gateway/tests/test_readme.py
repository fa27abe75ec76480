"""The README tells what there is: every route, every setting, files that exist."""

import re
from pathlib import Path
from typing import Any

import pytest
from mesh_security_gateway.app import create_app
from mesh_security_gateway.settings import Settings
from mesh_shared.settings import ServiceSettings

HOME = Path(__file__).parents[1]
README = (HOME / "README.md").read_text()
OF_EVERY_SERVICE = ("/livez", "/readyz", "/metrics", "/v1/events", "/.well-known/agent-card.json", "/a2a/")


@pytest.fixture
def document(tmp_path: Path) -> dict[str, Any]:
    return create_app(Settings.model_validate({"state_dir": tmp_path})).openapi()


def test_every_route_is_told_and_no_other(document: dict[str, Any]):
    told = set(re.findall(r"`([A-Z]+) (/[^`]+)`", README.partition("## Endpoints")[2]))

    routes = {
        ("ANY" if path.startswith("/v1/proxy/") else method.upper(), path)
        for path, operations in document["paths"].items()
        for method in operations
        if not path.startswith(OF_EVERY_SERVICE) and path != "/actions"
    }
    assert told == routes


def test_every_setting_of_ours_is_told_and_no_other():
    own = {name.upper() for name in Settings.model_fields.keys() - ServiceSettings.model_fields.keys()}
    table = README.partition("## Settings")[2].partition("## Tests")[0]

    told = set(re.findall(r"^\| `([A-Z_]+)`", table, re.MULTILINE))
    assert told == own | {"STATE_DIR", "PORT"}


def test_everything_that_it_points_to_is_there():
    links = re.findall(r"\]\((?!http)([^)]+)\)", README)
    sections = {f"#{heading.lower().replace(' ', '-')}" for heading in re.findall(r"^#+ (.+)$", README, re.M)}

    assert links
    assert not [link for link in links if link not in sections and not (HOME / link).exists()]
