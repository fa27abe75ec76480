"""What a command shows of a mesh, strangers' words among it."""

import json
from decimal import Decimal

import msgspec
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from mesh_cli.remote import agents, deployments, events, runs, workspaces
from mesh_cli.remote.way import plain, show, table, tell
from mesh_client.analyzer import Affected, Analysis, Recommendation
from mesh_client.coordinator import Attempt, Budget, Candidate, Plan, PlannedStep, Quality, Run, Step
from mesh_client.deployer import Bids, Declined, Deployment
from mesh_client.registry import Agent, Tool
from mesh_client.streams import Event
from rich.console import Console

HOSTILE = "[red]x[/] \x1b[2J\x07\r\u202eend"
TERMINAL = "\x1b\x07\r\u202e"

AGENT = Agent(
    agent_id="0xab",
    did="did:mesh:x",
    owner="0x1",
    name=HOSTILE,
    description=None,
    endpoint=None,
    capabilities=["text.summarize"],
    tool_definitions=[
        Tool(name="SUM", description="d", capability="text.summarize", price=25_000),
        Tool(name="LOOK", description="d", capability="text.look", price=0),
    ],
    reputation=0.87654,
    feedback_count=3,
    stake_amount=2**200,
    metadata_cid=None,
    active=True,
    status="finalized",
)
CANDIDATE = Candidate(
    agent_id="0xab",
    name=HOSTILE,
    action="SUM",
    price=25_000,
    reputation=0.8,
    score=0.7,
    is_accepted=True,
    reason="best",
)
ATTEMPT = Attempt(
    number=1,
    agent=HOSTILE,
    action="SUM",
    price=25_000,
    state="closed",
    outcome="success",
    escrow_id="0xe5",
    quality=Quality(score=0.93),
)
RUN = Run(
    id="r",
    task="t",
    status="succeeded",
    budget=Budget(limit=50_000, reserved=0, spent=25_000),
    created_at="now",
    steps=[Step(id="sum", capability="text.summarize", status="succeeded", attempts=[ATTEMPT])],
    result={"sum": HOSTILE},
    wall_ms=41,
)


def shown(what: object, *arguments: object) -> str:
    console = Console(width=300)
    with console.capture() as captured:
        what(console, *arguments)  # type: ignore[operator]
    return captured.get()


@given(st.text())
def test_nothing_of_a_stranger_s_text_moves_the_terminal(text: str):
    assert all(character.isprintable() for character in plain(text))


@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "S"]), max_size=50))
def test_ordinary_text_is_shown_as_it_is_brackets_and_all(text: str):
    assert shown(show, text).rstrip("\n") == text.rstrip("\n")


def test_a_table_shows_markup_and_escapes_as_text():
    console = Console(width=300)
    with console.capture() as captured:
        table(console, "agent", rows=[(HOSTILE,)])
    said = captured.get()

    assert "[red]x[/]" in said
    assert not set(TERMINAL) & set(said)


def test_json_has_amounts_to_the_last_unit(capsys: pytest.CaptureFixture[str]):
    tell([AGENT])

    assert json.loads(capsys.readouterr().out)[0]["stakeAmount"] == 2**200


def test_an_agent_is_shown_with_its_prices():
    assert agents._row(AGENT) == (HOSTILE, "0.877", 3, 2**200, "SUM (25000), LOOK (free)")


def test_an_action_that_is_offered_under_two_capabilities_is_listed_once():
    again = msgspec.structs.replace(AGENT.tool_definitions[0], capability="text.shorten")
    agent = msgspec.structs.replace(AGENT, tool_definitions=[*AGENT.tool_definitions, again])

    assert agents._row(agent)[-1] == "SUM (25000), LOOK (free)"


def test_where_nobody_is_found_it_is_said_how_to_find_somebody():
    assert "`mesh agents` lists everybody" in shown(agents._show, [])


