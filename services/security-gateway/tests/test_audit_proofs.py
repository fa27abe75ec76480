"""The record is proved to others: exported, checkpointed, with paths of hashes; and a call is explained."""

from __future__ import annotations

import asyncio
import base64
import io
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import orjson
import pytest
from mesh_cli.audit import NotProved, verify
from mesh_security_gateway.domain.explanation import explain
from mesh_security_gateway.service.checkpoints import Checkpoints
from sqlalchemy import text

if TYPE_CHECKING:
    from conftest import MakeApp, Operator, Origin

MANY = 700


async def test_an_export_holds_for_who_has_nothing_but_the_key(recorded: Operator):
    before, known = await recorded.checkpoint(), await recorded.audit_key()

    export = await recorded.get("/v1/audit/export")

    assert export.headers["content-type"] == "application/jsonl"
    found = verify(io.BytesIO(export.content), known, [before])
    assert found.size == len(export.content.splitlines()) - 1 >= MANY
    assert orjson.loads(export.content.splitlines()[-2])["sequence"] == found.size


async def test_an_export_of_a_record_that_was_touched_does_not_hold(recorded: Operator):
    known = await recorded.audit_key()
    async with recorded.app.state.platform.database.write() as session:
        await session.execute(text("DELETE FROM audit_entries WHERE sequence = 300"))

    export = await recorded.get("/v1/audit/export")

    with pytest.raises(NotProved):
        verify(io.BytesIO(export.content), known)


async def test_a_checkpoint_stays_and_only_where_something_is_new(operator_everywhere: Operator):
    operator = operator_everywhere
    turn = Checkpoints(trail=operator.app.state.service.trail, every_s=0).turn
    known = await operator.audit_key()

    await turn()
    await turn()
    await operator.connect("https://api.github.com", allow_private=False)
    await turn()

    page = await operator.read("/v1/audit/checkpoints", limit=1)
    older = await operator.read("/v1/audit/checkpoints", limit=5, cursor=page["next_cursor"])
    sizes = [known.opened(kept["note"]).size for kept in page["items"] + older["items"]]
    assert sizes == sorted({kept["size"] for kept in page["items"] + older["items"]}, reverse=True)
    assert len(sizes) == 2


async def test_the_key_of_the_record_survives_a_restart(make_app: MakeApp, operate: Any):
    async with operate(make_app()) as first:
        before = (await first.audit_key(), await first.checkpoint())
    async with operate(make_app()) as second:
        export = await second.get("/v1/audit/export")

    assert verify(io.BytesIO(export.content), before[0], [before[1]]).size >= before[1].size


async def test_calls_at_once_are_one_record_in_order(operator_everywhere: Operator, origin: Origin):
    operator = operator_everywhere
    await operator.connect(origin.url)
    await operator.grant("agent-7")
    agent = await operator.agent("agent-7")

    answers = await asyncio.gather(
        *(operator.http.get(f"/v1/proxy/github/{n}", headers=agent) for n in range(40))
    )
    export = await operator.get("/v1/audit/export")

    assert {answer.status_code for answer in answers} == {200}
    entries = [orjson.loads(line) for line in export.content.splitlines()[:-1]]
    calls = [entry for entry in entries if entry["agent"] == "agent-7"]
    intents = {entry["id"]: entry for entry in calls if entry["phase"] == "intent"}
    outcomes = [entry for entry in calls if entry["phase"] == "outcome"]
    assert len(intents) == len(outcomes) == 40
    assert all(intents[outcome["intent"]]["sequence"] < outcome["sequence"] for outcome in outcomes)
    assert verify(io.BytesIO(export.content), await operator.audit_key()).size == len(entries)


async def explained(operator: Operator, index: int, **params: Any) -> dict[str, Any]:
    listed = await operator.read("/v1/audit", agent="agent-7", **params)
    return await operator.read(f"/v1/audit/{listed['items'][index]['id']}/explain")


async def test_a_call_is_explained_from_its_intent_and_from_its_outcome(
    operator_everywhere: Operator, origin: Origin
):
    operator = operator_everywhere
    await operator.connect(origin.url)
    await operator.grant("agent-7", paths=["/only-here"])
    agent = await operator.agent("agent-7")
    for path in ("/only-here", "/elsewhere"):
        await operator.http.get(f"/v1/proxy/github{path}", headers=agent)

    refused, outcome, intent = [await explained(operator, index) for index in range(3)]

    assert (refused["result"], refused["code"], refused["reached_upstream"]) == (
        "refused",
        "grant-missing",
        "no",
    )
    assert refused["because"] == "No live grant lets the caller do this with the connection."
    assert "POST /v1/grants" in refused["advice"]
    for told in (outcome, intent):
        assert (told["result"], told["reached_upstream"]) == ("answered", "yes")
    assert intent["outcome"] == outcome["entry"]
    assert outcome["outcome"] is None


async def test_a_failure_of_the_upstream_is_told_apart_from_a_refusal(operator: Operator, origin: Origin):
    await operator.connect(origin.url)
    await operator.grant("agent-7")
    agent = await operator.agent("agent-7")
    origin.answers(b"zipped", content_encoding="gzip")
    await operator.http.get("/v1/proxy/github/user", headers=agent)

    told = await explained(operator, 1)

    assert (told["result"], told["code"], told["reached_upstream"]) == (
        "failed",
        "upstream-encoding",
        "maybe",
    )
    assert "compression" in told["advice"]


async def test_an_entry_that_is_none_is_not_explained(operator: Operator):
    real = (await operator.read("/v1/audit", limit=1))["items"][0]["id"]
    guessed = ("0" if real[0] != "0" else "1") + real[1:]

    for id in (str(uuid4()), guessed):
        answer = await operator.get(f"/v1/audit/{id}/explain")
        assert (answer.status_code, answer.json()["code"]) == (404, "entry-not-found"), id


INTENT = {"phase": "intent", "decision": "allow", "code": None, "action": "proxy", "status": None}


@pytest.mark.parametrize(
    ("outcome", "result", "reached"),
    [
        (None, "unknown", "maybe"),
        ({"code": None, "status": 200}, "answered", "yes"),
        ({"code": "secret-revoked", "status": None}, "failed", "no"),
        ({"code": "upstream-broken", "status": 200}, "failed", "yes"),
        ({"code": "upstream-timeout", "status": None}, "failed", "maybe"),
    ],
)
def test_whether_a_call_reached_its_upstream_is_never_guessed(
    outcome: dict[str, Any] | None, result: str, reached: str
):
    told = explain(INTENT, outcome, {}, frozenset({"secret-revoked"}))

    assert (told.result, told.reached_upstream) == (result, reached)


async def test_only_an_auditor_reads_what_the_audit_has(operator: Operator):
    agent = await operator.agent("agent-7")

    for path in (
        "",
        "/key",
        "/checkpoint",
        "/checkpoints",
        "/export",
        f"/{uuid4()}/explain",
        "/proof/consistency?first=0",
    ):
        refused: httpx.Response = await operator.http.get(f"/v1/audit{path}", headers=agent)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden"), path


async def test_a_root_in_the_verification_is_that_of_the_checkpoint(operator: Operator):
    verdict = await operator.read("/v1/audit/verification")
    now = await operator.get("/v1/audit/checkpoint")

    assert base64.b64encode(bytes.fromhex(verdict["root"])).decode() == now.text.splitlines()[2]
