"""The demo notices what is not as it was promised: each check is shown a mesh that breaks it."""

import base64
import io
import json
import stat
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from mesh_cli import parts
from mesh_cli.demo.chapters import agents, coordination, deployment, money, readiness, secretless
from mesh_cli.demo.chapters.money import Ledger
from mesh_cli.demo.stage import BrokenPromise, Stage
from mesh_cli.demo.story import recipes
from mesh_cli.embedded import EmbeddedMesh, Ports
from mesh_shared import http
from mesh_shared.auth.session import Sessions
from mesh_shared.chain.deployment import Deployment
from mesh_shared.chain.rpc import Rpc
from mesh_shared.content import cid
from mesh_shared.testing import served
from rich.console import Console

SECRET = "sk-7f3a9c21d4e8b605-Ob/2+x"
Answers = dict[tuple[str, str], Any]


@dataclass(slots=True)
class OneServer(EmbeddedMesh):
    """A mesh whose services are all at one address."""

    address: str = ""

    def url(self, service: str) -> str:
        return self.address


@dataclass
class Theatre:
    """A stage, and what the services answer on it."""

    stage: Stage
    answers: Answers
    asked: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def answer(self, method: str, path: str, body: Any) -> None:
        self.answers[method, path] = body

    @property
    def told(self) -> str:
        return self.stage.console.export_text(clear=False)


@pytest.fixture
async def theatre(tmp_path: Path) -> AsyncIterator[Theatre]:
    answers: Answers = {("POST", "/v1/sessions"): {"token": "t", "expires_at": 2**40, "subject": "admin"}}
    asked: list[tuple[str, str]] = []
    app = FastAPI()

    @app.api_route("/{path:path}", methods=["GET", "POST"])
    async def answer(request: Request) -> Response:
        asked.append((request.method, request.url.path))
        body = answers.get(asked[-1])
        if body is None:
            return JSONResponse({"code": "not-found", "detail": "Nothing is here."}, 404)
        return Response(body) if isinstance(body, bytes) else JSONResponse(body)

    async with served(app) as url, http.client() as client:
        mesh = OneServer(tmp_path, Ports(), address=url)
        key_file = mesh.admin_key_file
        key_file.parent.mkdir()
        key_file.write_text("mesh_key")
        key_file.chmod(0o600)
        contracts = Deployment(chain_id=parts.CHAIN_ID, block=0, contracts={})
        console = Console(record=True, width=200, file=io.StringIO())
        rpc = Rpc("http://127.0.0.1:9", parts.CHAIN_ID)
        stage = Stage(mesh, console, client, Sessions(client, url, key_file), rpc, contracts)
        yield Theatre(stage, answers, asked)
        await rpc.close()


def agent(name: str, reputation: float, blob: bytes = b"{}") -> dict[str, Any]:
    return {
        "name": name,
        "reputation": reputation,
        "feedbackCount": 0,
        "stakeAmount": "5",
        "metadataCid": str(cid.of(blob)),
        "toolDefinitions": [{"price": "10"}],
    }


async def test_a_refusal_ends_the_story_with_what_the_service_said(theatre: Theatre):
    with pytest.raises(BrokenPromise, match=r"GET /v1/nothing of registry answered 404: .*Nothing is here"):
        await theatre.stage.ask("GET", "registry", "/v1/nothing")


async def test_what_never_happens_is_not_waited_for_for_ever(theatre: Theatre):
    theatre.stage.patience_s = 0.1

    async def never() -> None:
        return None

    with pytest.raises(BrokenPromise, match=r"Waited 0\.1 s in vain: the sun rises"):
        await theatre.stage.until("the sun rises", never)


async def test_chapters_are_numbered_and_what_was_kept_is_marked(theatre: Theatre):
    theatre.stage.chapter("one", "First things")
    theatre.stage.say("the first promise", 12.3)
    theatre.stage.chapter("two", "Second things")

    assert "1. First things" in theatre.told
    assert "ok the first promise (12 ms)" in theatre.told
    assert "2. Second things" in theatre.told


async def test_what_is_shown_is_shown_as_it_is(theatre: Theatre):
    theatre.stage.show("[bold]not markup[/bold]\n  | second line")

    assert "      [bold]not markup[/bold]\n        | second line" in theatre.told


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


async def test_readiness_is_asked_of_all_five(theatre: Theatre):
    theatre.answer("GET", "/readyz", {"checks": ["database", "redis"]})

    await readiness.tell(theatre.stage, 2.5)

    assert theatre.stage.figures["ready"]["services"] == 5
    assert theatre.stage.figures["ready"]["boot_s"] == 2.5
    assert theatre.told.count("with database, redis") == 5


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


def attempt(score: float, outcome: str, price: int = 10) -> dict[str, Any]:
    return {
        "agent": "ada",
        "action": "SUMMARIZE",
        "price": str(price),
        "outcome": outcome,
        "escrow_id": "0x" + "ab" * 32,
        "quality": {"score": score},
    }


@pytest.mark.parametrize(
    ("score", "state", "is_kept"),
    [
        (0.81, "released", True),
        (0.8, "refunded", True),
        (0.8, "released", False),
        (0.81, "refunded", False),
        (1.0, "funded", False),
        (0.0, "funded", False),
    ],
)
async def test_an_escrow_must_have_become_what_its_score_demands(
    theatre: Theatre, score: float, state: str, is_kept: bool
):
    work = attempt(score, "success")
    theatre.answer("GET", f"/v1/escrows/{work['escrow_id']}", {"state": state})

    try:
        await money._settled(theatre.stage, work)
    except BrokenPromise:
        assert not is_kept
    else:
        assert is_kept


