"""What names, scopes and instants look like on the wire."""

from typing import Annotated, Literal

from mesh_shared.wire import IPV6, PORT
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

# A token must stay below the 8192 characters that verifiers read; these bounds see to it.
MAX_SCOPES, MAX_AUDIENCES = 32, 20
MAX_INSTANT = 253_402_300_799
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
ORIGIN = rf"https?://(({_LABEL}\.){{0,8}}{_LABEL}|{IPV6}){PORT}"
"""A pattern without anchors."""
NAME = r"^[a-z0-9][a-z0-9-]{0,62}$"
SUBJECT = r"^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}$"

Name = Annotated[
    str,
    StringConstraints(pattern=NAME),
    Field(description="Lower case, digits, hyphens.", examples=["github"]),
]
Subject = Annotated[
    str,
    StringConstraints(pattern=SUBJECT),
    Field(
        description="Whom a key, a session or a grant is for: an agent's name or id.", examples=["agent-7"]
    ),
]
Scope = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{0,30}:[a-z0-9][a-z0-9.-]{0,30}$"),
    Field(examples=["gateway:proxy"]),
]
Audience = Annotated[
    str,
    StringConstraints(pattern=r"^[\x21-\x7e]{1,128}$"),
    Field(description="A service's name or the origin of an agent.", examples=["registry"]),
]
ExpiresAt = Annotated[
    int | None,
    Field(
        description="Unix seconds, as in a token; null for never.",
        ge=0,
        le=MAX_INSTANT,
        examples=[4102444800],
    ),
]
CallMethod = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "WEBSOCKET"]
"""What a grant may allow. To open a WebSocket is no GET: nobody sees beforehand what is said there."""


class View(BaseModel):
    """A view of one of our own objects: `SomeView.model_validate(object)` reads its attributes."""

    model_config = ConfigDict(from_attributes=True)
