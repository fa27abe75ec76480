"""Scores from 0.6 to 0.8 on the real chain: validators and people decide, once, whatever crashes."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import pytest_asyncio
from mesh_coordinator.domain.attempt import State
from starlette.responses import Response

if TYPE_CHECKING:
    from callers import Caller
    from fastapi import Request
    from towns import Agent, Body, Town

    from conftest import Calling

ON_CHAIN = pytest.mark.asyncio(loop_scope="module")
PRICE = 500
KEPT = {"at": "/a", "op": "exists", "weight": 7}
MISSED = {"at": "/b", "op": "exists", "weight": 3}
DECIDED = {State.RATED, State.CLOSED}


@dataclass
class Court:
    """A worker whose work is worth 0.7 to the checks, and validators with a word of their own."""

    town: Town
    name: str
    words: list[Any] = field(default_factory=list[Any])
    """Scores by validator; None is a 500."""
    heard: defaultdict[str, list[Body]] = field(default_factory=lambda: defaultdict(list))
    """What each validator was sent, by its idempotency key."""
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    async def work(self, request: Request, agent: Agent) -> Response:
        return self.town.delivered(request, agent, {"a": 1})

    async def appoint(self, word: Any, price: int = 0) -> None:
        number = len(self.words)
        self.words.append(word)

        async def review(request: Request, agent: Agent) -> Response:
            self.heard[request.headers["idempotency-key"]].append(await request.json())
            await self.may_answer.wait()
            said = self.words[number]
            return (
                Response(status_code=500)
                if said is None
                else self.town.delivered(request, agent, {"score": said})
            )

        name = f"{self.name}-validator-{number}"
        await self.town.move_in(name, review, price=price, capability=f"{self.name}-review")

    def task(self, review: Any = ..., **quality: Any) -> Body:
        asked = {"validators": {"capability": f"{self.name}-review"}} if review is ... else review
        judged = {"assertions": [KEPT, MISSED], "review": asked} | quality
        return {"task": "t", "requirements": [{"id": "a", "capability": self.name, "quality": judged}]}

    @property
    def earned_by(self) -> str:
        return self.town.agents[self.name].wallet.address


async def convene(town: Town, price: int = PRICE, **listed: Any) -> Court:
    court = Court(town, f"court-{uuid4().hex[:8]}")
    await town.move_in(court.name, court.work, price=price, capability=court.name, **listed)
    court.may_answer.set()
    return court


@pytest_asyncio.fixture(loop_scope="module")
async def court(place: tuple[Caller, Town]) -> Court:
    return await convene(place[1])


@pytest.fixture
def caller(place: tuple[Caller, Town]) -> Caller:
    return place[0]


async def judged(caller: Caller, body: Body) -> Body:
    """The run's one attempt when all is over."""
    run = await caller.run(body, uuid4().hex)
    return run["steps"][0]["attempts"][0]


async def asked(caller: Caller, body: Body, key: str = "") -> tuple[Body, Body]:
    """The run, and its attempt once a person is asked about it."""
    run = await caller.start(body, key or uuid4().hex)
    return run, await caller.attempt_when(run["id"], lambda attempt: attempt["state"] == "awaiting")


async def decide(caller: Caller, run: Body, attempt: Body, decision: str) -> Any:
    path = f"/v1/runs/{run['id']}/approvals/{attempt['approval']['id']}"
    return await caller.post(path, {"decision": decision})


async def over(caller: Caller, run: Body) -> Body:
    return (await caller.ended(run["id"]))["steps"][0]["attempts"][0]


def last_check(attempt: Body) -> tuple[str, int]:
    check = attempt["quality"]["checks"][-1]
    return check["name"], check["matched"]


@ON_CHAIN
async def test_validators_lift_work_over_the_threshold_and_it_is_paid_and_rated_by_their_median(
    caller: Caller, court: Court
):
    for word in (0.95, 0.3, 0.9):
        await court.appoint(word)

    attempt = await judged(caller, court.task())

    escrow = await caller.escrow(attempt["escrow_id"])
    assert (attempt["outcome"], attempt["quality"]["score"]) == ("success", 0.9)
    assert (escrow["state"], escrow["score"]) == ("released", 0.9)
    assert await court.town.chain.units(court.earned_by) == PRICE
    assert await court.town.chain.ratings(court.town.agents[court.name].token_id) == (1, 90)
    assert sorted(check["matched"] for check in attempt["quality"]["checks"][2:5]) == [3_000, 9_000, 9_500]


