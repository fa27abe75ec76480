"""The way to the services: with the visitor's token, and every failure an outcome."""

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from mesh_console.adapters.mesh import Mesh
from mesh_console.api.page import segment
from mesh_console.errors import Refused, SignedOut, Unreachable
from visiting import Streets, Town


class Service:
    """Answers whatever it is told to, and remembers what it was asked."""

    def __init__(self, code: int = 200, body: str = "{}") -> None:
        self.code, self.body = code, body
        self.asked: list[Request] = []
        self.app = FastAPI()
        self.app.add_api_route("/{path:path}", self.answer, methods=["GET", "POST"])

    async def answer(self, request: Request) -> Response:
        self.asked.append(request)
        return Response(self.body, self.code)

    def mesh(self, token: str = "") -> Mesh:
        http = httpx.AsyncClient(transport=httpx.ASGITransport(self.app))
        return Mesh(http, {"one": "http://one"}, token)


async def test_a_service_is_asked_with_the_visitor_s_token():
    service = Service()

    await service.mesh("token-7").get("one", "/v1/things")

    assert service.asked[0].headers["authorization"] == "Bearer token-7"


async def test_who_has_no_token_sends_none():
    service = Service()

    await service.mesh().get("one", "/v1/things")

    assert "authorization" not in service.asked[0].headers


async def test_what_is_not_asked_for_is_not_sent():
    service = Service()

    await service.mesh().get("one", "/v1/things", text="", cursor=None, limit=0)

    assert dict(service.asked[0].query_params) == {"limit": "0"}


@pytest.mark.parametrize(
    ("key", "sent"), [("key-1", "key-1"), ("é", "%C3%A9"), ("a\r\nX-Api-Key: b", "a%0D%0AX-Api-Key%3A%20b")]
)
async def test_a_change_has_the_key_of_its_form(key: str, sent: str):
    service = Service()

    await service.mesh().post("one", "/v1/things", {"a": 1}, key=key)

    assert service.asked[0].headers["idempotency-key"] == sent


async def test_a_refusal_has_the_words_of_the_problem():
    problem = '{"title": "Agent not found", "detail": "No such agent.", "code": "agent-not-found"}'

    with pytest.raises(Refused) as raised:
        await Service(404, problem).mesh().get("one", "/")

    refused = raised.value
    assert (refused.status, refused.title, refused.code) == (404, "Agent not found", "agent-not-found")


@pytest.mark.parametrize("body", ["<html>", "[]", ""])
async def test_a_refusal_that_is_no_problem_document_has_its_status(body: str):
    with pytest.raises(Refused) as raised:
        await Service(500, body).mesh().get("one", "/")

    assert (raised.value.title, raised.value.detail) == ("Internal Server Error", "")


async def test_an_answer_that_is_no_json_is_none():
    with pytest.raises(Unreachable):
        await Service(200, "<html>").mesh().get("one", "/")


async def test_a_token_that_is_not_taken_ends_the_session():
    with pytest.raises(SignedOut):
        await Service(401).mesh("old").get("one", "/")


async def test_a_key_that_is_not_taken_is_a_refusal_and_ends_nothing():
    with pytest.raises(Refused):
        await Service(401).mesh().post("one", "/v1/sessions")


async def test_nobody_at_home_is_named():
    mesh = Mesh(httpx.AsyncClient(transport=Streets()), {"one": "http://one"})

    with pytest.raises(Unreachable, match="The one does not answer"):
        await mesh.get("one", "/")


async def test_what_was_asked_can_be_pasted_into_a_shell():
    mesh = Service().mesh("secret-token")

    await mesh.get("one", "/v1/things", text="it's; rm -rf /")

    (line,) = mesh.asked
    assert line.startswith('curl -s -H "Authorization: Bearer $TOKEN" ')
    assert "secret-token" not in line
    assert ";" not in line.replace("%3B", "")


@pytest.mark.parametrize("text", ["../admin", "a/b", "a?b", "a#b", "ä b"])
async def test_what_a_visitor_writes_stays_one_step_of_the_path(town: Town, text: str):
    service = Service()

    await service.mesh().get("one", f"/v1/things/{segment(text)}")

    assert service.asked[0].scope["raw_path"].count(b"/") == 3
