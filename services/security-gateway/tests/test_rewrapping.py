"""A new key-encryption key: keys are wrapped anew at start, ciphertexts stay, and the old key may go."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mesh_security_gateway.ports import KeyFileUnfit
from mesh_security_gateway.settings import Settings
from pydantic import ValidationError
from sqlalchemy import text

if TYPE_CHECKING:
    from conftest import Operator, Origin

ROWS = text("SELECT version, kek_id, wrapped_key, ciphertext FROM secret_versions ORDER BY version")
TOKENS = text("SELECT kek_id FROM tokens")
SECRETS = ("sk-the-first-secret", "sk-the-second-secret", "sk-the-third-secret")


@pytest.fixture
def new_kek(tmp_path: Path) -> Path:
    file = tmp_path / "new-kek"
    file.write_bytes(os.urandom(32))
    return file


async def fill(operator: Operator, origin: Origin) -> None:
    """Three versions of a secret: destroyed, in grace, active."""
    await operator.connect(origin.url, SECRETS[0])
    for secret in SECRETS[1:]:
        await operator.post("/v1/connections/github/rotate", {"secret": secret, "grace_s": 3600})
    await operator.post("/v1/connections/github/versions/1/destroy", {})
    await operator.grant("agent-7")


async def rows(operator: Operator) -> list[Any]:
    async with operator.app.state.platform.database.read() as session:
        return list((await session.execute(ROWS)).all())


async def sent(operator: Operator, origin: Origin) -> list[str]:
    """What the upstream is shown by one call."""
    before = len(origin.seen)
    await operator.http.get("/v1/proxy/github/user", headers=await operator.agent("agent-7"))
    return [value for seen in origin.seen[before:] for value in seen.values("authorization")]


async def test_a_new_key_wraps_the_keys_anew_and_the_old_one_may_go(
    make_app: Any, operate: Any, database_url: str, state_dir: Path, new_kek: Path, origin: Origin
):
    async with operate(make_app(database_url)) as operator:
        await fill(operator, origin)
        before = await rows(operator)
    both = {"kek_file": new_kek, "kek_also_file": state_dir / "kek"}
    async with operate(make_app(database_url, **both)) as operator:
        after = await rows(operator)
    (state_dir / "kek").unlink()
    async with operate(make_app(database_url, kek_file=new_kek)) as operator:
        shown = await sent(operator, origin)

    assert shown == [f"Bearer {SECRETS[2]}"]
    assert [row.ciphertext for row in after] == [row.ciphertext for row in before]
    assert [old.wrapped_key != new.wrapped_key for old, new in zip(before, after, strict=True)] == [
        False,
        True,
        True,
    ]
    assert len({row.kek_id for row in before[1:]} | {row.kek_id for row in after[1:]}) == 2


async def test_a_fetched_token_goes_with_its_secret(
    make_app: Any, operate: Any, state_dir: Path, new_kek: Path, origin: Origin
):
    origin.answers(b'{"access_token": "t0ken-of-the-first-hour", "expires_in": 3600}')
    injector = {"kind": "client-credentials", "token_url": f"{origin.url}/token"}
    async with operate(make_app()) as operator:
        await operator.connect(origin.url, "app:cl13nt-s3cret", injector=injector)
        await operator.grant("agent-7")
        await sent(operator, origin)
    both = {"kek_file": new_kek, "kek_also_file": state_dir / "kek"}

    async with operate(make_app(**both)):
        pass
    async with operate(make_app(kek_file=new_kek)) as operator:
        shown = await sent(operator, origin)

    assert shown == ["Bearer t0ken-of-the-first-hour"]
    assert [seen.target for seen in origin.seen].count("/token") == 1


async def test_a_replica_opens_what_the_next_key_has_wrapped_already(
    make_app: Any, operate: Any, postgres_url: str, state_dir: Path, new_kek: Path, origin: Origin
):
    old, new = state_dir / "kek", new_kek
    async with operate(make_app(postgres_url)) as operator:
        await fill(operator, origin)

    async with (
        operate(make_app(postgres_url, kek_also_file=new)) as waiting,
        operate(make_app(postgres_url, kek_file=new, kek_also_file=old)) as first,
    ):
        shown = [await sent(operator, origin) for operator in (waiting, first)]

    assert shown == [[f"Bearer {SECRETS[2]}"]] * 2


async def test_a_key_that_opens_nothing_is_no_start_and_changes_nothing(
    make_app: Any, operate: Any, state_dir: Path, new_kek: Path, origin: Origin
):
    async with operate(make_app()) as operator:
        await fill(operator, origin)

    with pytest.raises(KeyFileUnfit):
        async with operate(make_app(kek_file=new_kek)):
            pass
    async with operate(make_app()) as operator:
        shown = await sent(operator, origin)

    assert shown == [f"Bearer {SECRETS[2]}"]


@pytest.mark.parametrize("content", [None, b"short"])
def test_another_key_that_is_named_and_cannot_be_used_is_refused(tmp_path: Path, content: bytes | None):
    file = tmp_path / "other"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(ValidationError, match="key-encryption key"):
        Settings.model_validate({"state_dir": tmp_path, "kek_also_file": file})
