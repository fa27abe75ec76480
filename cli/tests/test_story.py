"""The demo notices what is not as it was promised: each check is shown a mesh that breaks it."""

import stat
from typing import Any

import pytest
from mesh_cli.demo.chapters import agents, coordination, deployment, readiness
from mesh_cli.demo.stage import BrokenPromise
from mesh_shared.content import cid
from theatre import Theatre


async def test_an_admin_key_that_others_can_read_is_noticed(theatre: Theatre):
    theatre.answer("GET", "/readyz", {"checks": ["database"]})
    theatre.stage.mesh.admin_key_file.chmod(0o644)

    with pytest.raises(BrokenPromise, match="can be read by others: 644"):
        await readiness.tell(theatre.stage, 1.0)


async def test_a_session_of_somebody_else_is_noticed(theatre: Theatre):
    theatre.answer("GET", "/readyz", {"checks": ["database"]})
    theatre.answer("POST", "/v1/sessions", {"token": "t", "expires_at": 2**40, "subject": "eve"})

    with pytest.raises(BrokenPromise, match="somebody else"):
        await readiness.tell(theatre.stage, 1.0)


async def test_the_mesh_s_own_keys_are_files_of_ours_alone(theatre: Theatre):
    mode = stat.S_IMODE(theatre.stage.mesh.admin_key_file.stat().st_mode)

    assert mode == readiness.OWNER_ONLY


async def test_readiness_is_asked_of_all_five(theatre: Theatre):
    theatre.answer("GET", "/readyz", {"checks": ["database", "redis"]})

    await readiness.tell(theatre.stage, 2.5)

    assert theatre.stage.figures["ready"]["services"] == 5
    assert theatre.stage.figures["ready"]["boot_s"] == 2.5
    assert theatre.told.count("with database, redis") == 5


def agent(name: str, reputation: float, blob: bytes = b"{}") -> dict[str, Any]:
    return {
        "name": name,
        "reputation": reputation,
        "feedbackCount": 0,
        "stakeAmount": "5",
        "metadataCid": str(cid.of(blob)),
        "toolDefinitions": [{"price": "10"}],
    }


async def test_a_discovery_that_is_not_best_first_is_noticed(theatre: Theatre):
    theatre.answer("GET", "/v1/agents", {"items": [agent("poor", 0.2), agent("good", 0.9)]})

    with pytest.raises(BrokenPromise, match="best first"):
        await agents.discover(theatre.stage)


async def test_metadata_that_is_not_what_its_cid_says_is_noticed(theatre: Theatre):
    said = agent("liar", 0.5, b'{"honest":true}')
    theatre.answer("GET", f"/v1/content/{said['metadataCid']}", b'{"honest":false}')

    with pytest.raises(BrokenPromise, match="liar is not what it says"):
        await agents._check_metadata(theatre.stage, said)


async def test_metadata_that_is_what_its_cid_says_is_let_pass(theatre: Theatre):
    said = agent("honest", 0.5, b'{"honest":true}')
    theatre.answer("GET", f"/v1/content/{said['metadataCid']}", b'{"honest":true}')

    await agents._check_metadata(theatre.stage, said)


async def test_a_task_that_was_misunderstood_is_noticed(theatre: Theatre):
    theatre.answer("POST", "/v1/plans", {"steps": [{"id": "a", "capability": "text.summarize"}]})

    with pytest.raises(BrokenPromise, match=r"read as .*text\.summarize"):
        await coordination._understand(theatre.stage)


async def test_a_plan_with_a_gap_is_noticed(theatre: Theatre):
    theatre.answer("POST", "/v1/plans", {"gaps": ["summary"], "steps": [], "price": "0", "graph": ""})

    with pytest.raises(BrokenPromise, match="Nobody can be hired for"):
        await coordination._plan(theatre.stage, {})


async def test_a_run_that_did_not_succeed_is_noticed(theatre: Theatre):
    theatre.answer("POST", "/v1/runs", {"id": "r", "status": "failed", "gaps": ["summary"], "graph": ""})

    with pytest.raises(BrokenPromise, match="The run failed"):
        await coordination._run(theatre.stage, {})


def result(tools: int, *names: str) -> dict[str, Any]:
    return {
        "result": {
            "analysis": dict.fromkeys(names),
            "tools": {"count": tools, "tools": []},
        }
    }


async def test_an_analysis_without_its_six_names_is_noticed(theatre: Theatre):
    with pytest.raises(BrokenPromise, match="ANALYZE_WORKSPACE answered"):
        coordination._results(theatre.stage, result(1, "workspaceRoot"))


async def test_a_discovery_without_a_tool_is_noticed(theatre: Theatre):
    with pytest.raises(BrokenPromise, match="no tool"):
        coordination._results(theatre.stage, result(0, *coordination.RESULT_NAMES))


async def test_an_sdl_that_is_not_valid_is_noticed(theatre: Theatre):
    theatre.answer("POST", "/v1/sdl", {"sdl": "version: 1"})
    theatre.answer("POST", "/v1/sdl/validate", {"ok": False, "issues": ["version"], "version_hash": None})

    with pytest.raises(BrokenPromise, match="not valid"):
        await deployment._describe(theatre.stage)


async def test_a_deployment_that_did_not_start_is_noticed(theatre: Theatre):
    theatre.answer(
        "POST", "/v1/deployments", {"deploymentId": "d", "status": "failed", "explanation": "No bids."}
    )

    with pytest.raises(BrokenPromise, match=r"not active: No bids\."):
        await deployment._deploy(theatre.stage, "sdl")


def bid(provider: str, price: str, rank: int | None, *, accepted: bool = True) -> dict[str, Any]:
    return {
        "provider": provider,
        "uact_per_block": price,
        "reputation": "0.9",
        "accepted": accepted,
        "rank": rank,
        "reason": "because",
    }


async def test_a_choice_that_is_not_the_cheapest_trusted_one_is_noticed(theatre: Theatre):
    bids = [bid("dear", "10.5", 1), bid("cheap", "9.5", 2)]
    theatre.answer("GET", "/v1/deployments/d/bids", {"items": bids})

    with pytest.raises(BrokenPromise, match="not the cheapest"):
        await deployment._bids(theatre.stage, {"deploymentId": "d"})


async def test_a_cheaper_bid_that_is_not_trusted_does_not_count(theatre: Theatre):
    bids = [bid("fair", "10.5", 1), bid("shady", "1", None, accepted=False)]
    theatre.answer("GET", "/v1/deployments/d/bids", {"items": bids})

    figures = await deployment._bids(theatre.stage, {"deploymentId": "d"})

    assert figures["chosen"]["provider"] == "fair"


async def test_a_price_that_is_not_known_is_said_not_to_be(theatre: Theatre):
    costs = {
        "akash_usd_month": "1.22",
        "basis": "a bid",
        "snapshot_date": "2026-11-23",
        "formula": "f",
        "percent_like_for_like": {"aws": "84.5"},
        "percent_as_delivered": {"aws": None},
    }

    deployment._costs(theatre.stage, {"costReduction": costs})

    assert "84.5 %" in theatre.told
    assert "not priced" in theatre.told
