"""What the routes have in common: the use cases, and answers that are not sent twice."""

from hashlib import sha256
from typing import Annotated

from fastapi import Depends, Request, Response
from mesh_shared.web import conditional
from pydantic import BaseModel

from mesh_registry.service import Registry


async def registry(request: Request) -> Registry:
    return request.app.state.service


InRegistry = Annotated[Registry, Depends(registry)]


def written(response: Response, view: BaseModel) -> Response:
    """The view as the answer, with the headers of `response`; FastAPI would check all of it a second time."""
    return Response(view.model_dump_json(), headers=response.headers, media_type="application/json")


def tag(request: Request, response: Response, view: BaseModel | bytes) -> None:
    """Whoever has the view already, as it is, gets 304."""
    said = view if isinstance(view, bytes) else view.model_dump_json().encode()
    conditional.tag(request, response, sha256(said).hexdigest())
