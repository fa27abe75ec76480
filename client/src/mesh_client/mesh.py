"""The mesh as one object: five services, one key."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import httpx

from mesh_client.analyzer import Analyzer
from mesh_client.channel import Channel, Patience
from mesh_client.coordinator import Coordinator
from mesh_client.deployer import Deployer
from mesh_client.gateway import Gateway
from mesh_client.registry import Registry
from mesh_client.sessions import SessionAuth, Sessions

HOST = "http://127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where the services are; by default where `make dev` and `make up` put them."""

    registry: str = f"{HOST}:8371"
    coordinator: str = f"{HOST}:8372"
    deployer: str = f"{HOST}:8373"
    gateway: str = f"{HOST}:8374"
    analyzer: str = f"{HOST}:8375"

    @classmethod
    def row(cls, first_port: int, host: str = HOST) -> Self:
        """The addresses that `mesh dev --first-port` gives."""
        urls = [f"{host}:{first_port + place}" for place in range(1, 6)]
        return cls(registry=urls[0], coordinator=urls[1], deployer=urls[2], gateway=urls[3], analyzer=urls[4])


@dataclass(frozen=True, slots=True, kw_only=True)
class Mesh:
    """The five services, each with what a caller may wish of it."""

    registry: Registry
    coordinator: Coordinator
    deployer: Deployer
    gateway: Gateway
    analyzer: Analyzer

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, key: str | Path, addresses: Addresses | None = None, *, patience: Patience | None = None
    ) -> AsyncGenerator[Self, None]:
        """A mesh to talk to; `key` is an API key of its gateway, or the file that holds one.

        Nothing is asked before the first call. No proxy is read from the environment, no redirect followed.
        """
        at, patience = addresses or Addresses(), patience or Patience()
        async with httpx.AsyncClient(trust_env=False, follow_redirects=False) as http:
            sessions = Sessions(http, at.gateway, key)

            def channel(url: str, audience: str) -> Channel:
                return Channel(http, url, SessionAuth(sessions, audience), patience)

            yield cls(
                registry=Registry(channel(at.registry, "registry")),
                coordinator=Coordinator(channel(at.coordinator, "coordinator")),
                deployer=Deployer(channel(at.deployer, "deployer")),
                gateway=Gateway(channel(at.gateway, "security-gateway")),
                analyzer=Analyzer(channel(at.analyzer, "workspace-analyzer")),
            )
