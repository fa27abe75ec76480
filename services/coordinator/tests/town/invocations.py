"""Calls of agents by the adapter alone."""

from typing import Any

from mesh_coordinator.domain.selection import Candidate, Protocol
from mesh_coordinator.ports import Invocation

LIMIT_BYTES = 10_000
SIGNATURE = "0x" + "ab" * 65
KEY = "5f0c0f3e-0000-4000-8000-000000000001"
ESCROW = "0x" + "cd" * 32


def call(endpoint: str, protocol: Protocol, action: str = "WORK", **more: Any) -> Invocation:
    candidate = Candidate(
        agent_id="0x",
        token_id=1,
        name="agent",
        owner="0x",
        endpoint=endpoint,
        action=action,
        price_units=0,
        reputation=0.5,
        protocol=protocol,
    )
    told: dict[str, Any] = {
        "parameters": {"word": "hello"},
        "key": KEY,
        "escrow_id": None,
        "timeout_s": 10,
        "context": {},
    }
    return Invocation(candidate=candidate, **(told | more))
