"""The document in which an agent says what it is; its CID is on the chain."""

from functools import cached_property
from typing import Annotated, Any, Literal, cast

from mesh_shared.canonical import canonical_json, read_json
from mesh_shared.content.errors import ContentTooLarge
from mesh_shared.wire import IPV6, PORT, Capability, Units, WireModel
from pydantic import Field, StringConstraints

from mesh_registry.domain.addresses import leads_out
from mesh_registry.domain.texts import Flag, unseen_in, unseen_in_name, warnings
from mesh_registry.errors import MetadataInvalid, TextUnfit, ToolUnfit

MAX_DOCUMENT_BYTES = 256 * 1024
MAX_PARAMETERS_BYTES = 32 * 1024
MAX_PARAMETERS_DEPTH = 32
MESH = "mesh"
"""The protocol that every agent speaks."""
A2A, MCP = "a2a", "mcp"

ORIGIN = rf"https?://([a-z0-9]([a-z0-9.-]{{0,150}}[a-z0-9])?|{IPV6}){PORT}"
"""A pattern without anchors."""
_INSTANT = r"^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z$"

Origin = Annotated[
    str,
    StringConstraints(pattern=rf"^{ORIGIN}$", max_length=200),
    Field(
        description="Where the agent is reached: scheme, host, port; no path, no user, no query.",
        examples=["https://agent.example:8443"],
    ),
]
Name = Annotated[str, StringConstraints(min_length=1, max_length=100), Field(examples=["Summarizer"])]
Description = Annotated[
    str, StringConstraints(max_length=2000), Field(examples=["Summarizes text in one paragraph."])
]


class Tool(WireModel):
    """One thing that the agent does on request, and for how much."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,99}$")] = Field(
        description="The name by which it is called.", examples=["SUMMARIZE"]
    )
    description: Description
    capability: Capability
    parameters: dict[str, Any] = Field(
        description="JSON Schema of the parameters; at most 32 KiB, nested at most 32 levels deep.",
        examples=[{"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}],
    )
    price: Units
    protocol: Literal["mesh", "a2a", "mcp"] = Field(
        default="mesh",
        description="How it is called. `mesh`: `POST {endpoint}/actions/{name}`; `a2a`: a data part "
        "`{action, parameters}` to the interface that the card of the endpoint names; `mcp`: `tools/call` at "
        "`{endpoint}/mcp`.",
    )
    readOnly: bool = Field(default=False, description="It changes nothing (MCP's `readOnlyHint`).")
    idempotent: bool = Field(
        default=False, description="Doing it twice is as doing it once (MCP's `idempotentHint`)."
    )


Protocol = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{0,31}$"),
    Field(description="Name of a protocol that an agent speaks.", examples=["a2a"]),
]


class PastReputation(WireModel):
    """What somebody else said of the agent elsewhere. The registry shows it and does not count it."""

    source: Annotated[str, StringConstraints(min_length=1, max_length=200)] = Field(
        examples=["https://other-registry.example"]
    )
    score: float = Field(ge=0, le=1, examples=[0.93])
    at: Annotated[str, StringConstraints(pattern=_INSTANT)] = Field(
        description="RFC 3339 in UTC, whole seconds.", examples=["2026-01-31T12:00:00Z"]
    )


class AgentMetadata(WireModel):
    """What an agent says of itself."""

    name: Name
    description: Description
    endpoint: Origin
    capabilities: list[Capability] = Field(
        min_length=1, max_length=32, description="Order and repetition mean nothing."
    )
    toolDefinitions: list[Tool] = Field(max_length=64)
    reputationHistory: list[PastReputation] = Field(max_length=100)
    protocols: list[Protocol] = Field(
        default=[],
        max_length=16,
        description="What is spoken at the endpoint beside the mesh's own `POST {endpoint}/actions/{name}`.",
        examples=[["a2a", "mcp"]],
    )

    @property
    def spoken(self) -> list[str]:
        """All protocols, `mesh` included, each once, sorted."""
        return sorted({MESH, *self.protocols})

    @property
    def addresses(self) -> list[str]:
        """Where callers are sent."""
        return [self.endpoint]

    @cached_property
    def warnings(self) -> list[Flag]:
        """What is suspicious in its texts, and whether an address leads into the caller's own network."""
        flags = warnings(self.model_dump(mode="json"))
        return flags if all(map(leads_out, self.addresses)) else [*flags, Flag.PRIVATE_ADDRESS]


def document(metadata: AgentMetadata) -> bytes:
    """The bytes under the agent's CID: canonical JSON, so that equal metadata has one CID.

    Raises:
        ToolUnfit: parameters of a tool above 32 KiB, or nested more than 32 levels deep.
        TextUnfit: a text has characters that nobody sees.
        ContentTooLarge: the document is above 256 KiB.
    """
    for tool in metadata.toolDefinitions:
        too_deep = is_deeper(tool.parameters, MAX_PARAMETERS_DEPTH)
        if too_deep or len(canonical_json(tool.parameters)) > MAX_PARAMETERS_BYTES:
            raise ToolUnfit("A tool's parameters are too large or too deep.", tool=tool.name)
    said = metadata.model_dump(mode="json", exclude_unset=True)  # what was not said is not in the document
    if (unseen := unseen_in_name(metadata.name) or unseen_in(said)) is not None:
        raise TextUnfit(unseen)
    whole = canonical_json(said)
    if len(whole) > MAX_DOCUMENT_BYTES:
        raise ContentTooLarge(MAX_DOCUMENT_BYTES)
    return whole


def read(data: bytes) -> AgentMetadata:
    """The metadata in a document that anybody may have stored.

    Raises `MetadataInvalid` for what would not have been taken at registration.
    """
    try:
        metadata = AgentMetadata.model_validate(read_json(data))
        document(metadata)
    except (ValueError, ToolUnfit, TextUnfit):  # pydantic's refusal is a ValueError
        raise MetadataInvalid("The document is no agent's metadata.") from None
    return metadata


def is_deeper(value: object, levels: int) -> bool:
    """Whether a JSON value is nested more than `levels` deep."""
    match value:
        case dict():
            items = cast("dict[str, object]", value).values()
        case list():
            items = cast("list[object]", value)
        case _:
            return False
    return levels == 0 or any(is_deeper(item, levels - 1) for item in items)
