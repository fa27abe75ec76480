"""Writes an SDL 2.0 for one service."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import yaml

from mesh_deployer.domain import environment
from mesh_deployer.domain.quantities import spelled
from mesh_deployer.domain.workload import HTTP_PORT
from mesh_deployer.errors import SecretInSdl

PLACEMENT = "dcloud"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """One service in plain words: thousandths of a CPU, bytes, the most to pay per replica and block."""

    name: str
    image: str
    env: Mapping[str, str]
    port: int
    cpu_millis: int
    memory_bytes: int
    storage_bytes: int
    replicas: int
    max_price_uact_per_block: Decimal


def generate_sdl(config: Config) -> str:
    """`config` as an SDL 2.0 that compiles: its port open to the world as port 80, placed on `dcloud`.

    Raises `SecretInSdl` when a variable would show its secret to every provider.
    """
    entries = [f"{name}={value}" for name, value in config.env.items()]
    if names := environment.exposed_secrets(entries):
        raise SecretInSdl(names)
    document = {
        "version": "2.0",
        "services": {config.name: _service(config, entries)},
        "profiles": {
            "compute": {config.name: {"resources": _resources(config)}},
            "placement": {PLACEMENT: {"pricing": {config.name: _price(config)}}},
        },
        "deployment": {config.name: {PLACEMENT: {"profile": config.name, "count": config.replicas}}},
    }
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=10_000)


def _service(config: Config, env: list[str]) -> dict[str, Any]:
    expose = {"port": config.port, "as": HTTP_PORT, "to": [{"global": True}]}
    return {"image": config.image} | ({"env": env} if env else {}) | {"expose": [expose]}


def _resources(config: Config) -> dict[str, Any]:
    return {
        "cpu": {"units": f"{config.cpu_millis}m"},
        "memory": {"size": spelled(config.memory_bytes)},
        "storage": {"size": spelled(config.storage_bytes)},
    }


def _price(config: Config) -> dict[str, Any]:
    return {"denom": "uact", "amount": f"{config.max_price_uact_per_block:f}"}
