"""What the service is told at start."""

from pathlib import Path
from typing import Any

import pytest
from mesh_registry.settings import Settings
from pydantic import ValidationError


def told(**given: Any) -> Settings:
    needed: dict[str, Any] = {"state_dir": Path("/srv/registry"), "contracts_file": Path("contracts.json")}
    return Settings(**(needed | given))


def test_what_is_kept_is_kept_in_the_service_s_own_folder():
    settings = told()

    assert settings.content_dir == Path("/srv/registry/content")
    assert settings.chain_key_file == Path("/srv/registry/chain.key")
    assert settings.database_address() == "sqlite+aiosqlite:////srv/registry/registry.db"


def test_the_service_has_its_own_port():
    assert told().public_url == "http://127.0.0.1:8371"


def test_no_service_starts_without_knowing_its_contracts():
    with pytest.raises(ValidationError, match="contracts_file"):
        Settings.model_validate({"state_dir": Path()})


@pytest.mark.parametrize("url", ["http://127.0.0.1:5001", "http://kubo:5001"])
def test_kubo_is_named_by_host_and_port(url: str):
    assert told(kubo_url=url).kubo_url == url


@pytest.mark.parametrize(
    "given",
    [
        {"kubo_url": "http://kubo"},
        {"kubo_url": "https://kubo:5001"},
        {"kubo_url": "http://kubo:5001/api"},
        {"kubo_url": "http://user:pass@kubo:5001"},
        {"confirmations": 0},
        {"finality": 129},
        {"index_poll_s": 0},
        {"max_content_bytes": 1024},
        {"chain_id": 0},
    ],
    ids=str,
)
def test_a_setting_out_of_its_range_is_refused(given: dict[str, Any]):
    with pytest.raises(ValidationError, match=next(iter(given))):
        told(**given)
