"""Registration files of ERC-8004, which agents of other networks have instead of our documents.

Read as they are found: `services` were `endpoints` before January 2026, and writers spell other members in
ways of their own. What is written here is in the present spelling (`domain.exports`).
"""

import re
from collections.abc import Iterator
from typing import Annotated, Any, cast
from urllib.parse import urlsplit

from mesh_shared.canonical import read_json
from mesh_shared.wire import Capability, WireModel
from pydantic import AliasChoices, BaseModel, BeforeValidator, Field, StringConstraints, TypeAdapter

from mesh_registry.domain import metadata as ours
from mesh_registry.domain.metadata import A2A, MCP, AgentMetadata, Name
from mesh_registry.errors import MetadataInvalid, TextUnfit, ToolUnfit

TYPE = re.compile(r"https://eips\.ethereum\.org/EIPS/eip-8004#registration-v\d+")
MOST_SKILLS = 32
LONGEST = 2000
"""Of a description that we keep, in characters."""
_SKILL = re.compile(r"[a-z0-9][a-z0-9._/-]{0,127}")
_CALLABLE = re.compile(r"https?://[^\s{}\\]+")

Short = Annotated[str, StringConstraints(max_length=200)]
Address = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^{}]*$")]


class Service(WireModel):
    """A way to reach the agent. Templates such as `{agentId}` lead nowhere and are no address."""

    name: Short
    endpoint: Address
    version: Short | None = None


class RegistrationFile(WireModel):
    """What such a file says beyond what all agents say."""

    services: list[Service]
    image: Address | None = None
    active: bool = True
    x402Support: bool = False
    supportedTrust: list[Short] = Field(default=[])

    def address(self, name: str) -> str | None:
        """Where the first service of that name can be called; None when nowhere."""
        named = (s.endpoint for s in self.services if s.name.lower() == name)
        return next((endpoint for endpoint in named if _CALLABLE.fullmatch(endpoint)), None)


class ForeignMetadata(AgentMetadata):
    """An agent that has a registration file: it need not offer anything, and does not speak our protocol."""

    capabilities: list[Capability] = Field(max_length=MOST_SKILLS)
    registration: RegistrationFile

    @property
    def spoken(self) -> list[str]:
        """All protocols, each once, sorted."""
        return sorted(self.protocols)

    @property
    def addresses(self) -> list[str]:
        """Where callers are sent; services that are not on the web are names or accounts."""
        said = (service.endpoint for service in self.registration.services)
        return [self.endpoint, *(address for address in said if _CALLABLE.fullmatch(address))]


Known: TypeAdapter[AgentMetadata | ForeignMetadata] = TypeAdapter(
    Annotated[AgentMetadata | ForeignMetadata, Field(union_mode="left_to_right")]
)
"""What is known of an agent, from whichever document."""


def _is_on(value: object) -> object:
    """`x402Support` has been an object with `enabled`."""
    return bool(cast("dict[str, Any]", value).get("enabled")) if isinstance(value, dict) else value


def _texts(value: object) -> object:
    """Lists of names have been lists of objects, and null."""
    items = cast("list[object]", value) if isinstance(value, list) else []
    return [item for item in items if isinstance(item, str)]


Names = Annotated[list[str], BeforeValidator(_texts)]


class _Service(BaseModel):
    name: Short
    endpoint: Address = Field(validation_alias=AliasChoices("endpoint", "url"))
    version: Annotated[Short | None, BeforeValidator(lambda v: v if v is None else str(v))] = None
    skills: Names = Field(default=[], validation_alias=AliasChoices("skills", "a2aSkills", "mcpTools"))

    def service(self) -> Service:
        return Service(name=self.name, endpoint=self.endpoint, version=self.version)


class _File(BaseModel):
    name: Name
    description: str = ""
    image: Address | None = None
    services: list[_Service] = Field(validation_alias=AliasChoices("services", "endpoints"), max_length=64)
    active: bool = True
    x402: Annotated[bool, BeforeValidator(_is_on)] = Field(
        default=False, validation_alias=AliasChoices("x402Support", "x402support")
    )
    trust: Names = Field(default=[], validation_alias=AliasChoices("supportedTrust", "supportedTrusts"))

    def metadata(self) -> ForeignMetadata:
        """Raises `ValueError` when no service has an address on the web."""
        file = RegistrationFile(
            services=[service.service() for service in self.services],
            image=self.image,
            active=self.active,
            x402Support=self.x402,
            supportedTrust=self.trust[:MOST_SKILLS],
        )
        return ForeignMetadata(
            name=self.name,
            description=self.description[:LONGEST],
            endpoint=_origin(file.services),
            capabilities=list(dict.fromkeys(self._skills()))[:MOST_SKILLS],
            toolDefinitions=[],
            reputationHistory=[],
            protocols=[protocol for protocol in (A2A, MCP) if file.address(protocol)],
            registration=file,
        )

    def _skills(self) -> Iterator[str]:
        said = (skill.lower() for service in self.services for skill in service.skills)
        return (skill for skill in said if _SKILL.fullmatch(skill))


def read(data: bytes) -> AgentMetadata:
    """The metadata in a document that anybody may have stored: ours, or a registration file.

    Raises `MetadataInvalid`.
    """
    try:
        said = read_json(data)
        if not _is_file(said):
            return ours.read(data)
        metadata = _File.model_validate(said).metadata()
        ours.document(metadata)
    except (ValueError, ToolUnfit, TextUnfit):  # pydantic's refusal is a ValueError
        raise MetadataInvalid("The document is no agent's metadata.") from None
    return metadata


def says_active(metadata: AgentMetadata) -> bool:
    """Whether the document says that the agent works; ours leave that to the chain."""
    return not isinstance(metadata, ForeignMetadata) or metadata.registration.active


def _is_file(said: object) -> bool:
    """By its type; files without one have services, and ours have none."""
    if not isinstance(said, dict):
        return False
    members = cast("dict[str, object]", said)
    kind = members.get("type")
    has_services = isinstance(members.get("services", members.get("endpoints")), list)
    return has_services and (kind is None or (isinstance(kind, str) and TYPE.fullmatch(kind) is not None))


def _origin(services: list[Service]) -> str:
    """Scheme, host and port of the first service on the web."""
    for service in services:
        if _CALLABLE.fullmatch(service.endpoint):
            at = urlsplit(service.endpoint)
            return f"{at.scheme}://{at.netloc.lower()}"
    raise ValueError("no service has an address on the web")
