"""The life of a secret: rotated without a lost request, revoked at the next one, destroyed for good."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mesh_security_gateway.domain.versions import State, Version
from sqlalchemy import text

if TYPE_CHECKING:
    import httpx

    from conftest import Operator, Origin, Seen

OLD, NEW = "sk-the-old-secret", "sk-the-new-secret"


@pytest.fixture
async def agent(operator_everywhere: Operator, origin: Origin) -> dict[str, str]:
    await operator_everywhere.connect(origin.url, OLD)
    await operator_everywhere.grant("agent-7")
    return await operator_everywhere.agent("agent-7")


@pytest.fixture
def operator(operator_everywhere: Operator) -> Operator:
    return operator_everywhere


def takes(origin: Origin, *secrets: str) -> None:
    """From now on the upstream knows these secrets only."""

    def answer(seen: Seen) -> list[bytes]:
        is_known = seen.values("authorization")[0].removeprefix("Bearer ") in secrets
        return seen.answer() if is_known else seen.answer(b"who?", "401 Unauthorized")

    origin.says = answer


async def rotate(operator: Operator, secret: str = NEW, **more: Any) -> None:
    response = await operator.post("/v1/connections/github/rotate", {"secret": secret} | more)
    assert response.status_code == 200, response.text


async def call(operator: Operator, agent: dict[str, str], method: str = "GET") -> httpx.Response:
    return await operator.http.request(method, "/v1/proxy/github/user", headers=agent)


async def states(operator: Operator) -> dict[int, str]:
    items = (await operator.get("/v1/connections/github/versions")).json()["items"]
    return {item["number"]: item["state"] for item in items}


async def end(operator: Operator, number: int, how: str) -> httpx.Response:
    return await operator.post(f"/v1/connections/github/versions/{number}/{how}", {})


def version(state: State, not_after: int | None = None) -> Version:
    made = datetime(2026, 1, 1, tzinfo=UTC)
    return Version(number=1, state=state, fingerprint="f", created_at=made, not_after=not_after)


def test_grace_ends_by_itself():
    assert version("grace", 100).at(99.9) == "grace"
    assert version("grace", 100).at(100) == "revoked"
    assert [version("grace", 100).is_live(now) for now in (99, 100)] == [True, False]
    assert version("active").is_live(1e12)
    assert not version("revoked").is_live(0)
    assert not version("destroyed").is_live(0)


async def test_a_rotation_while_calls_are_under_way_loses_none(
    operator: Operator, origin: Origin, agent: dict[str, str]
):
    takes(origin, OLD)
    answers: list[list[int]] = [[] for _ in range(4)]
    is_over = asyncio.Event()

    async def keep_calling(answered: list[int]) -> None:
        while not is_over.is_set():
            answered.append((await call(operator, agent)).status_code)

    async def each_calls_anew() -> None:
        seen = [len(answered) for answered in answers]
        while any(len(answered) < before + 3 for answered, before in zip(answers, seen, strict=True)):
            await asyncio.sleep(0.01)

    async with asyncio.TaskGroup() as callers:
        for answered in answers:
            callers.create_task(keep_calling(answered))
        await rotate(operator, grace_s=60)
        await each_calls_anew()
        takes(origin, OLD, NEW)  # only now does the upstream learn of it
        await each_calls_anew()
        takes(origin, NEW)
        await each_calls_anew()
        is_over.set()

    assert {status for answered in answers for status in answered} == {200}
    assert await states(operator) == {2: "active", 1: "grace"}


async def test_the_record_names_the_secret_that_the_answer_came_for(
    operator: Operator, origin: Origin, agent: dict[str, str]
):
    takes(origin, OLD)
    await rotate(operator, grace_s=60)

    await call(operator, agent)

    outcome, intent = (await operator.get("/v1/audit", agent="agent-7")).json()["items"][:2]
    assert (intent["secret_version"], outcome["secret_version"]) == (2, 1)
    assert (outcome["status"], outcome["code"]) == (200, None)


async def test_the_secret_in_grace_is_tried_for_questions_only(
    operator: Operator, origin: Origin, agent: dict[str, str]
):
    takes(origin, OLD)
    await rotate(operator, grace_s=60)

    answers = [(await call(operator, agent, method)).status_code for method in ("GET", "HEAD", "POST")]

    assert answers == [200, 200, 401]


async def test_neither_secret_comes_back_where_both_were_sent(
    operator: Operator, origin: Origin, agent: dict[str, str]
):
    await rotate(operator, grace_s=60)

    def answer(seen: Seen) -> list[bytes]:
        is_new = seen.values("authorization") == [f"Bearer {NEW}"]
        return seen.answer(b"", "401 No") if is_new else seen.answer(f"{OLD} {NEW}".encode())

    origin.says = answer
    response = await call(operator, agent)

    assert response.content == b" [***]   [***] "


async def test_without_grace_the_old_secret_is_revoked_at_once(
    operator: Operator, origin: Origin, agent: dict[str, str]
):
    takes(origin, OLD)

    await rotate(operator)

    assert (await call(operator, agent)).status_code == 401
    assert await states(operator) == {2: "active", 1: "revoked"}


async def test_one_secret_at_most_is_in_grace(operator: Operator, origin: Origin, agent: dict[str, str]):
    await rotate(operator, grace_s=60)
    await rotate(operator, "sk-a-third-secret", grace_s=60)

    assert await states(operator) == {3: "active", 2: "grace", 1: "revoked"}


async def test_grace_that_is_over_is_over_for_calls(
    operator: Operator, origin: Origin, agent: dict[str, str]
):
    takes(origin, OLD)
    await rotate(operator, grace_s=60)
    database = operator.app.state.platform.database
    async with database.write() as session:
        past = {"past": int(time.time()) - 1}
        await session.execute(text("UPDATE secret_versions SET not_after = :past WHERE version = 1"), past)

    assert (await call(operator, agent)).status_code == 401
    assert await states(operator) == {2: "active", 1: "revoked"}


async def test_a_revoked_secret_is_not_used_by_the_next_call(
    operator: Operator, origin: Origin, agent: dict[str, str]
):
    revoked = await end(operator, 1, "revoke")

    response = await call(operator, agent)

    assert (revoked.status_code, revoked.json()["state"]) == (200, "revoked")
    assert (response.status_code, response.json()["code"]) == (409, "secret-revoked")
    assert response.headers["x-mesh-gateway-error"] == "secret_revoked"
    assert origin.seen == []


async def test_the_secret_in_grace_takes_the_place_of_a_revoked_one(
    operator: Operator, origin: Origin, agent: dict[str, str]
):
    takes(origin, OLD)
    await rotate(operator, grace_s=60)
    await end(operator, 2, "revoke")

    answers = [(await call(operator, agent, method)).status_code for method in ("GET", "POST")]

    assert answers == [200, 200]
    assert len(origin.seen) == 2


async def test_a_connection_whose_secret_is_revoked_gets_a_new_one_even_the_same(
    operator: Operator, origin: Origin, agent: dict[str, str]
):
    await end(operator, 1, "revoke")

    await rotate(operator, OLD)

    assert (await call(operator, agent)).status_code == 200
    assert await states(operator) == {2: "active", 1: "revoked"}


async def test_a_destroyed_secret_has_no_ciphertext_any_more(
    operator: Operator, origin: Origin, agent: dict[str, str]
):
    database = operator.app.state.platform.database
    query = text("SELECT wrapped_key, ciphertext FROM secret_versions")

    destroyed = await end(operator, 1, "destroy")

    async with database.read() as session:
        assert (await session.execute(query)).all() == [(b"", b"")]
    assert (destroyed.status_code, destroyed.json()["state"]) == (200, "destroyed")
    assert (await call(operator, agent)).json()["code"] == "secret-revoked"


async def test_a_destroyed_secret_is_in_no_file_of_the_database(
    make_app: Any, operate: Any, origin: Origin, state_dir: Path
):
    async with operate(make_app()) as operator:
        await operator.connect(origin.url, OLD)
        async with operator.app.state.platform.database.read() as session:
            query = text("SELECT wrapped_key FROM secret_versions")
            (wrapped,) = (await session.execute(query)).scalars()
        await end(operator, 1, "destroy")
    kept = b"".join(path.read_bytes() for path in state_dir.glob("*.db*"))

    assert len(kept) > 1000
    assert wrapped not in kept


async def test_ending_a_secret_twice_is_harmless_and_on_record_once(
    operator: Operator, origin: Origin, agent: dict[str, str]
):
    answers = [(await end(operator, 1, how)).json() for how in ("revoke", "revoke", "destroy", "destroy")]
    late = await end(operator, 1, "revoke")

    assert [answer["state"] for answer in answers] == ["revoked", "revoked", "destroyed", "destroyed"]
    assert late.json()["state"] == "destroyed"
    entries = (await operator.get("/v1/audit", connection="github")).json()["items"]
    done = [entry["action"] for entry in entries if entry["action"].startswith("secret-")]
    assert done == ["secret-destroyed", "secret-revoked"]


async def test_what_is_unknown_or_foreign_is_not_found(
    operator: Operator, origin: Origin, agent: dict[str, str]
):
    other = await operator.agent("other", "gateway:connect")

    unknown = await end(operator, 9, "revoke")
    foreign = [
        await operator.http.get("/v1/connections/github/versions", headers=other),
        await operator.http.post("/v1/connections/github/versions/1/revoke", headers=other),
        await operator.http.post("/v1/connections/github/versions/1/destroy", headers=other),
    ]

    assert (unknown.status_code, unknown.json()["code"]) == (404, "secret-version-not-found")
    assert {(a.status_code, a.json()["code"]) for a in foreign} == {(404, "connection-not-found")}


async def test_rotations_that_come_at_once_take_a_number_each(operator_everywhere: Operator, origin: Origin):
    operator = operator_everywhere
    await operator.connect(origin.url)
    secrets = [f"sk-number-{n}-of-those-at-once" for n in range(5)]

    answers = await asyncio.gather(
        *(operator.post("/v1/connections/github/rotate", {"secret": secret}) for secret in secrets)
    )

    versions = (await operator.get("/v1/connections/github/versions")).json()["items"]
    assert sorted(answer.json()["version"] for answer in answers) == [2, 3, 4, 5, 6]
    assert [version["number"] for version in versions] == [6, 5, 4, 3, 2, 1]
    assert [version["state"] for version in versions] == ["active"] + ["revoked"] * 5
