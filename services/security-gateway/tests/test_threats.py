"""Attacks of the threat model that no other file has: what is told by the work that is done, and at the edges
of an answer. `SECURITY.md` says where every other one is.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from sqlalchemy import event

if TYPE_CHECKING:
    from conftest import Exchange, Operator, Origin


class Statements:
    """What a database is asked, as text without values."""

    def __init__(self, operator: Operator) -> None:
        self.seen = list[str]()
        engine = operator.app.state.platform.database.engine.sync_engine
        event.listen(engine, "before_cursor_execute", self._note)

    def _note(self, *given: Any) -> None:
        if " events" not in given[2] and "BEGIN" not in given[2]:  # those are the relay's, which never rests
            self.seen.append(given[2])

    def taken(self) -> list[str]:
        taken, self.seen = self.seen, []
        return taken


async def test_a_key_that_never_was_costs_the_same_work_as_one_that_was_revoked(operator: Operator):
    """Time says what work says: no answer is sooner because there is no such key."""
    body = {"subject": "agent-7", "scopes": ["gateway:proxy"]}
    revoked = (await operator.post("/v1/api-keys", body)).json()
    await operator.post(f"/v1/api-keys/{revoked['id']}/revoke", {})
    statements = Statements(operator)

    work = list[list[str]]()
    for key in (revoked["key"], revoked["key"][:-4] + "AAAA", "mesh_unknown"):
        answer = await operator.http.post("/v1/sessions", headers={"X-API-Key": key})
        assert answer.status_code == 401
        work.append(statements.taken())

    assert work[0]
    assert work[0] == work[1] == work[2]


async def test_a_foreign_connection_costs_the_same_work_as_none(operator: Operator):
    await operator.connect("https://api.github.com", allow_private=False, name="foreign")
    agent = await operator.agent("agent-7")
    await operator.http.get("/v1/proxy/foreign/user", headers=agent)  # what is kept is kept from now on
    statements = Statements(operator)

    work = list[set[str]]()
    for name in ("foreign", "unknown"):
        answer = await operator.http.get(f"/v1/proxy/{name}/user", headers=agent)
        assert (answer.status_code, answer.json()["code"]) == (404, "connection-not-found")
        work.append(set(statements.taken()))

    assert work[0] == work[1]


async def test_an_upstreams_reason_stays_there(operator_live: Operator, origin: Origin, exchange: Exchange):
    await operator_live.connect(origin.url)
    await operator_live.grant("agent-7")
    agent = await operator_live.agent("agent-7")
    origin.answers(b"ok", f"200 {operator_live.canary}")

    answer = await exchange("GET /v1/proxy/github/user", agent)

    assert (answer.status, origin.seen[0].values("authorization")) == (
        200,
        [f"Bearer {operator_live.canary}"],
    )
    assert operator_live.canary.encode() not in answer.raw


async def test_a_hint_before_the_answer_stays_there(
    operator_live: Operator, origin: Origin, exchange: Exchange
):
    await operator_live.connect(origin.url)
    await operator_live.grant("agent-7")
    agent = await operator_live.agent("agent-7")
    hint = f"HTTP/1.1 103 Early Hints\r\nlink: </{operator_live.canary}>; rel=preload\r\n\r\n".encode()
    origin.says = lambda seen: [hint, *seen.answer(b"ok")]

    answer = await exchange("GET /v1/proxy/github/user", agent)

    assert answer.status == 200
    assert answer.raw.count(b"HTTP/1.1") == 1
    assert operator_live.canary.encode() not in answer.raw


async def test_what_one_agent_may_is_never_what_another_one_may(operator: Operator, origin: Origin):
    """Reads are shared between callers who come at once; what was found is each one's own."""
    await operator.connect(origin.url)
    await operator.grant("agent-1", paths=["/one"])
    await operator.grant("agent-2", paths=["/two"])
    agents = {name: await operator.agent(name) for name in ("agent-1", "agent-2", "agent-3")}

    async def ask(name: str, path: str) -> tuple[str, str, int]:
        answer = await operator.http.get(f"/v1/proxy/github{path}", headers=agents[name])
        return name, path, answer.status_code

    asked: list[Any] = [ask(name, path) for name in agents for path in ("/one", "/two") for _ in range(5)]
    answers = set(await asyncio.gather(*asked))

    assert answers == {
        ("agent-1", "/one", 200),
        ("agent-1", "/two", 403),
        ("agent-2", "/one", 403),
        ("agent-2", "/two", 200),
        ("agent-3", "/one", 404),
        ("agent-3", "/two", 404),
    }
    assert len(origin.seen) == 10
