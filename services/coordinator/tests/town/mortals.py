"""Coordinators in processes of their own, which can be killed, stopped and started again."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mesh_cli import parts
from mesh_cli.zygote import Life, Zygote

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from towns import Town


@dataclass(slots=True)
class Coordinator:
    """A coordinator that lives again and again, at one address, in one folder."""

    zygote: Zygote
    environment: dict[str, str]
    folder: Path
    silence_s: float = 15
    """After which a frozen one loses its roles."""

    async def begin(self, dies_after: int | None) -> Life:
        start = partial(self.zygote.start, dies_after=dies_after, silence_s=self.silence_s)
        return await asyncio.to_thread(start, self.environment, self.folder / "log")


@asynccontextmanager
async def mortal(environment: dict[str, str], folder: Path) -> AsyncGenerator[Coordinator, None]:
    zygote = Zygote(str(Path(__file__).parents[1] / "lives.py"))
    try:
        yield Coordinator(zygote, environment, folder)
    finally:
        zygote.close()


def settings(database_url: str, state_dir: Path, redis_url: str, town: Town) -> dict[str, str]:
    """The settings of one that lives in `town`."""
    return {
        "MESH_PORT": str(parts.free_port()),
        "MESH_STATE_DIR": str(state_dir),
        "MESH_DATABASE_URL": database_url,
        "MESH_REDIS_URL": redis_url,
        "MESH_CHAIN_RPC_URL": town.chain.url,
        "MESH_CONTRACTS_FILE": str(town.chain.contracts_file),
        "MESH_GATEWAY_URL": f"{town.url}/gateway",
        "MESH_REGISTRY_URL": f"{town.url}/registry",
        "MESH_ALLOW_PRIVATE_AGENTS": "true",
        "MESH_LEDGER_PERIOD_S": "0.5",
        "MESH_LOG_LEVEL": "WARNING",
    }
