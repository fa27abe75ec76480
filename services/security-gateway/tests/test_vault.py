from __future__ import annotations

import base64
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mesh_security_gateway.adapters.keks import LocalKek
from mesh_security_gateway.adapters.vault import EnvelopeVault
from mesh_security_gateway.domain.injectors import Header, Query
from mesh_security_gateway.domain.providers import Provider
from mesh_security_gateway.errors import SecretUnreadable
from mesh_security_gateway.ports import Sealing
from mesh_security_gateway.settings import Settings
from pydantic import ValidationError
from sqlalchemy import text

if TYPE_CHECKING:
    from conftest import Operator, Origin

PROVIDER = Provider(
    name="p",
    origin="https://api.example",
    base_path="",
    injector=Header("X-Token"),
    allow_private=False,
)
SEALING = Sealing(connection="c1", version=1, provider=PROVIDER)


@pytest.fixture
def vault() -> EnvelopeVault:
    return EnvelopeVault(LocalKek(os.urandom(32)), os.urandom(32))


async def test_what_is_sealed_opens_again_and_shows_nothing(vault: EnvelopeVault, canary: str):
    envelope = await vault.seal(canary, SEALING)

    assert await vault.open(envelope, SEALING) == canary
    assert canary.encode() not in envelope.wrapped_key + envelope.ciphertext
    assert await vault.seal(canary, SEALING) != envelope


@pytest.mark.parametrize(
    "other",
    [
        replace(SEALING, connection="c2"),
        replace(SEALING, version=2),
        replace(SEALING, use="token"),
        *(
            replace(SEALING, provider=replace(PROVIDER, **other))
            for other in (
                {"origin": "https://evil.example"},
                {"base_path": "/echo"},
                {"injector": Query("X-Token")},
                {"injector": Header("X-Echo")},
                {"allow_private": True},
            )
        ),
    ],
)
async def test_a_secret_opens_in_no_others_place(vault: EnvelopeVault, canary: str, other: Sealing):
    with pytest.raises(SecretUnreadable):
        await vault.open(await vault.seal(canary, SEALING), other)


async def test_key_and_ciphertext_of_two_secrets_do_not_mix(vault: EnvelopeVault, canary: str):
    one, two = await vault.seal(canary, SEALING), await vault.seal("sk-another-one", SEALING)

    with pytest.raises(SecretUnreadable):
        await vault.open(replace(one, ciphertext=two.ciphertext), SEALING)
    with pytest.raises(SecretUnreadable):
        await vault.open(replace(one, wrapped_key=one.ciphertext, ciphertext=one.wrapped_key), SEALING)


@pytest.mark.parametrize("damage", [b"", b"short", b"\0" * 60])
async def test_a_damaged_envelope_does_not_open(vault: EnvelopeVault, canary: str, damage: bytes):
    envelope = await vault.seal(canary, SEALING)

    for broken in (replace(envelope, wrapped_key=damage), replace(envelope, ciphertext=damage)):
        with pytest.raises(SecretUnreadable):
            await vault.open(broken, SEALING)


async def test_another_key_encryption_key_opens_nothing(vault: EnvelopeVault, canary: str):
    with pytest.raises(SecretUnreadable):
        await EnvelopeVault(LocalKek(os.urandom(32)), b"").open(await vault.seal(canary, SEALING), SEALING)


def test_a_fingerprint_names_a_secret_without_telling_it(vault: EnvelopeVault, canary: str):
    assert vault.fingerprint(canary) == vault.fingerprint(canary) != vault.fingerprint("sk-another-one")
    assert len(vault.fingerprint(canary)) == 16
    assert EnvelopeVault(LocalKek(os.urandom(32)), b"pepper").fingerprint(canary) != vault.fingerprint(canary)


SWAPS = {
    "the secrets of two connections": (
        "UPDATE secret_versions SET (wrapped_key, ciphertext) = (SELECT s.wrapped_key, s.ciphertext"
        " FROM secret_versions AS s JOIN connections AS c ON c.id = s.connection_id WHERE c.name = 'second')"
        " WHERE connection_id = (SELECT id FROM connections WHERE name = 'github')"
    ),
    "the version of a secret": "UPDATE secret_versions SET version = version + 1",
    "the providers of two connections": "UPDATE connections SET provider = 'second' WHERE name = 'github'",
    "the origin of a provider": "UPDATE providers SET origin = '{origin}/' WHERE name = 'github'",
    "the injector of a provider": 'UPDATE providers SET injector = \'{{"kind": "query", "name": "q"}}\'',
    "the path of a provider": "UPDATE providers SET base_path = '/echo' WHERE name = 'github'",
    "the policy of a provider": "UPDATE providers SET allow_private = NOT allow_private",
}


@pytest.mark.parametrize("swap", SWAPS.values(), ids=SWAPS.keys())
async def test_rows_that_were_swapped_send_nothing(operator_everywhere: Operator, origin: Origin, swap: str):
    operator = operator_everywhere
    await operator.connect(origin.url)
    await operator.connect(origin.url, "sk-of-the-second", name="second")
    agent = await operator.agent("agent-7")
    await operator.grant("agent-7")
    database = operator.app.state.platform.database
    async with database.write() as session:
        await session.execute(text(swap.format(origin=origin.url)))

    response = await operator.http.get("/v1/proxy/github/user", headers=agent)

    assert (response.status_code, response.json()["code"]) == (503, "secret-unreadable")
    assert response.headers["x-mesh-gateway-error"] == "secret_unreadable"
    assert origin.seen == []
    outcome = (await operator.get("/v1/audit", connection="github")).json()["items"][0]
    assert (outcome["phase"], outcome["code"]) == ("outcome", "secret-unreadable")


@pytest.mark.parametrize("content", [b"", b"short", base64.b64encode(b"\0" * 32), b"\0" * 33])
def test_a_key_encryption_key_of_the_wrong_size_is_refused(tmp_path: Path, content: bytes):
    (tmp_path / "kek").write_bytes(content)

    with pytest.raises(ValidationError, match="must have 32 bytes"):
        Settings.model_validate({"state_dir": tmp_path})


def test_without_a_usable_key_encryption_key_there_is_no_start_but_one_clear_line(tmp_path: Path):
    (tmp_path / "kek").mkdir()
    environment = {"MESH_STATE_DIR": str(tmp_path), "PATH": os.environ["PATH"]}

    done = subprocess.run(
        [sys.executable, "-m", "mesh_security_gateway"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 2
    expected = f"MESH_KEK_FILE: the key-encryption key {tmp_path}/kek cannot be read\n"
    assert done.stderr == expected


def test_settings_follow_from_the_state_folder(tmp_path: Path):
    settings = Settings.model_validate({"state_dir": tmp_path})

    assert (settings.port, settings.public_url) == (8374, "http://127.0.0.1:8374")
    assert settings.kek_file == tmp_path / "kek"
    assert settings.key_file == tmp_path / "keys" / "security-gateway" / "service.key"


def test_key_files_may_live_elsewhere(tmp_path: Path):
    given = {"state_dir": tmp_path / "state", "keys_dir": str(tmp_path / "keys"), "kek_file": tmp_path / "k"}
    settings = Settings.model_validate(given)

    assert settings.kek_file == tmp_path / "k"
    assert settings.key_file == tmp_path / "keys" / "security-gateway" / "service.key"
