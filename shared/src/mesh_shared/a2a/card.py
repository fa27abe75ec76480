"""The agent card: who an agent is, what it can do, and where it answers (specification §4.4)."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from mesh_shared.agents.plugin import Action, Plugin

PROTOCOL = "1.0"
MODES = ("application/json", "text/plain")

Text = Annotated[str, StringConstraints(min_length=1, max_length=5000)]
MediaTypes = Annotated[
    list[Annotated[str, StringConstraints(min_length=1, max_length=200)]], Field(min_length=1)
]


class Described(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Skill(Described):
    id: Text
    name: Text
    description: Text
    tags: list[Text] = Field(min_length=1, max_length=100)
    examples: list[str] | None = None
    inputModes: list[str] | None = None
    outputModes: list[str] | None = None


class Interface(Described):
    """Where the agent answers, and in which binding."""

    url: Text
    protocolBinding: Text = Field(description="`JSONRPC`, `HTTP+JSON`, `GRPC`, or an extension's own.")
    protocolVersion: Text = Field(examples=["1.0"])


class Provider(Described):
    url: str
    organization: str


class Capabilities(Described):
    streaming: bool = False
    pushNotifications: bool = False
    extendedAgentCard: bool = False


class Signature(Described):
    """A JWS (RFC 7515) over the canonical card (RFC 8785) without its signatures."""

    protected: str
    signature: str
    header: dict[str, Any] | None = None


class AgentCard(Described):
    """A2A 1.0 agent card. Required members are there and not empty: an empty one is left out by ProtoJSON."""

    name: Text
    description: Text
    version: Text
    supportedInterfaces: list[Interface] = Field(min_length=1, max_length=20)
    capabilities: Capabilities
    defaultInputModes: MediaTypes
    defaultOutputModes: MediaTypes
    skills: list[Skill] = Field(min_length=1, max_length=200)
    provider: Provider | None = None
    documentationUrl: str | None = None
    iconUrl: str | None = None
    securitySchemes: dict[str, Any] | None = None
    securityRequirements: list[dict[str, Any]] | None = None
    signatures: list[Signature] | None = None


def bearer(scopes: list[str]) -> dict[str, Any]:
    """The members that tell callers to bring a session token with these scopes."""
    scheme = {"scheme": "Bearer", "bearerFormat": "JWT"}
    return {
        "securitySchemes": {"mesh": {"httpAuthSecurityScheme": scheme}},
        "securityRequirements": [{"schemes": {"mesh": {"list": scopes}}}],
    }


def card_of(plugin: Plugin, version: str, interfaces: list[Interface], *, streams: bool = False) -> AgentCard:
    """The card of a plugin that answers at `interfaces`; each action is a skill."""
    return AgentCard(
        name=plugin.name,
        description=plugin.description,
        version=version,
        supportedInterfaces=interfaces,
        capabilities=Capabilities(streaming=streams),
        defaultInputModes=list(MODES),
        defaultOutputModes=list(MODES),
        skills=[_skill(action) for action in plugin.actions],
    )


def _skill(action: Action) -> Skill:
    return Skill(
        id=action.name,
        name=action.name.replace("_", " ").title(),
        description=action.description,
        tags=list(action.capabilities) or ["action"],
        examples=[user.text for user, _ in action.examples] or None,
    )
