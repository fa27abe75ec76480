import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from mesh_cli import parts
from mesh_cli.demo.stage import Stage
from mesh_cli.embedded import Ports
from mesh_shared import http
from mesh_shared.auth.session import Sessions
from mesh_shared.chain.deployment import Deployment
from mesh_shared.chain.rpc import Rpc
from mesh_shared.testing import served
from rich.console import Console
from theatre import Answers, OneServer, Theatre


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
