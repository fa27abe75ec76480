"""Pushes that GitHub tells of: taken when it has signed them, once, and of repositories that were named."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from fastapi import FastAPI
from httpx import AsyncClient, Response
from hypothesis import given
from hypothesis import strategies as st
from mesh_shared.testing import running
from mesh_workspace_analyzer.domain import push
from mesh_workspace_analyzer.domain.push import NOBODY, Push, Repository, Secret
from mesh_workspace_analyzer.settings import Settings
from pydantic import ValidationError

KEY = b"It's a Secret to Everybody"
BEFORE, AFTER = "1" * 40, "2" * 40
SHOP = Repository("acme/shop", "main")
MakeApp = Callable[..., FastAPI]


def test_a_signature_is_the_one_of_github_s_own_example():
    expected = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"

    assert Secret(KEY).signed(b"Hello, World!", expected)


@given(st.binary(max_size=30), st.binary(max_size=30), st.binary(min_size=1, max_size=30))
def test_a_signature_is_of_one_body_and_one_secret(body: bytes, other: bytes, key: bytes):
    signature = signature_of(body)

    assert Secret(KEY).signed(body, signature)
    assert Secret(KEY).signed(other, signature) == (other == body)
    assert not Secret(key).signed(body, signature)


@given(st.text(max_size=80))
def test_what_is_no_signature_is_none(text: str):
    assert not Secret(KEY).signed(b"x", text)


def test_the_secret_is_not_shown():
    assert "Everybody" not in repr(Secret(KEY))


@pytest.mark.parametrize(
    ("ref", "after", "is_work"),
    [
        ("refs/heads/main", AFTER, True),
        ("refs/heads/a/b", AFTER, True),
        ("refs/heads/main", NOBODY, False),
        ("refs/tags/v1", AFTER, False),
    ],
)
def test_what_a_branch_stands_at_is_work(ref: str, after: str, is_work: bool):
    assert Push(ref, BEFORE, after, SHOP).is_work is is_work


def test_a_new_branch_is_compared_with_the_default_one():
    assert Push("refs/heads/x", BEFORE, AFTER, SHOP).base == BEFORE
    assert Push("refs/heads/x", NOBODY, AFTER, SHOP).base == "main"


def test_of_a_push_only_what_is_needed_is_read():
    body = json.dumps(told(BEFORE, AFTER) | {"pusher": {"name": "x"}, "commits": [{}]}).encode()

    assert push.read(body) == Push("refs/heads/change", BEFORE, AFTER, SHOP)


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b"{}", b'{"ref": 1}', b"[" * 5000])
def test_what_is_no_push_is_told_apart(body: bytes):
    with pytest.raises(msgspec.MsgspecError):
        push.read(body)


def test_a_secret_that_is_missing_or_short_stops_the_start(tmp_path: Path):
    (tmp_path / "short").write_text("short\n")
    for name, why in (("short", "16 bytes at least"), ("missing", "cannot be read")):
        with pytest.raises(ValidationError, match=why):
            Settings(state_dir=tmp_path, github_secret_file=tmp_path / name)


def told(before: str, after: str, **changes: Any) -> dict[str, Any]:
    repository = {"full_name": "acme/shop", "default_branch": "main"}
    return {"ref": "refs/heads/change", "before": before, "after": after, "repository": repository} | changes


def signature_of(body: bytes) -> str:
    return "sha256=" + hmac.new(KEY, body, hashlib.sha256).hexdigest()


async def deliver(
    http: AsyncClient,
    payload: object,
    *,
    id: UUID | None = None,
    event: str = "push",
    signature: str | None = None,
    media_type: str = "application/json",
) -> Response:
    body = json.dumps(payload).encode()
    headers = {
        "Content-Type": media_type,
        "X-GitHub-Delivery": str(id or uuid4()),
        "X-GitHub-Event": event,
        "X-Hub-Signature-256": signature or signature_of(body),
    }
    return await http.post("/v1/webhooks/github", content=body, headers=headers)


@pytest.fixture
async def github(make_app: MakeApp, tmp_path: Path, caller: dict[str, str]) -> AsyncIterator[AsyncClient]:
    """The service as GitHub sees it, which has no token."""
    (tmp_path / "secret").write_bytes(KEY + b"\n")
    app = make_app(github_secret_file=tmp_path / "secret", github_workspaces={"acme/shop": "storefront"})
    async with running(app) as http:
        yield http


async def test_a_push_is_analysed_once_however_often_it_is_delivered(
    github: AsyncClient, caller: dict[str, str], storefront: Path, git: Callable[..., str]
):
    before, after = (git(storefront, "rev-parse", name) for name in ("main", "change"))
    payload, id = told(before, after), uuid4()

    first, again = [await deliver(github, payload, id=id) for _ in range(2)]
    new_branch = await deliver(github, told(NOBODY, after))
    analysis, other = [await analysis_of(github, answer, caller) for answer in (first, new_branch)]
    events = (await github.get("/v1/events", headers=caller)).json()["items"]

    assert (first.status_code, first.json()["text"]) == (202, "The analysis is queued.")
    assert (analysis["base"]["ref"], analysis["head"]["ref"]) == (before, after)
    assert (analysis["affectedStatus"], len(analysis["affectedProjects"])) == ("exact", 6)
    assert again.json()["job_id"] == first.json()["job_id"] == analysis["id"]
    assert (other["base"]["ref"], other["affectedProjects"]) == ("main", analysis["affectedProjects"])
    assert {event["data"]["analysis_id"] for event in events} <= {analysis["id"], other["id"]}


async def analysis_of(http: AsyncClient, answer: Response, caller: dict[str, str]) -> dict[str, Any]:
    job = await ended(http, answer, caller)
    assert job["status"] == "succeeded", job
    return (await http.get(f"/v1/analyses/{job['analysis_id']}", headers=caller)).json()


async def ended(http: AsyncClient, answer: Response, caller: dict[str, str]) -> dict[str, Any]:
    """The job of a delivery when it has ended."""
    async with asyncio.timeout(20):
        while True:
            job = (await http.get(answer.headers["location"], headers=caller)).json()
            if job["finished_at"] is not None:
                return job
            await asyncio.sleep(0.02)


async def test_what_github_has_not_signed_is_refused_before_it_is_read(github: AsyncClient):
    for signature in ("sha256=" + "0" * 64, signature_of(b"another body"), "none"):
        answer = await deliver(github, ["no push"], signature=signature)

        assert (answer.status_code, answer.json()["code"]) == (401, "signature-refused")
        assert answer.headers["www-authenticate"] == "X-Hub-Signature-256"


async def test_what_is_no_work_is_taken_and_nothing_is_done(github: AsyncClient):
    elsewhere = {"full_name": "acme/other", "default_branch": "main"}
    answers = [
        await deliver(github, {"zen": "Keep it simple."}, event="ping"),
        await deliver(github, told(BEFORE, AFTER, ref="refs/tags/v1")),
        await deliver(github, told(BEFORE, NOBODY)),
        await deliver(github, told(BEFORE, AFTER, repository=elsewhere)),
    ]

    assert [(answer.status_code, answer.json()["job_id"]) for answer in answers] == [(200, None)] * 4
    assert [answer.json()["text"].split()[-1] for answer in answers] == [
        "ping.",
        "deleted.",
        "deleted.",
        "MESH_GITHUB_WORKSPACES.",
    ]


async def test_what_cannot_be_analysed_says_why(
    github: AsyncClient, caller: dict[str, str], storefront: Path
):
    no_push = await deliver(github, {"ref": "refs/heads/main"})
    no_commit = await deliver(github, told(BEFORE, AFTER))
    no_json = await deliver(github, told(BEFORE, AFTER), media_type="application/x-www-form-urlencoded")

    assert (no_push.status_code, no_push.json()["code"]) == (400, "malformed-request")
    assert (await ended(github, no_commit, caller))["problem"]["code"] == "revision-not-found"
    assert no_json.status_code == 415


async def test_without_a_secret_no_delivery_is_taken(app: FastAPI):
    async with running(app) as http:
        answer = await deliver(http, told(BEFORE, AFTER))

    assert (answer.status_code, answer.json()["code"]) == (409, "webhooks-not-configured")
    assert "MESH_GITHUB_SECRET_FILE" in answer.json()["detail"]
