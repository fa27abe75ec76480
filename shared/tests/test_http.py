"""Calls between services: what is an outage and what is a refusal, and where a call never goes."""

import socket

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import RedirectResponse
from mesh_cli import parts
from mesh_shared import http
from mesh_shared.errors import Unavailable
from mesh_shared.http import asking
from mesh_shared.testing import served

REQUEST = httpx.Request("GET", "http://registry/v1/agents?key=sk-query")


def answered(status: int) -> httpx.HTTPStatusError:
    with pytest.raises(httpx.HTTPStatusError) as error:
        httpx.Response(status, request=REQUEST).raise_for_status()
    return error.value


@pytest.mark.parametrize(
    "failure",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("silent"),
        httpx.PoolTimeout("busy"),
        httpx.RemoteProtocolError("broken off"),
        answered(500),
        answered(503),
    ],
    ids=lambda failure: type(failure).__name__,
)
async def test_a_service_without_an_answer_is_named_as_down(failure: Exception):
    with pytest.raises(Unavailable) as down:
        async with asking("registry"):
            raise failure

    assert down.value.members == {"down": ["registry"]}
    assert "sk-query" not in str(down.value)
    assert down.value.__cause__ is None


@pytest.mark.parametrize("status", [301, 400, 401, 404, 409, 429])
async def test_a_refusal_is_an_answer_and_no_outage(status: int):
    with pytest.raises(httpx.HTTPStatusError) as refused:
        async with asking("registry"):
            raise answered(status)

    assert refused.value.response.status_code == status


async def test_a_bug_of_ours_is_no_outage_of_theirs():
    with pytest.raises(KeyError):
        async with asking("registry"):
            raise KeyError("items")


async def test_nobody_at_the_address_is_an_outage():
    async with http.client() as client:
        with pytest.raises(Unavailable):
            async with asking("registry"):
                await client.get(f"http://127.0.0.1:{parts.free_port()}/")


async def test_a_redirect_is_an_answer_that_is_not_followed():
    app = FastAPI()
    app.get("/")(lambda: RedirectResponse("/elsewhere"))

    async with served(app) as url, http.client() as client:
        response = await client.get(url, headers={"Authorization": "Bearer t"})

    assert (response.status_code, response.history) == (307, [])


async def test_a_proxy_in_the_environment_hears_nothing(monkeypatch: pytest.MonkeyPatch):
    with socket.socket() as proxy:
        proxy.bind(("127.0.0.1", 0))
        proxy.listen()
        proxy.setblocking(False)
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")

        async with http.client() as client:
            with pytest.raises(httpx.ConnectError):
                await client.get(f"http://127.0.0.1:{parts.free_port()}/")

        with pytest.raises(BlockingIOError):
            proxy.accept()


async def test_whoever_accepts_a_call_and_says_nothing_is_not_waited_for_for_ever():
    assert (http.TIMEOUT.connect, http.TIMEOUT.read, http.TIMEOUT.pool) == (2.0, 10.0, 10.0)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        async with http.client() as client:
            with pytest.raises(Unavailable):
                async with asking("registry"):
                    await client.get(
                        f"http://127.0.0.1:{listener.getsockname()[1]}/", timeout=httpx.Timeout(1, read=0.05)
                    )