def test_a_plan_is_shown_with_every_candidate_and_what_is_missing():
    step = PlannedStep(
        id="sum",
        capability="text.summarize",
        needs=[],
        agent="a",
        action="SUM",
        price=25_000,
        candidates=[CANDIDATE],
    )
    plan = Plan(
        task="t", steps=[step], waves=[["sum"]], price=25_000, gaps=["nobody can fly"], graph="* sum\n"
    )

    said = shown(runs._show_plan, plan)

    assert "* sum" in said
    assert "best" in said
    assert "price 25000 base units" in said
    assert "missing: nobody can fly" in said
    assert "`mesh agents` lists what is offered" in said


def test_a_run_is_shown_with_who_was_paid_what_for_which_quality():
    said = shown(runs._show_run, RUN)

    assert [word in said for word in ("success", "25000", "0.93", "0xe5")] == [True] * 4
    assert "succeeded, 25000 base units, 41 ms" in said
    assert not set(TERMINAL) & set(said)


def test_an_attempt_that_is_not_settled_is_shown_by_its_step():
    waiting = Step(
        id="s",
        capability="c.d",
        status="running",
        attempts=[Attempt(number=1, agent="a", action="A", price=0, state="invoking")],
    )
    run = Run(id="r", task="t", status="running", budget=RUN.budget, created_at="now", steps=[waiting])

    assert "running" in shown(runs._show_run, run)


@pytest.mark.parametrize(
    ("attempts", "told"),
    [
        ([], "s: no-agent\n"),
        ([msgspec.structs.replace(ATTEMPT, detail="No such folder.")], "s: no-agent: No such folder.\n"),
    ],
)
def test_a_step_that_failed_is_shown_with_why(attempts: list[Attempt], told: str):
    step = Step(id="s", capability="c.d", status="failed", reason="no-agent", attempts=attempts)

    assert told in shown(runs._show_run, msgspec.structs.replace(RUN, status="failed", steps=[step]))


@pytest.mark.parametrize("parameters", ["{", "", "{'a': 1}"])
def test_parameters_have_to_be_json(parameters: str):
    with pytest.raises(typer.BadParameter, match="is no JSON"):
        runs._terms("text.summarize", parameters)


def test_a_task_in_words_names_no_requirements():
    assert runs._terms(None, "{") == {}


def test_a_deployment_is_shown_with_those_who_declined():
    deployment = Deployment(
        id="d",
        status="failed",
        provider="simulated",
        provider_reason="asked for",
        uris=["http://127.0.0.1:1"],
        explanation="Nobody bid.",
        version_hash="ab",
        deposit_uact=Decimal(5),
    )
    bids = Bids(
        explanation="", items=[], declined=[Declined(provider="p1", cause="price", reason="too cheap")]
    )

    said = shown(deployments._show, deployment, bids)

    assert "too cheap" in said
    assert "deployment d is failed. Nobody bid." in said
    assert "http://127.0.0.1:1" in said


def test_an_analysis_is_shown_with_the_way_of_each_change():
    affected = [
        Affected(project="web", reason="dependency", files=["libs/a.ts"], via=[{"target": "a"}]),
        Affected(project="all", reason="global", files=[], via=[]),
    ]
    analysis = Analysis(
        id="a",
        text="Found 2.",
        workspace_root="/w",
        total_projects=2,
        affected_projects=["all", "web"],
        affected_status="exact",
        affected_detail=affected,
        critical_path={},
        recommendations=[Recommendation(rule="r", severity="warning", title="Split it.", action="Do.")],
        cost_impact={},
        analysis_mode="static",
        warnings=["plugins were left out"],
    )

    said = shown(workspaces._show, analysis)

    assert "web > a" in said
    assert "libs/a.ts" in said
    assert "global" in said
    assert "warning: Split it." in said
    assert said.startswith("Found 2.\nnote: plugins were left out\n")


def test_an_event_is_one_line_whatever_is_in_it(capsys: pytest.CaptureFixture[str]):
    data = {"name": "a\nb", "more": {"deep": 1}}
    event = Event(id="1", source="/mesh/registry", type="t.v1", time="now", sequence=4, data=data)

    events._show(event, as_json=False)
    events._show(event, as_json=True)

    line, document = capsys.readouterr().out.splitlines()
    assert line.startswith("now /mesh/registry#4 t.v1 name=a")
    assert json.loads(document)["data"] == data
