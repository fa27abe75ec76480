"""Grants."""

from datetime import datetime
from typing import Annotated

from mesh_shared.wire import Uuid, WireModel
from pydantic import BaseModel, Field, StringConstraints

from mesh_security_gateway.schemas.fields import ExpiresAt, Method, Name, Subject


class GrantRequest(WireModel):
    subject: Subject
    connection: Name
    methods: list[Method] = Field(min_length=1, max_length=6, examples=[["GET"]])
    paths: list[
        Annotated[
            str, StringConstraints(pattern=r"^(/[A-Za-z0-9._~!$&'()*+,;=:@%-]{0,200}){1,20}$", max_length=500)
        ]
    ] = Field(
        min_length=1,
        max_length=50,
        description="Patterns over canonical paths: `*` within one segment, `/**` at the end for all below.",
        examples=[["/user", "/repos/**"]],
    )
    expires_at: ExpiresAt = None


class GrantView(BaseModel):
    id: Uuid
    subject: str = Field(examples=["agent-7"])
    connection: str = Field(examples=["github"])
    methods: list[str] = Field(examples=[["GET"]])
    paths: list[str] = Field(examples=[["/user"]])
    expires_at: ExpiresAt
    created_by: str = Field(examples=["admin"])
    created_at: datetime
    is_revoked: bool
