"""How an agent is reached: at its endpoint, or through the gateway when a call there needs a credential."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp
from mesh_shared.agents.gateway import AUDIENCE as GATEWAY
from mesh_shared.agents.gateway import proxied


@dataclass(frozen=True, slots=True)
class Way:
    """`url` stands for the agent's endpoint, `base` for its origin `home`; our token is for `audience`."""

    url: str
    audience: str
    session: aiohttp.ClientSession
    home: str
    base: str

    def at(self, url: str) -> str | None:
        """What stands for another address of the same origin; None for one that is elsewhere."""
        return f"{self.base}{url.removeprefix(self.home)}" if origin(url) == self.home else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """`connections` names the gateway's connection for an endpoint; every other one is called itself.

    Whole endpoints: an origin has room for strangers too, for whom our credential would work.
    Who is paid, judged and rated is the same either way. `strangers` checks addresses at the socket; the
    gateway, which checks those of its origins, may be on a private address.
    """

    strangers: aiohttp.ClientSession
    gateway: aiohttp.ClientSession
    gateway_url: str
    connections: Mapping[str, str]

    def to(self, endpoint: str) -> Way:
        home = origin(endpoint)
        if (connection := self.connections.get(endpoint)) is None:
            return Way(endpoint, home, self.strangers, home, home)
        base = proxied(self.gateway_url, connection)
        return Way(f"{base}{endpoint.removeprefix(home)}", GATEWAY, self.gateway, home, base)


def origin(endpoint: str) -> str:
    """`scheme://host[:port]` of an address."""
    parts = urlsplit(endpoint)
    return f"{parts.scheme}://{parts.netloc}"
