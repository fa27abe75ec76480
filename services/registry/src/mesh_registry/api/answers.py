"""What the routes have in common: the use cases, and answers that are not sent twice."""

from hashlib import sha256
from typing import Annotated

from fastapi import Depends, Request, Response
from mesh_shared.web import conditional
from pydantic import BaseModel

from mesh_registry.service import Registry


def registry(request: Request) -> Registry:
    return request.app.state.service


InRegistry = Annotated[Registry, Depends(registry)]


def tag(request: Request, response: Response, view: BaseModel) -> None:
    """Whoever has the view already, as it is, gets 304."""
    conditional.tag(request, response, sha256(view.model_dump_json().encode()).hexdigest())