@ON_CHAIN
async def test_validators_who_find_it_poor_take_nothing_from_the_score_of_the_checks(
    caller: Caller, court: Court
):
    for word in (0.1, 0.2, 0.95):
        await court.appoint(word)

    attempt = await judged(caller, court.task())

    assert (attempt["outcome"], attempt["failure"]) == ("refunded", "poor-quality")
    assert (attempt["quality"]["score"], last_check(attempt)) == (0.7, ("validators", 2_000))
    assert await court.town.chain.ratings(court.town.agents[court.name].token_id) == (1, 70)


@ON_CHAIN
async def test_validators_are_told_what_was_asked_and_delivered_and_not_by_whom(caller: Caller, court: Court):
    await court.appoint(1)
    await court.appoint(1)

    await judged(caller, court.task())

    calls = [call for calls in court.heard.values() for call in calls]
    assert len(calls) == len(court.heard) == 2
    told = calls[0]["parameters"]
    assert set(told) == {"action", "parameters", "result", "quality"}
    assert told["result"] == {"a": 1}
    assert court.earned_by not in str(calls)


@ON_CHAIN
@pytest.mark.parametrize(
    ("quality", "outcome"),
    [
        ({"assertions": [KEPT, MISSED | {"weight": 1}]}, "success"),
        ({"assertions": [KEPT, MISSED | {"weight": 7}]}, "refunded"),
        ({"schema": {"required": ["b"]}}, "refunded"),
    ],
    ids=["good", "poor", "gate"],
)
async def test_what_the_checks_decide_nobody_is_asked_about(
    caller: Caller, court: Court, quality: Body, outcome: str
):
    await court.appoint(0.0 if outcome == "success" else 1.0)

    attempt = await judged(caller, court.task(**quality))

    assert attempt["outcome"] == outcome
    assert not court.heard


@ON_CHAIN
@pytest.mark.parametrize(("decision", "outcome"), [("approve", "success"), ("deny", "refunded")])
async def test_without_a_quorum_a_person_is_asked_and_their_word_moves_the_money(
    caller: Caller, court: Court, decision: str, outcome: str
):
    await court.appoint(None)
    await court.appoint(1)
    review = {"validators": {"capability": f"{court.name}-review", "count": 2}, "person": True}

    run, attempt = await asked(caller, court.task(review))
    before = await court.town.chain.units(court.earned_by)
    answer = await decide(caller, run, attempt, decision)
    ended = await over(caller, run)
    other = await decide(caller, run, attempt, "deny" if decision == "approve" else "approve")

    assert (before, answer.status_code, answer.json()["attempt"]) == (0, 200, 1)
    assert (answer.json()["price"], answer.json()["by"]) == (str(PRICE), "tester")
    assert (ended["outcome"], last_check(ended)[0]) == (outcome, "person")
    assert [check["detail"] for check in ended["quality"]["checks"][2:4]].count("bad-status") == 1
    assert await court.town.chain.units(court.earned_by) == (PRICE if outcome == "success" else 0)
    assert (other.status_code, other.json()["code"]) == (409, "approval-decided")


@ON_CHAIN
async def test_people_hear_of_a_result_in_question_as_a_fact_and_in_the_history(caller: Caller, court: Court):
    run, attempt = await asked(caller, court.task({"person": True}))
    await decide(caller, run, attempt, "approve")
    await over(caller, run)

    facts = await caller.facts("approval-requested")
    events = (await caller.http.get(f"/v1/runs/{run['id']}/events")).text

    (told,) = [fact["data"] for fact in facts if fact["subject"] == run["id"]]
    assert (told["attempt"], told["approval_id"]) == (1, attempt["approval"]["id"])
    assert events.index("attempt.approval_requested") < events.index("attempt.approved")


@ON_CHAIN
@pytest.mark.parametrize(("otherwise", "score"), [("release", 0.8001), ("refund", 0.7)])
async def test_when_nobody_says_anything_in_time_the_default_decides(
    caller: Caller, court: Court, otherwise: str, score: float
):
    review = {"person": True, "deadline_s": 1, "otherwise": otherwise}

    run, attempt = await asked(caller, court.task(review))
    ended = await over(caller, run)
    late = await decide(caller, run, attempt, "approve")

    assert (ended["quality"]["score"], last_check(ended)[0]) == (score, "default")
    assert (late.status_code, late.json()["code"]) == (409, "approval-expired")


