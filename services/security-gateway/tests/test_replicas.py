"""Two gateways on one database and one set of keys are one gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from mesh_security_gateway.ports import KeyFileUnfit

if TYPE_CHECKING:
    from conftest import MakeApp, Operator, Origin


@pytest.fixture
async def replicas(
    make_app: MakeApp, operate: Callable[..., Any], postgres_url: str
) -> AsyncIterator[tuple[Operator, Operator]]:
    async with operate(make_app(postgres_url)) as one, operate(make_app(postgres_url)) as two:
        yield one, two


async def test_a_session_of_one_is_a_session_of_the_other(replicas: tuple[Operator, Operator]):
    one, two = replicas

    headers = await one.session(one.admin_key)
    answer = await two.http.get("/v1/api-keys", headers=headers)

    assert answer.status_code == 200
    assert len(answer.json()["items"]) == 6


async def test_a_grant_and_its_end_hold_at_once_everywhere(
    replicas: tuple[Operator, Operator], origin: Origin
):
    one, two = replicas
    await one.connect(origin.url)
    agent = await one.agent("agent-7")

    async def status(operator: Operator) -> int:
        return (await operator.http.get("/v1/proxy/github/user", headers=agent)).status_code

    before = await status(two)
    grant = await one.grant("agent-7")
    during = await status(two)
    await one.post(f"/v1/grants/{grant['id']}/revoke", {})
    after = await status(two)

    assert (before, during, after) == (404, 200, 403)


async def test_a_secret_that_one_rotates_is_what_the_other_injects(
    replicas: tuple[Operator, Operator], origin: Origin
):
    one, two = replicas
    await one.connect(origin.url, "sk-the-first-one")
    await one.grant("agent-7")
    agent = await one.agent("agent-7")

    await one.post("/v1/connections/github/rotate", {"secret": "sk-the-second-one"})
    await two.http.get("/v1/proxy/github/user", headers=agent)

    assert [seen.values("authorization") for seen in origin.seen] == [["Bearer sk-the-second-one"]]


async def test_one_record_is_written_by_both_without_a_gap(
    replicas: tuple[Operator, Operator], origin: Origin
):
    one, two = replicas
    await one.connect(origin.url)
    await one.grant("agent-7")
    agent = await one.agent("agent-7")

    async def call(operator: Operator) -> httpx.Response:
        return await operator.http.get("/v1/proxy/github/user", headers=agent)

    answers = await asyncio.gather(*(call(operator) for operator in (one, two) * 10))
    verdict = (await two.get("/v1/audit/verification")).json()
    page = (await one.get("/v1/audit", agent="agent-7", limit=100)).json()

    assert {answer.status_code for answer in answers} == {200}
    assert (verdict["valid"], verdict["broken"]) == (True, None)
    assert len(page["items"]) == 40


async def test_a_rotation_loses_no_call(replicas: tuple[Operator, Operator], origin: Origin):
    one, two = replicas
    await one.connect(origin.url, "sk-number-00")
    await one.grant("agent-7")
    agent = await one.agent("agent-7")
    statuses, done = list[int](), asyncio.Event()

    async def call() -> None:
        while not done.is_set():
            statuses.append((await two.http.get("/v1/proxy/github/user", headers=agent)).status_code)

    callers = [asyncio.create_task(call()) for _ in range(3)]
    for n in range(1, 6):
        await one.post("/v1/connections/github/rotate", {"secret": f"sk-number-{n:02}"})
    done.set()
    await asyncio.gather(*callers)
    await two.http.get("/v1/proxy/github/user", headers=agent)

    assert set(statuses) == {200}
    used = [seen.values("authorization")[0] for seen in origin.seen]
    assert set(used) <= {f"Bearer sk-number-{n:02}" for n in range(6)}
    assert used[-1] == "Bearer sk-number-05"


async def test_a_key_encryption_key_that_is_gone_is_not_made_anew_over_secrets(
    make_app: MakeApp, operate: Callable[..., Any], database_url: str, state_dir: Path
):
    async with operate(make_app(database_url)) as operator:
        await operator.connect("https://api.example", allow_private=False)
    kept = (state_dir / "kek").read_bytes()
    (state_dir / "kek").unlink()

    with pytest.raises(KeyFileUnfit, match="kek is gone"):
        async with operate(make_app(database_url)):
            pytest.fail("it started")
    assert not (state_dir / "kek").exists()

    (state_dir / "kek").write_bytes(kept)
    async with operate(make_app(database_url)) as operator:
        assert (await operator.get("/readyz")).status_code == 200


async def test_without_secrets_a_lost_key_encryption_key_loses_nothing(
    make_app: MakeApp, operate: Callable[..., Any], state_dir: Path
):
    async with operate(make_app()):
        (state_dir / "kek").unlink()

    async with operate(make_app()) as operator:
        assert (await operator.get("/readyz")).status_code == 200
        assert len((state_dir / "kek").read_bytes()) == 32
