"""Puts the parts together. Imported when a chain is configured: not everybody needs protobuf and a curve."""

from decimal import Decimal
from pathlib import Path

import httpx
from mesh_shared.database.engine import Database

from mesh_deployer.adapters.akash.chain import Chain, Fees
from mesh_deployer.adapters.akash.gateway import ProviderGateway
from mesh_deployer.adapters.akash.market import AkashMarketplace
from mesh_deployer.adapters.akash.signer import Signer
from mesh_deployer.adapters.akash.wire import PROFILES


def connected(
    database: Database,
    http: httpx.AsyncClient,
    *,
    url: str,
    profile: str,
    key_file: Path,
    fee_denom: str,
    gas_price: Decimal,
    allow_private: bool,
    may_exec: bool,
) -> AkashMarketplace:
    """The market on the chain at `url`, paid for by the key in `key_file`. Raises `OSError`, `ValueError`."""
    signer = Signer.read(key_file)
    fees = Fees(denom=fee_denom, gas_price=gas_price)
    chain = Chain(http, url.rstrip("/"), PROFILES[profile], signer, fees)
    gateway = ProviderGateway(signer, allow_private=allow_private)
    return AkashMarketplace(database=database, chain=chain, gateway=gateway, may_exec=may_exec)
