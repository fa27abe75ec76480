"""Agents as entries of an AI catalog (Agentic Resource Discovery 0.5)."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from mesh_registry.domain.agents import Listing
from mesh_registry.domain.exports import JSON, Here, namespace
from mesh_registry.domain.metadata import A2A
from mesh_registry.domain.registration_files import ForeignMetadata
from mesh_registry.domain.reputation import PPM
from mesh_registry.domain.search import FIRST_PPM

Entry = dict[str, Any]
CARD = "application/a2a-agent-card+json"
REGISTRY = "application/ai-registry+json"
FULL = 100
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOST_QUERIES = 5


def entry(listing: Listing, here: Here) -> Entry:
    """A listed agent whose document is known; its card is at `url`."""
    agent, metadata = listing.agent, listing.document.metadata
    name, description = (metadata.name, metadata.description) if metadata else (agent.agent_id, "")
    names = listing.capabilities
    queries = [f"Find an agent that offers {capability}." for capability in names[: MOST_QUERIES - 1]]
    return {
        "identifier": f"urn:air:{namespace(here.url)}:agents:{agent.agent_id}",
        "displayName": name,
        **_artifact(listing, here),
        "description": description,
        "tags": metadata.spoken if metadata else [],
        "capabilities": names,
        "representativeQueries": [f"Who is {name}?", *(queries or [f"What can {name} do?"])],
        "version": f"{agent.version}.0.0",
        "updatedAt": (EPOCH + timedelta(seconds=agent.stated_at)).isoformat(),
        "metadata": {"reputation": agent.standing.reputation_ppm / PPM, "stake": str(agent.stake_units)},
        "trustManifest": {"identity": agent.did, "identityType": "did"},
    }


def _artifact(listing: Listing, here: Here) -> Entry:
    """Where the agent's card is; agents of other networks keep it themselves, or have only a file."""
    ours, metadata = f"{here.url}/v1/agents/{listing.agent.agent_id}", listing.document.metadata
    if not isinstance(metadata, ForeignMetadata):
        return {"type": CARD, "url": f"{ours}/agent-card.json"}
    if (card := metadata.registration.address(A2A)) is not None:
        return {"type": CARD, "url": card}
    return {"type": JSON, "url": f"{ours}/erc8004.json"}


def itself(here: Here, title: str, description: str) -> Entry:
    """The registry as an entry, so that who crawls catalogs finds its search."""
    return {
        "identifier": f"urn:air:{namespace(here.url)}:registry:agents",
        "displayName": title,
        "type": REGISTRY,
        "url": here.url,
        "description": description,
        "representativeQueries": ["Find an agent that can do a task.", "Which agents are best rated?"],
    }


def result(listing: Listing, here: Here) -> Entry:
    """The entry as a search's result; `score` is how near it is, 100 for the first in every ranking."""
    nearness = listing.match.score_ppm if listing.match else 0
    score = max(0, min(FULL, nearness * FULL // FIRST_PPM))
    return entry(listing, here) | {"score": score, "source": here.url}


def fits(entry: Entry, wanted: Mapping[str, str | Sequence[str]]) -> bool:
    """Whether each of the fields at the dotted paths in `wanted` has one of the values wanted there."""
    return all(
        {values} & found if isinstance(values, str) else set(values) & found
        for path, values in wanted.items()
        for found in [set(_values(entry, path))]
    )


def buckets(entries: Iterable[Entry], path: str) -> list[tuple[str, int]]:
    """How many entries have each value at a dotted path, the most frequent first."""
    counts = Counter(value for entry in entries for value in set(_values(entry, path)))
    return sorted(counts.items(), key=lambda bucket: (-bucket[1], bucket[0]))


def _values(entry: Entry, path: str) -> list[str]:
    """What is at a path, through lists; `publisher` is a part of the identifier (§7.1)."""
    if path == "publisher":
        return [entry["identifier"].split(":")[2]]
    found: list[Any] = [entry]
    for step in path.split("."):
        inside = (cast("dict[str, Any]", value).get(step) for value in found if isinstance(value, dict))
        found = [item for value in inside for item in _items(value)]
    return [str(item) for item in found if isinstance(item, str | int | float)]


def _items(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else [value]
