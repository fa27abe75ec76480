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
from mesh_shared.wire import places
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


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "0"),
        ("port", "70000"),
        ("port", "http"),
        ("events_kept", "999"),
        ("max_body_bytes", "1023"),
        ("log_level", "LOUD"),
        ("log_level", "info"),
        ("log_level", ""),
        ("database_url", ""),
        ("database_url", "notes.db"),
        ("database_url", "sqlite:///notes.db"),
        ("database_url", "postgresql://notes:sk-LEAK@db/notes"),
        ("database_url", "postgresql+asyncpg://notes:sk-LEAK@db:port/notes"),
        ("redis_url", "localhost:6379"),
        ("redis_url", "http://:sk-LEAK@localhost"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_by_its_name(
    environment: pytest.MonkeyPatch, name: str, value: str
):
    environment.setenv(f"MESH_{name.upper()}", value)

    with pytest.raises(ValidationError) as refused:
        read()

    assert places(refused.value) == [name]


@pytest.mark.parametrize(
    ("name", "value", "read_as"),
    [
        ("port", "1", 1),
        ("port", "65535", 65535),
        ("events_kept", "1000", 1000),
        ("max_body_bytes", "1024", 1024),
        ("log_level", "DEBUG", "DEBUG"),
        ("public_url", "https://notes.example", "https://notes.example"),
        ("key_file", "/run/secrets/key", Path("/run/secrets/key")),
        ("otlp_endpoint", "http://traces:4318/v1/traces", "http://traces:4318/v1/traces"),
    ],
)
def test_what_is_said_is_taken_up_to_its_bounds(
    environment: pytest.MonkeyPatch, name: str, value: str, read_as: object
):
    environment.setenv(f"MESH_{name.upper()}", value)

    assert getattr(read(), name) == read_as


def test_a_service_without_a_port_or_a_folder_does_not_start(monkeypatch: pytest.MonkeyPatch):
    for name in ("MESH_PORT", "MESH_STATE_DIR"):
        monkeypatch.delenv(name, raising=False)

    with pytest.raises(ValidationError) as refused:
        read()

    assert places(refused.value) == ["port", "state_dir"]


def test_our_address_follows_from_where_we_listen(environment: pytest.MonkeyPatch):
    environment.setenv("MESH_HOST", "10.0.0.7")

    assert read().public_url == "http://10.0.0.7:9001"


def test_settings_of_others_are_nothing_to_us(environment: pytest.MonkeyPatch):
    environment.setenv("MESH_BID_WINDOW_S", "9")
    environment.setenv("PORT", "1")

    assert read().port == 9001


def test_settings_do_not_change_while_a_service_runs(environment: pytest.MonkeyPatch):
    settings = read()

    with pytest.raises(ValidationError):
        settings.port = 1  # pyright: ignore[reportAttributeAccessIssue] - frozen


def test_a_password_file_that_is_missing_is_no_empty_password(
    environment: pytest.MonkeyPatch, tmp_path: Path
):
    environment.setenv("MESH_DATABASE_URL", "postgresql+asyncpg://notes@db/notes")
    environment.setenv("MESH_DATABASE_PASSWORD_FILE", str(tmp_path / "none"))

    with pytest.raises(FileNotFoundError):
        read().database_address()


def test_a_folder_that_is_there_is_left_as_it_is(environment: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "state").mkdir(mode=0o750)
    (tmp_path / "state" / "kept").touch()

    settings = read().prepare()

    assert settings.prepare() is settings
    assert (tmp_path / "state" / "kept").exists()


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


def test_the_key_for_the_chain_is_in_our_own_folder_unless_it_is_said_otherwise(tmp_path: Path):
    told = {"port": 9001, "state_dir": tmp_path, "contracts_file": tmp_path / "contracts.json"}

    assert Ledger.model_validate(told).chain_key_file == tmp_path / "chain.key"
    assert Ledger.model_validate(told | {"chain_key_file": "/keys/k"}).chain_key_file == Path("/keys/k")
    with pytest.raises(ValidationError) as refused:
        Ledger.model_validate(told | {"chain_id": 0})
    assert places(refused.value) == ["chain_id"]


def test_a_provider_s_key_in_the_address_of_the_chain_does_not_show(tmp_path: Path):
    told = {"port": 9001, "state_dir": tmp_path, "contracts_file": tmp_path / "contracts.json"}

    settings = Ledger.model_validate(told | {"chain_rpc_url": "https://rpc.example/v2/sk-LEAK"})

    assert "sk-LEAK" not in f"{settings!r}{settings}{settings.model_dump_json()}"
