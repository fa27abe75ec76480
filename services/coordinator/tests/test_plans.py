"""Plans over HTTP: what a run would do, shown before anything is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from mesh_coordinator.domain.plan import PlannedStep
from mesh_coordinator.domain.requirements import Requirement
from mesh_coordinator.domain.selection import Listing, Tool
from mesh_coordinator.schemas.plans import PlannedStepView
from mesh_coordinator.schemas.requests import RequirementBody
from mesh_coordinator.service.planning import Planner, Task

if TYPE_CHECKING:
    from callers import Caller
    from chains import Chain
    from towns import Town

STEP = {"id": "summary", "capability": "text.summarize", "parameters": {"text": "A. B."}}


async def refused(caller: Caller, body: Any, code: str) -> dict[str, Any]:
    answer = await caller.post("/v1/plans", body)
    assert (answer.status_code, answer.json()["code"]) == (409, code), answer.text
    return answer.json()


async def test_a_task_in_words_becomes_a_plan_that_names_the_rules(caller: Caller, town: Town):
    plan = await caller.plan({"task": "Analyze the shop workspace and find tools for text.summarize."})

    assert [(step["id"], step["rule"], step["parameters"]) for step in plan["steps"]] == [
        ("workspace-analysis", "workspace-analysis", {"workspace": "shop"}),
        ("tool-discovery", "tool-discovery", {"capability": "text.summarize"}),
    ]
    assert plan["gaps"] == ["workspace-analysis", "tool-discovery"]


async def test_a_plan_lists_every_candidate_with_its_score_and_reason(caller: Caller, town: Town):
    await town.hire_sample("careful", reputation=0.8)
    await town.hire_sample("quick", reputation=0.4)
    await town.hire_sample("sloppy", reputation=0.9)

    plan = await caller.plan({"task": "t", "requirements": [STEP | {"max_price": "30000"}]})

    (step,) = plan["steps"]
    assert [(c["name"], c["is_accepted"], c["reason"]) for c in step["candidates"]] == [
        ("sloppy", True, "accepted"),
        ("quick", True, "accepted"),
        ("careful", False, "asks for more than max_price"),
    ]
    assert step["candidates"][0]["score"] == pytest.approx(0.5 * 0.9 - 0.3 * 10_000 / 30_000)
    assert (step["agent"], step["price"], plan["price"]) == ("sloppy", "10000", "10000")


async def test_a_plan_shows_what_runs_at_the_same_time(caller: Caller, town: Town):
    await town.hire_sample("careful")
    keywords = {"id": "keywords", "capability": "text.keywords", "parameters": {"text": "A."}}
    report = {
        "id": "report",
        "capability": "text.report",
        "needs": ["summary", "keywords"],
        "parameters": {"title": "T", "sections": {"s": {"$ref": "#/steps/summary/result/summary"}}},
    }

    plan = await caller.plan({"task": "t", "requirements": [STEP, keywords, report]})

    assert plan["waves"] == [["summary", "keywords"], ["report"]]
    assert plan["graph"].splitlines()[2].startswith("wave 2   '-'-o  report")
    assert plan["price"] == "120000"


async def test_planning_starts_nothing_keeps_nothing_and_spends_nothing(
    caller: Caller, town: Town, chain: Chain, payer: str
):
    await town.hire_sample("careful")

    await caller.plan({"task": "t", "requirements": [STEP]})

    assert (await caller.http.get("/v1/runs")).json()["items"] == []
    assert await caller.facts() == []
    assert await chain.units(payer) == 1_000_000


async def test_an_agent_that_does_not_stand_on_the_chain_yet_is_turned_down(caller: Caller, town: Town):
    await town.hire_sample("careful")
    listing = town.listings[town.agents["careful"].agent_id]
    listing |= {"tokenId": None, "status": "pending"}

    plan = await caller.plan({"task": "t", "requirements": [STEP]})

    (candidate,) = plan["steps"][0]["candidates"]
    assert candidate["reason"] == "its registration is not on the chain yet"


async def test_an_agent_s_calls_count_once_a_step_cares_for_its_speed(caller: Caller, town: Town):
    await town.hire_sample("careful", reputation=0.5)
    weights = {"reputation": 0, "price": 0, "latency": 1}
    asked = {"task": "t", "requirements": [STEP | {"select": {"weights": weights}}]}

    before, run, after = await caller.plan(asked), await caller.run(asked, "pace"), await caller.plan(asked)

    first, then = before["steps"][0]["candidates"][0], after["steps"][0]["candidates"][0]
    assert (run["status"], first["latency_s"], first["score"]) == ("succeeded", None, 0)
    assert then["latency_s"] > 0
    assert then["score"] == pytest.approx(-then["latency_s"] / after["steps"][0]["timeout_s"], abs=1e-6)


async def test_the_payer_does_not_hire_itself_for_money(caller: Caller, town: Town, payer: str):
    await town.hire_sample("careful")
    town.listings[town.agents["careful"].agent_id]["owner"] = payer

    plan = await caller.plan({"task": "t", "requirements": [STEP]})

    assert plan["steps"][0]["candidates"][0]["reason"] == "would be paid by itself"


async def test_a_step_says_whom_it_prefers_and_the_plan_says_so_again(caller: Caller, town: Town):
    await town.hire_sample("careful", reputation=0.8)
    await town.hire_sample("sloppy", reputation=0.3)
    weights = {"reputation": 1, "price": 0, "latency": 0}
    select = {"mode": "score", "deadline_s": 60, "min_reputation": 0.5, "weights": weights}

    plan = await caller.plan({"task": "t", "requirements": [STEP | {"select": select}]})

    (step,) = plan["steps"]
    assert [(c["name"], c["score"], c["reason"]) for c in step["candidates"]] == [
        ("careful", 0.8, "accepted"),
        ("sloppy", 0.0, "its reputation is below min_reputation"),
    ]
    assert step["select"] == select


@pytest.mark.parametrize("approval", [None, "always", {"above": "0"}, {"above": "20000"}])
@pytest.mark.parametrize("for_each", [None, {"$ref": "#/input/pages"}])
@pytest.mark.parametrize(
    "compensate", [None, {"action": "UNDO", "parameters": {"id": {"$ref": "#/steps/a/result/id"}}}]
)
def test_a_plan_says_again_when_a_step_asks_for_what_it_is_done_and_what_takes_it_back(
    approval: Any, for_each: Any, compensate: Any
):
    asked = {"approval": approval, "for_each": for_each, "compensate": compensate}
    body = RequirementBody.model_validate({"id": "a", "capability": "work", **asked})

    view = PlannedStepView.of(PlannedStep(requirement=body.requirement(), candidates=()))

    assert view.model_dump(mode="json", include=set(asked)) == asked


async def test_what_a_step_asks_of_a_person_is_in_the_answer(caller: Caller, town: Town):
    await town.hire_sample("careful")

    plan = await caller.plan({"task": "t", "requirements": [STEP | {"approval": {"above": "5"}}]})

    (step,) = plan["steps"]
    assert (step["approval"], step["for_each"], step["compensate"]) == ({"above": "5"}, None, None)


class Shelf:
    """A directory with one agent for every capability; it notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def offering(self, capability: str) -> list[Listing]:
        self.asked.append(capability)
        return [await self.agent("0xa")]

    async def agent(self, agent_id: str) -> Listing:
        return Listing(
            agent_id=agent_id,
            token_id=1,
            name="one",
            owner="0xo",
            endpoint="http://one.example",
            reputation=0.5,
            is_active=True,
            is_on_chain=True,
            tools=(Tool(name="WORK", capability="work", price_units=7),),
        )


