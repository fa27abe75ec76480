"""The gateway's public wire models."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

import orjson
from mesh_shared.wire import Uuid, WireModel
from pydantic import BaseModel, ConfigDict, Field, Secret, StringConstraints

from mesh_security_gateway.domain.audit import Flaw, Phase
from mesh_security_gateway.domain.headers import joined
from mesh_security_gateway.domain.profiles import EvidenceLevel, Status
from mesh_security_gateway.service.operations import Operation, Performed

# A token must stay below the 8192 characters that verifiers read; these bounds see to it.
MAX_SCOPES, MAX_AUDIENCES = 32, 20
MAX_INSTANT = 253_402_300_799
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_PORT = r"(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?"
NAME = r"^[a-z0-9][a-z0-9-]{0,62}$"
REVISION = r"^[0-9a-f]{12}-[1-9][0-9]{0,8}$"
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
Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
SecretText = Annotated[
    Secret[Annotated[str, StringConstraints(min_length=8, max_length=4096, pattern=r"^[\x21-\x7e]+$")]],
    Field(
        description="Visible ASCII, written and never read. For kind `basic`: user:password.",
        examples=["sk-this-is-an-example"],
        json_schema_extra={"format": "password", "writeOnly": True},
    ),
]


class SessionRequest(WireModel):
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


class View(BaseModel):
    """A view of one of our own objects: `SomeView.model_validate(object)` reads its attributes."""

    model_config = ConfigDict(from_attributes=True)


class SessionView(View):
    token: str = Field(description="Send it as `Authorization: Bearer …`.")
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


class ApiKeyView(View):
    id: Uuid
    subject: str = Field(examples=["agent-7"])
    scopes: list[str] = Field(examples=[["gateway:proxy"]])
    created_by: str = Field(examples=["admin"])
    created_at: datetime
    expires_at: ExpiresAt
    revoked_at: datetime | None


class NewApiKeyView(ApiKeyView):
    key: str = Field(description="Shown once and kept nowhere: send it as `X-API-Key`.")


class Bearer(WireModel):
    """`Authorization: Bearer <secret>`."""

    kind: Literal["bearer"] = Field(examples=["bearer"])


class Basic(WireModel):
    """`Authorization: Basic <base64 of user:password>`."""

    kind: Literal["basic"] = Field(examples=["basic"])


class HeaderKey(WireModel):
    """`<name>: <secret>`."""

    kind: Literal["header"] = Field(examples=["header"])
    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$", examples=["X-Api-Token"])


class QueryKey(WireModel):
    """`?<name>=<secret>`."""

    kind: Literal["query"] = Field(examples=["query"])
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._~-]{0,63}$", examples=["api_key"])


InjectorModel = Annotated[
    Bearer | Basic | HeaderKey | QueryKey,
    Field(description="Where the secret goes.", examples=[{"kind": "bearer"}]),
]


class ProviderModel(WireModel):
    """An upstream, fixed for good: agents name a connection and never an origin."""

    name: Name
    origin: str = Field(
        pattern=rf"^https?://(({_LABEL}\.){{0,8}}{_LABEL}|\[[0-9a-f:.]{{2,45}}\]){_PORT}$",
        max_length=270,
        description="`https://host[:port]`; `http://` only with `allow_private`.",
        examples=["https://api.github.com"],
    )
    base_path: str = Field(
        default="",
        pattern=r"^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,99}){0,10}$",
        max_length=200,
        description="Goes before every path.",
        examples=["/v3"],
    )
    injector: InjectorModel
    allow_private: bool = Field(
        default=False,
        description="Lets the origin be a private address. Shown in every audit entry.",
        examples=[False],
    )


class ConnectionRequest(WireModel):
    name: Name
    provider: Name
    secret: SecretText


class RotationRequest(WireModel):
    secret: SecretText


class ConnectionView(View):
    name: str = Field(examples=["github"])
    provider: str = Field(examples=["github"])
    owner: str = Field(examples=["admin"])
    version: int = Field(description="Counts the secrets that were put here.", examples=[1])
    revision: str = Field(
        description="Changes with every rotation; whoever deletes the connection names it.",
        examples=["c0ffee012345-1"],
    )
    fingerprint: str = Field(
        description="Names the secret without telling it (HMAC, 16 hex digits).",
        examples=["c0ffee0123456789"],
    )
    created_at: datetime
    rotated_at: datetime


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


class AuditEntryView(BaseModel):
    """`hash` is SHA-256 over the canonical JSON (sorted keys, no blanks) of all the other members."""

    v: int
    sequence: int = Field(description="1, 2, 3, … without gaps.")
    id: str
    at: str = Field(description="RFC 3339, UTC.")
    phase: Phase
    action: str
    agent: str
    target: str | None
    holder: str | None
    connection: str | None
    secret_version: int | None
    fingerprint: str | None
    method: str | None
    origin: str | None
    private_origin: bool | None
    path: str | None
    query_keys: list[str]
    decision: Literal["allow", "deny"] | None
    code: str | None
    intent: str | None
    status: int | None
    bytes: int | None
    ms: int | None
    prev: str
    hash: str


class BreakView(View):
    sequence: int | None = Field(description="The first entry that does not hold; null for the head itself.")
    flaw: Flaw


class VerificationView(BaseModel):
    """The record against its signed head. A whole database put back to an earlier state does not show."""

    valid: bool
    entries: int
    head: str = Field(description="Hash of the newest entry. Note it elsewhere to see a later rollback.")
    broken: BreakView | None


class OperationRequest(WireModel):
    """One call through a connection."""

    connection: Name
    method: Method = Field(examples=["GET"])
    path: str = Field(
        pattern=r"^/[\x21-\x22\x24-\x7e]*$",
        max_length=4000,
        description="Percent-encoded, with its query if any.",
        examples=["/user"],
    )
    headers: dict[
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$")],
        Annotated[str, StringConstraints(pattern=r"^[\x20-\x7e]*$", max_length=1000)],
    ] = Field(
        default={},
        max_length=20,
        examples=[{"Accept": "application/json"}],
        json_schema_extra={"additionalProperties": False},  # other names; pydantic leaves it unsaid
    )
    # `json` is what it is called on the wire; as an attribute it would hide pydantic's own.
    content: Any = Field(
        default=None, alias="json", description="Any JSON value; null for no body.", examples=[None]
    )

    def operation(self) -> Operation:
        return Operation(
            connection=self.connection,
            method=self.method,
            path=self.path,
            fields=tuple(self.headers.items()),
            json=None if self.content is None else orjson.dumps(self.content),
        )


class SecureContext(BaseModel):
    authenticated: bool
    permissions: list[str] = Field(
        description="What the caller may do with this connection.", examples=[["GET /user"]]
    )
    auditTrail: list[str] = Field(description="Ids of the audit entries of this operation.")


class OperationResult(BaseModel):
    status: int = Field(description="The upstream's.", examples=[200])
    headers: dict[str, str]
    body: Any = Field(description="JSON as what it says, everything else as text.")


class PerformedView(BaseModel):
    context: SecureContext
    result: OperationResult

    @classmethod
    def of(cls, performed: Performed) -> Self:
        return cls(
            context=SecureContext(
                authenticated=True,
                permissions=list(performed.permissions),
                auditTrail=list(performed.audit_trail),
            ),
            result=OperationResult(
                status=performed.status, headers=joined(performed.fields), body=performed.body
            ),
        )


class WorkloadModel(WireModel):
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$", examples=["web"])
    image: str = Field(
        pattern=r"^[\x21-\x7e]{1,300}$", examples=["registry.example/agent@sha256:" + "ab" * 32]
    )
    public: bool = Field(description="Reachable from outside the deployment.", examples=[True])


class DeploymentModel(WireModel):
    deployment_id: Subject
    services: list[WorkloadModel] = Field(min_length=1, max_length=100)


class CompileRequest(WireModel):
    framework: Literal["SOC2"] = Field(examples=["SOC2"])
    data_residency: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$", description="A region.", examples=["eu-west"]
    )
    deployment: DeploymentModel


class PolicyView(View):
    id: str
    rule: str
    applies_to: list[str] = Field(description="Names of services of the deployment.")
    enforced_by: Literal["security-gateway", "deployer", "provider"]
    evidence_level: EvidenceLevel


class ControlView(View):
    id: str = Field(examples=["CC6.1"])
    title: str
    status: Status
    evidence: str
    evidence_digest: str = Field(description="SHA-256 over the canonical JSON of id, status and evidence.")


class CompiledView(BaseModel):
    """Evidence for an auditor, and no attestation."""

    profile: Literal["zero-trust"]
    framework: Literal["SOC2"]
    policies: list[PolicyView]
    controls: list[ControlView]
    security_endpoint: str = Field(description="Where the deployment makes its calls.")
    audit_url: str = Field(description="The audit of those calls.")
