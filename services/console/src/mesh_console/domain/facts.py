"""The events of the mesh as its AsyncAPI document declares them, for people."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Field:
    """One value that an event carries; `kind` is its type in words."""

    name: str
    kind: str
    is_required: bool
    description: str


@dataclass(frozen=True, slots=True)
class Fact:
    """One type of event."""

    topic: str
    summary: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Channel:
    """What one service publishes, and the Redis channel where it does."""

    service: str
    address: str
    facts: tuple[Fact, ...]


def channels(document: Mapping[str, Any]) -> list[Channel]:
    """Each service's events, from an AsyncAPI 3.0 document (https://www.asyncapi.com/docs/reference/specification/v3.0.0)."""
    messages = document["components"]["messages"]
    return [
        Channel(service, channel["address"], tuple(_fact(messages[topic]) for topic in channel["messages"]))
        for service, channel in document["channels"].items()
    ]


def _fact(message: Mapping[str, Any]) -> Fact:
    data = message["payload"]["properties"]["data"]
    return Fact(message["name"], message["summary"], tuple(_fields(data)))


def _fields(schema: Mapping[str, Any]) -> Iterator[Field]:
    required = schema.get("required", ())
    for name, value in schema.get("properties", {}).items():
        yield Field(name, kind(value), name in required, value.get("description", ""))


def kind(schema: Mapping[str, Any]) -> str:
    """What a JSON Schema lets a value be, in words."""
    match schema:
        case {"$ref": str(reference)}:
            words = reference.rpartition("/")[2]
        case {"anyOf": options}:
            words = " or ".join(map(kind, options))
        case {"const": value}:
            words = repr(value)
        case {"enum": values}:
            words = " or ".join(map(repr, values))
        case {"type": "array", "items": items}:
            words = f"list of {kind(items)}"
        case {"type": str(name), "format": str(form)}:
            words = f"{name} ({form})"
        case _:
            words = str(schema.get("type", "anything"))
    return words