def ledger(payer: int, ada: int, escrow: int = 0, supply: int = 100) -> Ledger:
    return Ledger({"coordinator (payer)": payer, "ada": ada, "in escrow": escrow}, supply)


def test_a_ledger_is_whole_when_no_unit_is_elsewhere():
    assert ledger(60, 40).is_whole
    assert not ledger(60, 39).is_whole
    assert not ledger(60, 41).is_whole


@pytest.mark.parametrize(
    ("after", "broken"),
    [
        (ledger(90, 9), "in none of these accounts"),
        (ledger(80, 20), "spent 20 units for work worth 10"),
        (ledger(90, 0, escrow=10), "still in escrow"),
    ],
)
async def test_money_that_does_not_add_up_is_noticed(theatre: Theatre, after: Ledger, broken: str):
    with pytest.raises(BrokenPromise, match=broken):
        money._add_up(theatre.stage, ledger(100, 0), after, [attempt(0.9, "success")])


async def test_money_that_adds_up_is_shown_to_the_last_unit(theatre: Theatre):
    money._add_up(theatre.stage, ledger(100, 0), ledger(90, 10), [attempt(0.9, "success")])

    assert "+10" in theatre.told
    assert "-10" in theatre.told
    assert "100 units before and after, 10 changed hands" in theatre.told


async def test_a_second_call_that_is_not_paid_is_noticed(theatre: Theatre):
    theatre.answer("POST", "/v1/execute", {"quality": {"score": 0.2}, "economicOutcome": "refunded"})

    with pytest.raises(BrokenPromise, match="given to a poor agent again"):
        await money._single_call(theatre.stage)


SPELLINGS: dict[str, Callable[[str], bytes]] = {
    "plain": str.encode,
    "hex": lambda secret: secret.encode().hex().encode(),
    "percent": lambda secret: quote(secret, safe="").encode(),
    "basic": lambda secret: base64.b64encode(f"user:{secret}".encode()),
    "base64": lambda secret: base64.b64encode(secret.encode()),
    "inside base64": lambda secret: base64.b64encode(f"ab{secret}cd".encode()),
}


@pytest.fixture
def token_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("vault") / "token"
    path.write_text(SECRET)
    return path


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_a_secret_in_a_log_is_found_however_it_is_spelled(
    theatre: Theatre, token_file: Path, spelling: str
):
    (theatre.stage.mesh.state_dir / "service.log").write_bytes(
        b"x" * 1000 + SPELLINGS[spelling](SECRET) + b"y"
    )

    with pytest.raises(BrokenPromise, match=r"in clear in .*service\.log"):
        secretless._search(theatre.stage, SECRET, "", {}, token_file)


async def test_a_secret_that_the_agent_saw_is_found(theatre: Theatre, token_file: Path):
    with pytest.raises(BrokenPromise, match="in clear in agent"):
        secretless._search(theatre.stage, SECRET, f"Authorization: Bearer {SECRET}", {}, token_file)


async def test_a_secret_in_an_answer_is_found(theatre: Theatre, token_file: Path):
    with pytest.raises(BrokenPromise, match="in clear in answers"):
        secretless._search(theatre.stage, SECRET, "", {"echo": SECRET}, token_file)


async def test_a_search_that_finds_nothing_anywhere_is_no_proof(theatre: Theatre, token_file: Path):
    token_file.write_text("another")

    with pytest.raises(BrokenPromise, match="does not find the secret where it is"):
        secretless._search(theatre.stage, SECRET, "", {}, token_file)


async def test_a_clean_mesh_is_said_to_be_clean(theatre: Theatre, token_file: Path):
    found = secretless._search(theatre.stage, SECRET, "nothing", {"nothing": 1}, token_file)

    assert found["found"] == 0
    assert found["files"] >= 1


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


def test_the_lines_to_paste_hold_no_secret(tmp_path: Path):
    mesh = EmbeddedMesh(tmp_path, Ports())
    mesh.admin_key_file.parent.mkdir()
    mesh.admin_key_file.write_text("mesh_secret")

    lines = recipes(mesh)

    assert len(lines) == 3
    assert "mesh_secret" not in json.dumps(lines)
    assert str(mesh.admin_key_file) in lines[1]


async def test_the_mesh_s_own_keys_are_files_of_ours_alone(theatre: Theatre):
    mode = stat.S_IMODE(theatre.stage.mesh.admin_key_file.stat().st_mode)

    assert mode == readiness.OWNER_ONLY


async def test_a_session_is_opened_once_for_all_calls_to_a_service(theatre: Theatre):
    theatre.answer("GET", "/v1/agents", {"items": []})

    await theatre.stage.ask("GET", "registry", "/v1/agents")
    await theatre.stage.ask("GET", "registry", "/v1/agents")

    assert theatre.asked.count(("POST", "/v1/sessions")) == 1


async def test_an_answer_that_is_no_json_comes_as_its_bytes(theatre: Theatre):
    theatre.answer("GET", "/v1/content/x", b"\x00\xff")

    answer = await theatre.stage.ask("GET", "registry", "/v1/content/x")

    assert answer.body == b"\x00\xff"
    assert isinstance(answer.headers, httpx.Headers)
