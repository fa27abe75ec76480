"""Policies, and what they would say."""

from datetime import datetime
from typing import Annotated, Literal

from mesh_shared.wire import Uuid, WireModel
from pydantic import BaseModel, Field, StringConstraints

from mesh_security_gateway.schemas.fields import ExpiresAt, Method, Name, Subject, View

HASH = r"^[0-9a-f]{64}$"
PolicyText = Annotated[
    str,
    StringConstraints(max_length=20_000),
    Field(
        description="Cedar: `forbid` only, each with an `@id` of its own. Grants are what permits.",
        examples=[
            '@id("office-hours") forbid (principal, action == Action::"DELETE", resource) '
            'when { resource.owner == "admin" };'
        ],
    ),
]


class PolicyRequest(WireModel):
    text: PolicyText


class PublishedView(View):
    hash: str = Field(description="SHA-256 of the text.", pattern=HASH)
    text: str
    author: str = Field(examples=["admin"])
    created_at: datetime


class SimulationRequest(WireModel):
    """A call that is not made."""

    subject: Subject
    connection: Name
    method: Method = Field(examples=["GET"])
    path: str = Field(
        pattern=r"^/[\x21-\x22\x24-\x7e]*$",
        max_length=4000,
        description="Percent-encoded, with its query if any.",
        examples=["/user"],
    )
    leased: bool = Field(default=False, description="The call names a live lease.")
    at: ExpiresAt = Field(default=None, description="Unix seconds; null for the present moment.")
    text: PolicyText | None = Field(
        default=None, description="A draft in place of what was published.", examples=[None]
    )


class SimulationView(BaseModel):
    decision: Literal["allow", "deny"]
    code: str | None = Field(
        description="Code of the problem that the call would get.", examples=["grant-missing"]
    )
    policies: list[str] = Field(description="Ids of the policies that decided.", examples=[["mesh.scope"]])
    reasons: list[str] = Field(examples=[["No live grant covers this method and path."]])
    grant: Uuid | None = Field(description="What the call would go out under.")
    policy_hash: str
