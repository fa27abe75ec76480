"""Writes an SDL 2.0 for one service."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import yaml

from mesh_deployer.domain import secrecy
from mesh_deployer.domain.quantities import spelled
from mesh_deployer.domain.sdl import compile_sdl
from mesh_deployer.domain.workload import HTTP_PORT, Workload

PLACEMENT = "dcloud"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """One service in plain words: thousandths of a CPU, bytes, the most to pay per replica and block.

    `command` and `args` are as in `Service`; None where the image's own are meant.
    """

    name: str
    image: str
    command: Sequence[str] | None = None
    args: Sequence[str] | None = None
    env: Mapping[str, str]
    port: int
    cpu_millis: int
    memory_bytes: int
    storage_bytes: int
    replicas: int
    max_price_uact_per_block: Decimal


def generate_sdl(config: Config) -> str:
    """`config` as an SDL 2.0 that compiles: its port open to the world as port 80, placed on `dcloud`.

    Raises `SecretInSdl` when it would show a secret to every provider, and `SdlInvalid` when it is too long.
    """
    document = {
        "version": "2.0",
        "services": {config.name: _service(config)},
        "profiles": {
            "compute": {config.name: {"resources": _resources(config)}},
            "placement": {PLACEMENT: {"pricing": {config.name: _price(config)}}},
        },
        "deployment": {config.name: {PLACEMENT: {"profile": config.name, "count": config.replicas}}},
    }
    # ASCII, because PyYAML folds the other line breaks of Unicode (U+0085, U+2028) into blanks
    sdl = yaml.safe_dump(document, sort_keys=False, allow_unicode=False, width=10_000)
    secrecy.forbid(Workload(compile_sdl(sdl).deployed()))
    return sdl


def _service(config: Config) -> dict[str, Any]:
    parts: dict[str, Any] = {
        "image": config.image,
        "command": config.command and list(config.command),
        "args": config.args and list(config.args),
        "env": [f"{name}={value}" for name, value in config.env.items()],
        "expose": [{"port": config.port, "as": HTTP_PORT, "to": [{"global": True}]}],
    }
    return {name: part for name, part in parts.items() if part}


def _resources(config: Config) -> dict[str, Any]:
    return {
        "cpu": {"units": f"{config.cpu_millis}m"},
        "memory": {"size": spelled(config.memory_bytes)},
        "storage": {"size": spelled(config.storage_bytes)},
    }


def _price(config: Config) -> dict[str, Any]:
    return {"denom": "uact", "amount": f"{config.max_price_uact_per_block:f}"}