@ON_CHAIN
async def test_without_a_quorum_and_a_person_the_default_decides_at_once(caller: Caller, court: Court):
    await court.appoint("0.9")
    review = {"validators": {"capability": f"{court.name}-review"}, "otherwise": "release"}

    attempt = await judged(caller, court.task(review))

    assert (attempt["outcome"], attempt["quality"]["score"]) == ("success", 0.8001)
    assert attempt["quality"]["checks"][2]["detail"] == "answer-malformed"


@ON_CHAIN
async def test_work_that_costs_nothing_is_reviewed_too(caller: Caller, place: tuple[Caller, Town]):
    court = await convene(place[1], price=0)
    await court.appoint(0.85)
    await court.appoint(0.85)

    lifted = await judged(caller, court.task())
    run, waiting = await asked(caller, court.task({"person": True}))
    await decide(caller, run, waiting, "deny")

    assert (lifted["outcome"], lifted["state"], lifted["escrow_id"]) == ("success", "closed", None)
    assert ((await over(caller, run))["failure"], waiting["failure"]) == ("poor-quality", None)


@ON_CHAIN
async def test_a_run_that_was_cancelled_still_waits_for_the_word_on_locked_money(
    caller: Caller, court: Court
):
    run, attempt = await asked(caller, court.task({"person": True}))

    await caller.post(f"/v1/runs/{run['id']}/cancel")
    answer = await decide(caller, run, attempt, "approve")

    assert answer.status_code == 200
    assert (await over(caller, run))["outcome"] == "success"


@ON_CHAIN
async def test_the_escrow_leaves_time_for_the_review(caller: Caller, court: Court):
    await court.appoint(1)
    validators = {"capability": f"{court.name}-review", "timeout_s": 7, "quorum": 1}

    attempt = await judged(caller, court.task({"validators": validators, "person": True, "deadline_s": 60}))

    escrow = await caller.escrow(attempt["escrow_id"])
    assert escrow["review_by"] - escrow["submit_by"] == 86_400 + 67


@ON_CHAIN
async def test_a_plan_names_its_validators_and_turns_down_who_wants_money(caller: Caller, court: Court):
    await court.appoint(1)
    await court.appoint(1, price=5)

    (step,) = (await caller.plan(court.task()))["steps"]

    reasons = [(one["price"], one["reason"]) for one in step["validators"]]
    assert reasons == [("0", "accepted"), ("5", "asks for more than max_price")]


@ON_CHAIN
async def test_validators_can_be_named(caller: Caller, court: Court):
    await court.appoint(1)
    await court.appoint(0)
    named = court.town.agents[f"{court.name}-validator-0"].agent_id
    validators = {"capability": f"{court.name}-review", "agents": [named], "count": 1}

    attempt = await judged(caller, court.task({"validators": validators}))

    assert attempt["outcome"] == "success"
    assert len(court.heard) == 1


@ON_CHAIN
async def test_a_quorum_of_more_than_are_asked_is_no_plan(caller: Caller, court: Court):
    validators = {"capability": f"{court.name}-review", "count": 2, "quorum": 3}

    answer = await caller.post("/v1/plans", court.task({"validators": validators}))

    assert answer.status_code == 409
    (error,) = answer.json()["errors"]
    assert error["pointer"] == "/requirements/0/quality/review/validators/quorum"


async def test_who_dies_while_validators_work_asks_them_again_under_the_same_keys(
    calling: Calling, town: Town
):
    court = await convene(town)
    await court.appoint(0.9)
    await court.appoint(0.9)
    court.may_answer.clear()
    async with calling() as caller:
        run = await caller.start(court.task())
        await caller.attempt_when(run["id"], lambda one: one["state"] == "reviewing")
        await caller.run_when(run["id"], lambda _: len(court.heard) == 2)
    court.may_answer.set()
    async with calling() as caller:
        attempt = await over(caller, run)

    assert (attempt["outcome"], attempt["state"]) == ("success", "rated")
    assert [len(calls) for calls in court.heard.values()] == [2, 2]
    assert await town.chain.units(court.earned_by) == PRICE


async def test_a_question_survives_its_coordinator(calling: Calling, town: Town):
    court = await convene(town)
    async with calling() as caller:
        run, attempt = await asked(caller, court.task({"person": True}))
    async with calling() as caller:
        await decide(caller, run, attempt, "approve")
        ended = await over(caller, run)

    assert (ended["outcome"], ended["approval"]["state"]) == ("success", "approved")
    assert await town.chain.units(court.earned_by) == PRICE
