"""The client for agents: it uses credentials and never holds one."""

from __future__ import annotations

import ast
import gc
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from joserfc.jwk import OKPKey
from mesh_shared.agents.gateway import Elsewhere, Gateway, Refused
from mesh_shared.auth.keys import StaticKeys
from mesh_shared.errors import Unavailable

if TYPE_CHECKING:
    from conftest import Operator, Origin

README = (Path(__file__).parents[1] / "README.md").read_text()


@pytest.fixture
async def gateway(operator_live: Operator, origin: Origin, tmp_path: Path) -> Gateway:
    """For an agent that may do everything with the connection `weather`."""
    await operator_live.connect(origin.url, name="weather")
    await operator_live.grant("agent-7", connection="weather", paths=["/v1/**"])
    made = await operator_live.post("/v1/api-keys", {"subject": "agent-7", "scopes": ["gateway:proxy"]})
    key_file = tmp_path / "agent.key"
    key_file.write_text(made.json()["key"])
    return Gateway(str(operator_live.http.base_url).rstrip("/"), key_file)


async def test_an_agent_calls_by_path_and_the_upstream_sees_the_credential(
    gateway: Gateway, origin: Origin, canary: str
):
    origin.answers(b"overcast", "203 Somehow")

    async with gateway.inject("weather") as http:
        answer = await http.post("/v1/weather/Oslo?unit=C", content=b"now")

    assert (answer.status_code, answer.text) == (203, "overcast")
    (seen,) = origin.seen
    assert (seen.method, seen.target, seen.body) == ("POST", "/v1/weather/Oslo?unit=C", b"now")
    assert seen.values("authorization") == [f"Bearer {canary}"]


async def test_the_agent_never_holds_the_secret(gateway: Gateway, origin: Origin, canary: str):
    origin.says = lambda seen: seen.answer(seen.raw, "200 OK", x_echo=seen.values("authorization")[0])

    async with gateway.inject("weather") as http:
        answer = await http.get("/v1/echo")
        held = [each for each in gc.get_referrers(answer) if each is http]
        said = answer.content + repr((answer.headers, answer.request.headers, http.headers, held)).encode()

    assert canary.encode() not in said
    assert b"[***]" in said


async def test_a_refusal_of_the_gateway_is_no_answer_of_the_upstream(gateway: Gateway, origin: Origin):
    async with gateway.inject("weather") as http:
        with pytest.raises(Refused) as refused:
            await http.get("/elsewhere")

    assert (refused.value.status, refused.value.code) == (403, "grant-missing")
    assert origin.seen == []


async def test_an_upstreams_own_refusal_is_an_answer(gateway: Gateway, origin: Origin):
    origin.answers(b'{"code": "grant-missing"}', "403 Forbidden")

    async with gateway.inject("weather") as http:
        answer = await http.get("/v1/weather")

    assert answer.status_code == 403


async def test_a_person_who_must_be_asked_is_named(operator_live: Operator, gateway: Gateway):
    await operator_live.grant("agent-7", connection="weather", paths=["/asked"], needs_approval=True)

    async with gateway.inject("weather") as http:
        with pytest.raises(Refused) as refused:
            await http.get("/asked")

    assert (refused.value.status, refused.value.code) == (202, "approval-required")
    assert refused.value.approval


@pytest.mark.parametrize("path", ["/v1/audit", "/v1/proxy/other/x", "/v1/proxy/weather-too/x"])
async def test_the_session_goes_to_its_connection_and_nowhere_else(
    gateway: Gateway, origin: Origin, path: str
):
    async with gateway.inject("weather") as http:
        for url in (f"{origin.url}{path}", f"{gateway.url}{path}"):
            with pytest.raises(Elsewhere):
                await http.get(url)

    assert origin.seen == []


async def test_a_redirect_is_an_answer_and_not_followed(gateway: Gateway, origin: Origin):
    origin.answers(b"", "302 Found", location="http://elsewhere.example/")

    async with gateway.inject("weather") as http:
        answer = await http.get("/v1/moved")

    assert answer.status_code == 302
    assert len(origin.seen) == 1


async def test_an_answer_streams(gateway: Gateway, origin: Origin):
    origin.streams(b"first ", b"second")

    async with gateway.inject("weather") as http, http.stream("GET", "/v1/events") as answer:
        pieces = [piece async for piece in answer.aiter_text()]

    assert "".join(pieces) == "first second"


async def test_an_answer_that_breaks_off_is_never_taken_for_a_whole_one(gateway: Gateway, origin: Origin):
    origin.streams(b"first half", to_the_end=False)

    async with gateway.inject("weather") as http:
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get("/v1/half")


async def test_a_key_that_opens_nothing_is_told_before_anything_is_sent(gateway: Gateway, origin: Origin):
    gateway.key_file.write_text("mesh_another-key-that-is-none")

    async with gateway.inject("weather") as http:
        with pytest.raises(Unavailable):
            await http.get("/v1/weather")

    assert origin.seen == []


async def test_a_session_that_ended_is_opened_anew_once_and_then_told(
    gateway: Gateway, origin: Origin, operator_live: Operator
):
    keys = operator_live.app.state.platform.verifier.verifier.keys
    async with gateway.inject("weather") as http:
        await http.get("/v1/weather")
        keys._known, kept = StaticKeys([OKPKey.generate_key("Ed25519")]), keys._known
        with pytest.raises(Refused) as refused:
            await http.get("/v1/weather")
        keys._known = kept
        answer = await http.get("/v1/weather")

    assert (refused.value.status, refused.value.code) == (401, "unauthenticated")
    assert answer.status_code == 200
    assert len(origin.seen) == 2


async def test_the_readmes_example_runs(
    gateway: Gateway, origin: Origin, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    origin.answers(b'{"city": "Oslo"}', content_type="application/json")
    monkeypatch.chdir(gateway.key_file.parent)
    source = example.replace("http://127.0.0.1:8374", gateway.url)
    names: dict[str, Any] = {}

    code = compile(source, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    await eval(code, names)  # noqa: S307 - our own README

    assert "Oslo" in capsys.readouterr().out
    assert [seen.target for seen in origin.seen] == ["/v1/weather/Oslo"]
