"""Puts the parts together. Imported when the Console is connected: not everybody needs a WebSocket."""

import httpx
from mesh_shared.database.engine import Database

from mesh_deployer.adapters.console.api import Console
from mesh_deployer.adapters.console.market import ConsoleMarketplace
from mesh_deployer.adapters.console.proxy import ProviderProxy


def connected(
    database: Database, http: httpx.AsyncClient, *, url: str, auth: httpx.Auth, proxy_url: str, may_exec: bool
) -> ConsoleMarketplace:
    """The market of the account at `url`, a connection of the gateway where `auth` is our session."""
    console = Console(http, url, auth)
    return ConsoleMarketplace(
        database=database, console=console, proxy=ProviderProxy(proxy_url), may_exec=may_exec
    )