async def test_what_many_steps_ask_for_is_looked_up_once():
    shelf = Shelf()
    planner = Planner(
        directory=shelf,
        own_accounts=frozenset(),
        own_endpoint="http://me.example",
        max_budget_units=10_000,
        ledger_limit_units=0,
        paces={},
    )
    steps = tuple(Requirement(id=f"s{n}", capability="work") for n in range(500))

    plan = await planner.plan(Task(text="t", requirements=steps))

    assert (plan.price_units, plan.gaps) == (500 * 7, ())
    assert shelf.asked == ["work"]


async def test_words_that_no_rule_knows_are_refused_with_what_is_known(caller: Caller):
    problem = await refused(caller, {"task": "Bake a cake."}, "no-requirement-recognised")

    assert "text.summarize" in problem["recognised"]


async def test_requirements_that_make_no_sense_are_refused_with_pointers(caller: Caller):
    broken = STEP | {
        "needs": ["summary", "nobody"],
        "parameters": {"a": [{"$ref": "#/input/none"}]},
        "quality": {
            "schema": {"properties": {"x": {"type": "strin"}}},
            "assertions": [{"at": "", "op": "matches", "value": "("}],
        },
    }

    problem = await refused(caller, {"task": "t", "requirements": [STEP, broken]}, "invalid-plan")

    assert [error["pointer"] for error in problem["errors"]] == [
        "/requirements/1/id",
        "/requirements/1/needs/1",
        "/requirements/1/parameters/a/0",
        "/requirements/1/quality/schema/properties/x/type",
        "/requirements/1/quality/assertions/0/value",
    ]
    assert {error["part"] for error in problem["errors"]} == {"body"}


async def test_a_circle_of_steps_is_refused(caller: Caller):
    one, two = STEP | {"id": "a", "needs": ["b"]}, STEP | {"id": "b", "needs": ["a"]}

    problem = await refused(caller, {"task": "t", "requirements": [one, two]}, "invalid-plan")

    assert [error["pointer"] for error in problem["errors"]] == [
        "/requirements/0/needs",
        "/requirements/1/needs",
    ]


async def test_a_budget_above_the_operator_s_limit_is_refused(caller: Caller):
    problem = await refused(
        caller, {"task": "t", "requirements": [STEP], "budget": "100000001"}, "budget-above-limit"
    )

    assert problem["limit"] == "100000000"


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"pattern": "a{100000000}"},
        {"allOf": [{"type": "object"}] * 2_000},
        {"enum": [[[[[]]]]] * 200},
    ],
    ids=["circle", "repeats", "long", "wide"],
)
async def test_no_schema_hurts_whoever_plans(caller: Caller, town: Town, schema: dict[str, Any]):
    await town.hire_sample("quick")

    answer = await caller.post(
        "/v1/plans", {"task": "t", "requirements": [STEP | {"quality": {"schema": schema}}]}
    )

    assert answer.status_code in (200, 409)
    assert (await caller.http.get("/livez")).status_code == 200


async def test_a_stranger_s_odd_listing_does_not_spoil_the_others(caller: Caller, town: Town):
    await town.hire_sample("careful")
    odd = dict(town.listings[town.agents["careful"].agent_id])
    odd |= {"agentId": "0x" + "ee" * 32, "endpoint": "javascript:alert(1)", "name": "\x1b[31m", "more": {}}
    town.listings["odd"] = odd

    plan = await caller.plan({"task": "t", "requirements": [STEP]})

    assert [c["is_accepted"] for c in plan["steps"][0]["candidates"]] == [True, False]
    assert "\x1b" not in plan["graph"]
