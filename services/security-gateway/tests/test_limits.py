"""Rates and budgets: taken before a call, given back when nothing was sent, and never overspent."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from mesh_cli import parts
from sqlalchemy import text

if TYPE_CHECKING:
    from conftest import MakeApp, Operator, Origin, Program

RARELY = {"calls": 2, "per_s": 3600}


async def call(operator: Operator, agent: dict[str, str], path: str = "/user") -> httpx.Response:
    return await operator.http.get(f"/v1/proxy/github{path}", headers=agent)


async def spent(operator: Operator) -> str:
    (grant,) = (await operator.get("/v1/grants")).json()["items"]
    return grant["budget"]["spent"]


async def test_a_rate_lets_so_many_calls_pass_and_says_when_the_next_may(operator: Operator, origin: Origin):
    await operator.connect(origin.url)
    grant = await operator.grant("agent-7", rate=RARELY)
    agent = await operator.agent("agent-7")

    answers = [await call(operator, agent) for _ in range(4)]

    assert grant["rate"] == RARELY
    assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
    assert answers[2].json()["code"] == "rate-exceeded"
    assert answers[2].headers["x-mesh-gateway-error"] == "rate_exceeded"
    assert 1700 < int(answers[2].headers["retry-after"]) <= 1800
    assert len(origin.seen) == 2


async def test_each_grant_has_a_rate_of_its_own(operator: Operator, origin: Origin):
    await operator.connect(origin.url)
    for subject in ("one", "two"):
        await operator.grant(subject, rate=RARELY)
    one, two = await operator.agent("one"), await operator.agent("two")

    codes = [(await call(operator, agent)).status_code for agent in (one, one, one, two)]

    assert codes == [200, 200, 429, 200]


async def test_without_redis_a_tenth_of_the_rate_passes(
    make_app: MakeApp, operate: Callable[..., Any], origin: Origin, tmp_path: Path
):
    port = parts.free_port()
    redis = parts.redis(port, tmp_path)
    async with operate(make_app(redis_url=f"redis://127.0.0.1:{port}/0")) as operator:
        await operator.connect(origin.url)
        await operator.grant("agent-7", rate={"calls": 20, "per_s": 3600})
        agent = await operator.agent("agent-7")
        redis.stop()

        codes = Counter([(await call(operator, agent)).status_code for _ in range(6)])

    assert codes == {200: 2, 429: 4}


async def test_a_budget_ends_and_says_what_is_spent(operator_everywhere: Operator, origin: Origin):
    operator = operator_everywhere
    await operator.connect(origin.url)
    given = await operator.grant("agent-7", budget={"units": "1000", "per_call": "400"})
    agent = await operator.agent("agent-7")

    answers = [await call(operator, agent) for _ in range(3)]

    assert given["budget"] == {"units": "1000", "per_call": "400", "spent": "0"}
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json()["code"] == "budget-spent"
    assert answers[2].headers["retry-after"]
    assert await spent(operator) == "800"
    assert len(origin.seen) == 2


async def test_a_hundred_calls_at_once_spend_no_more_than_there_is(
    operator_everywhere: Operator, origin: Origin
):
    operator = operator_everywhere
    await operator.connect(origin.url)
    await operator.grant("agent-7", budget={"units": "30"})
    agent = await operator.agent("agent-7")

    answers = await asyncio.gather(*(call(operator, agent) for _ in range(100)))

    assert Counter(answer.status_code for answer in answers) == {200: 30, 429: 70}
    assert len(origin.seen) == 30
    assert await spent(operator) == "30"


async def test_what_was_never_sent_costs_nothing(operator: Operator, origin: Origin):
    await operator.connect("http://127.0.0.1:9", allow_private=True)
    await operator.grant("agent-7", budget={"units": "2"})
    agent = await operator.agent("agent-7")

    fields = {name.encode(): value.encode() for name, value in agent.items()}
    fields[b"Accept"] = "caf\xe9".encode("latin-1")
    refused = await operator.http.get("/v1/proxy/github/user", headers=fields)
    after_refusal = await spent(operator)
    unreachable = await call(operator, agent)

    assert (refused.status_code, after_refusal) == (400, "0")
    assert unreachable.status_code == 502
    assert await spent(operator) == "1", "it may have arrived, as far as the gateway can tell"


async def test_what_may_have_arrived_costs_what_it_takes(operator_live: Operator, origin: Origin):
    operator, origin.hold = operator_live, asyncio.Event()
    await operator.connect(origin.url)
    await operator.grant("agent-7", budget={"units": "5"})
    agent = await operator.agent("agent-7")

    assert (await call(operator, agent)).status_code == 504
    _, writer = await asyncio.open_connection("127.0.0.1", operator.http.base_url.port)
    fields = "".join(f"{name}: {value}\r\n" for name, value in agent.items())
    head = f"POST /v1/proxy/github/user HTTP/1.1\r\nhost: g\r\ncontent-length: 9\r\n{fields}\r\nhalf"
    writer.write(head.encode())
    async with asyncio.timeout(60):
        while origin.connections < 2:
            await asyncio.sleep(0.01)
        writer.close()
        while (await operator.read("/v1/audit", agent="agent-7"))["items"][0]["code"] != "interrupted":
            await asyncio.sleep(0.01)

    assert await spent(operator) == "2"


async def test_a_call_whose_intent_cannot_be_written_costs_nothing_and_is_not_sent(
    operator: Operator, origin: Origin
):
    await operator.connect(origin.url)
    await operator.grant("agent-7", budget={"units": "2"})
    agent = await operator.agent("agent-7")
    await call(operator, agent)
    database = operator.app.state.platform.database
    async with database.write() as session:
        await session.execute(text("DELETE FROM audit_head"))

    refused = await call(operator, agent)

    assert (refused.status_code, refused.json()["code"]) == (503, "audit-unavailable")
    assert len(origin.seen) == 1
    async with database.read() as session:
        assert await session.scalar(text("SELECT spent FROM grants")) == 1


async def test_a_refusal_is_on_record_with_its_grant(operator: Operator, origin: Origin):
    await operator.connect(origin.url)
    grant = await operator.grant("agent-7", rate={"calls": 1, "per_s": 3600})
    agent = await operator.agent("agent-7")
    await call(operator, agent)
    await call(operator, agent)

    newest = (await operator.get("/v1/audit", agent="agent-7")).json()["items"][0]

    assert (newest["phase"], newest["decision"], newest["code"]) == ("intent", "deny", "rate-exceeded")
    assert newest["grant"] == grant["id"]


async def test_killed_at_any_moment_no_budget_is_overspent(program: Program, origin: Origin):
    operator = await program.start()
    await operator.connect(origin.url, "sk-0123456789")
    await operator.grant("agent-7", budget={"units": "60"})
    agent = await operator.agent("agent-7")

    async def ask() -> None:
        with suppress(httpx.TransportError):  # it was killed
            while (await call(operator, agent)).status_code == 200:
                pass

    async with asyncio.timeout(60), asyncio.TaskGroup() as workers:
        for _ in range(8):
            workers.create_task(ask())
        while len(origin.seen) < 25:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(program.stop, signal.SIGKILL)
    sent = len(origin.seen)
    operator = await program.start()
    reserved = int(await spent(operator))
    async with asyncio.timeout(60), asyncio.TaskGroup() as workers:
        for _ in range(8):
            workers.create_task(ask())

    assert 25 <= sent <= reserved < 60
    assert await spent(operator) == "60"
    assert 60 - 8 <= len(origin.seen) <= 60


@pytest.mark.parametrize(
    "fault",
    [
        {"rate": {"calls": 0, "per_s": 1}},
        {"rate": {"calls": 1}},
        {"rate": {"calls": 1, "per_s": 10**9}},
        {"budget": {"units": "-1"}},
        {"budget": {"units": 5}},
        {"budget": {"units": "9" * 19}},
        {"budget": {"units": "1", "per_call": "0.5"}},
        {"budget": {"units": "1", "per_call": "0"}},
    ],
)
async def test_limits_outside_the_schema_are_refused(operator: Operator, fault: dict[str, Any]):
    body = {"subject": "agent-7", "connection": "github", "methods": ["GET"], "paths": ["/**"]}

    assert (await operator.post("/v1/grants", body | fault)).status_code == 422
