"""Agents as servers of the MCP registry: who is one, under which name, and in which versions."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from mesh_registry.domain.agents import Agent, Listing, told
from mesh_registry.domain.chain import Occurrence
from mesh_registry.domain.exports import Here, namespace

LATEST = "latest"
Position = tuple[int, int]
"""A server's token and its version: servers come as they were registered, and each from its oldest on."""
_VERSION = re.compile(r"([1-9][0-9]{0,17})\.0\.0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """Which servers are wanted.

    `updated_since` is in Unix seconds; `version` is the agent's, or None for any. Versions in which an agent
    is switched off count as deleted, and so do all of one that is off now. `is_latest`: present ones alone.
    """

    search: str | None = None
    updated_since: int | None = None
    version: int | None = None
    is_latest: bool = False
    with_deleted: bool = False


@dataclass(frozen=True, slots=True)
class Edition:
    """An agent that speaks MCP as it is or was in one of its versions; `updated_at` is in Unix seconds."""

    listing: Listing
    updated_at: int
    is_latest: bool = True

    @property
    def version(self) -> str:
        """As `server.json` has it."""
        return f"{self.listing.agent.version}.0.0"

    @property
    def position(self) -> Position:
        """Where it comes in a list."""
        return self.listing.agent.token_id, self.listing.agent.version

    def meets(self, sought: Sought) -> bool:
        """Whether it is wanted, its server being so."""
        return (
            sought.version in (None, self.listing.agent.version)
            and self.updated_at >= (sought.updated_since or 0)
            and (self.listing.agent.is_active or sought.with_deleted)
        )


def server_name(agent_id: str, here: Here) -> str:
    """`example.registry/0x…`: we prove our own host and nobody else's, so all names are under it."""
    return f"{namespace(here.url)}/{agent_id}"


def version_number(version: str) -> int | None:
    """The agent's version behind that of a server; None for one that no agent can have."""
    found = _VERSION.fullmatch(version)
    return None if found is None else int(found[1])


def past(agent: Agent, said: Sequence[Occurrence]) -> list[Agent]:
    """The agent at the end of each version, newest first, by what only its owner said, in order.

    Where the beginning is missing, so are the versions of which nothing tells where the document was. A
    transaction counts as a whole: its log names the new document before the new version.
    """
    versions: dict[int, Agent] = {}
    state = replace(agent, uri="", version=1)
    for _, together in groupby(said, key=lambda occurrence: occurrence.transaction_hash):
        state = told(state, list(together))
        versions[state.version] = state
    return [versions[version] for version in sorted(versions, reverse=True)]
