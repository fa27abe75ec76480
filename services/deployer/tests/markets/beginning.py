"""A deployment that was just accepted, from which tests of rules go on."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from mesh_deployer.domain.deployment import Deadlines, Deployment
from mesh_deployer.domain.market import Placement, Terms
from mesh_deployer.domain.workload import Shape
from mesh_deployer.schemas.sdl import HELLO

NOW = datetime(2026, 11, 23, tzinfo=UTC)
ACCEPTED = Deployment(
    id=UUID(int=1),
    owner="tester",
    request_digest="d",
    provider="simulated",
    provider_reason="asked for",
    sdl=HELLO,
    version_hash="h",
    shape=Shape(100, 2**27, 2**29),
    terms=Terms(
        reputation_floor=Decimal(0),
        placements=(Placement(name="dcloud", ceiling_uact_per_block=Decimal(100)),),
    ),
    deposit_uact=500_000,
    deadlines=Deadlines(bid_window_s=5, bid_s=300, start_s=200),
    created_at=NOW,
)
