"""Sessions, the keys that verify them, and the API keys that open them."""

from datetime import datetime
from typing import Annotated, Literal

from mesh_shared.wire import Hex32, Uuid, WireModel
from pydantic import BaseModel, Field, Secret, StringConstraints

from mesh_security_gateway.schemas.fields import (
    MAX_AUDIENCES,
    MAX_SCOPES,
    Audience,
    ExpiresAt,
    Scope,
    Subject,
    View,
)

Thumbprint = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$"),
    Field(
        description="RFC 7638, SHA-256, base64url.", examples=["0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"]
    ),
]


class WalletProof(WireModel):
    """The answer of an agent's owner to `POST /v1/agents/{agent_id}/challenge`."""

    agent_id: Hex32
    nonce: str = Field(pattern=r"^[0-9a-f]{56}$", examples=["5e" * 28])
    signature: Annotated[
        str, StringConstraints(min_length=132, max_length=8194, pattern=r"^0x([0-9a-fA-F]{2})+$")
    ] = Field(
        description="Of `message`, as `personal_sign` makes it (EIP-191), or what the owner's contract takes"
        " (ERC-1271).",
        examples=["0x" + "1b" * 65],
    )


class ChallengeView(BaseModel):
    agent_id: Hex32
    owner: str = Field(examples=["0x70997970C51812dc3A010C7d01b50e0d17dc79C8"])
    nonce: str = Field(examples=["5e" * 28])
    message: str = Field(description="EIP-4361; the owner signs it with `personal_sign`, for one session.")
    expires_at: int = Field(description="Unix seconds; five minutes from now.", examples=[1764000300])


class SessionRequest(WireModel):
    proof: WalletProof | None = Field(
        default=None, description="In stead of an API key: who owns the agent.", examples=[None]
    )
    audiences: list[Audience] | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_AUDIENCES,
        description="Who will accept the token; default the five services.",
        examples=[["registry"]],
    )
    scopes: list[Scope] | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_SCOPES,
        description="What the token allows; default all that the key holds, and never more.",
        examples=[["events:read"]],
    )


class DelegationRequest(WireModel):
    subject_token: Secret[
        Annotated[str, StringConstraints(max_length=8192, pattern=r"^[A-Za-z0-9._-]+$")]
    ] = Field(
        description="A bearer's session of whom the caller is to act for, with this service as an audience.",
        examples=["eyJhbGciOiJFZERTQSJ9.e30.c2lnbmF0dXJl"],
        json_schema_extra={"format": "password", "writeOnly": True},
    )
    audiences: list[Audience] | None = Field(
        default=None, min_length=1, max_length=MAX_AUDIENCES, examples=[["registry"]]
    )
    scopes: list[Scope] | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_SCOPES,
        description="Some of those that the subject's token holds; default all of them.",
        examples=[["gateway:proxy"]],
    )


class SessionView(View):
    token: str = Field(description="Send it as `Authorization: <token_type> …`.")
    token_type: Literal["Bearer", "DPoP"] = Field(
        description="`DPoP` when the request proved a key: each use needs a proof by the same (RFC 9449).",
        examples=["Bearer"],
    )
    expires_at: int = Field(description="Unix seconds; 15 minutes from now.", examples=[1764000900])
    subject: str = Field(examples=["agent-7"])
    scopes: list[str] = Field(examples=[["events:read"]])


class Jwk(BaseModel):
    """The public half of an Ed25519 key (RFC 8037)."""

    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    x: str
    kid: str = Field(description="RFC 7638 thumbprint.")
    use: Literal["sig"]
    alg: Literal["EdDSA"]


class JwkSet(BaseModel):
    keys: list[Jwk]


class ApiKeyRequest(WireModel):
    subject: Subject
    scopes: list[Scope] = Field(min_length=1, max_length=MAX_SCOPES, examples=[["gateway:proxy"]])
    expires_in_s: int | None = Field(
        default=None, ge=1, le=315_360_000, description="Up to ten years; null for never.", examples=[86400]
    )
    jkt: Thumbprint | None = Field(
        default=None, description="Open only sessions that are bound to the key with this thumbprint."
    )


class ApiKeyView(View):
    id: Uuid
    subject: str = Field(examples=["agent-7"])
    scopes: list[str] = Field(examples=[["gateway:proxy"]])
    created_by: str = Field(examples=["admin"])
    created_at: datetime
    expires_at: ExpiresAt
    revoked_at: datetime | None
    jkt: str | None = Field(description="Thumbprint of the key that its sessions are bound to.")


class NewApiKeyView(ApiKeyView):
    key: str = Field(description="Shown once and kept nowhere: send it as `X-API-Key`.")


class ProtectedResource(BaseModel):
    """RFC 9728 §2."""

    resource: str = Field(examples=["http://127.0.0.1:8374"])
    jwks_uri: str
    bearer_methods_supported: list[str]
    dpop_signing_alg_values_supported: list[str]
    dpop_bound_access_tokens_required: bool
