from pathlib import Path
from typing import ClassVar

import pytest
from mesh_shared import platform
from mesh_shared.chain.journal import ChainTables
from mesh_shared.chain.settings import ChainServiceSettings
from mesh_shared.events.outbox import Foundation
from mesh_shared.settings import ServiceSettings
from mesh_shared.testing import Issuer, schema_differences
from mesh_shared.web.health import Checks
from mesh_shared.web.observe import Metrics
from pydantic import SecretStr, ValidationError


class Settings(ServiceSettings):
    service: ClassVar[str] = "notes"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    monkeypatch.setenv("MESH_PORT", "9001")
    monkeypatch.setenv("MESH_STATE_DIR", str(tmp_path / "state"))
    return monkeypatch


def read() -> Settings:
    return Settings()  # pyright: ignore[reportCallIssue] - the environment has the rest


def test_what_is_not_said_follows_from_what_is(environment: pytest.MonkeyPatch, tmp_path: Path):
    settings = read()

    assert settings.public_url == "http://127.0.0.1:9001"
    assert settings.database_address() == f"sqlite+aiosqlite:///{tmp_path}/state/notes.db"
    assert settings.key_file == tmp_path / "state" / "service.key"


def test_a_password_from_a_file_joins_the_database_address(environment: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "password").write_text("p@ss/word\n")
    environment.setenv("MESH_DATABASE_URL", "postgresql+asyncpg://notes@db/notes")
    environment.setenv("MESH_DATABASE_PASSWORD_FILE", str(tmp_path / "password"))

    assert read().database_address() == "postgresql+asyncpg://notes:p%40ss%2Fword@db/notes"


def test_no_secret_shows_when_settings_are_printed(environment: pytest.MonkeyPatch):
    environment.setenv("MESH_REDIS_URL", "redis://:sk-LEAK@127.0.0.1/0")

    assert "sk-LEAK" not in repr(read())


def test_the_state_folder_is_ours_alone(environment: pytest.MonkeyPatch):
    settings = read().prepare()

    assert settings.state_dir.stat().st_mode & 0o777 == 0o700


def test_a_setting_that_makes_no_sense_is_refused(environment: pytest.MonkeyPatch):
    environment.setenv("MESH_PORT", "70000")

    with pytest.raises(ValidationError):
        read()


class Ledger(ChainServiceSettings):
    service: ClassVar[str] = "ledger"


async def test_a_service_that_writes_to_the_chain_has_the_journal_s_tables(
    tmp_path: Path, redis_url: str, issuer: Issuer
):
    (tmp_path / "migrations").mkdir()
    settings = Ledger(
        port=9001,
        state_dir=tmp_path,
        redis_url=SecretStr(redis_url),
        contracts_file=tmp_path / "contracts.json",
        migrations_dir=tmp_path / "migrations",
    )

    async with platform.open_platform(settings, Checks(), Metrics("ledger"), issuer.keys) as opened:
        differences = await schema_differences(opened.database, Foundation.metadata, ChainTables.metadata)

    assert not differences
