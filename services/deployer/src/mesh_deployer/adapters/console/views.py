"""What we read of the Console's answers (akash-network/console, apps/api/swagger/openapi.json)."""

from collections.abc import Mapping
from decimal import Decimal

from mesh_shared.wire import ReadModel
from pydantic import Base64Bytes, Field

from mesh_deployer.adapters.akash.views import (
    BidAnswer,
    Funded,
    IdView,
    LeaseState,
    LeaseView,
    PairView,
    active,
    current,
)

UNKNOWN_REPUTATION = Decimal("0.5")
"""Of a provider that the Console has not watched for long."""


class Lease(LeaseView):
    """`status` is the provider's own word, null while it gives none."""

    status: LeaseState | None = None


class DeploymentState(ReadModel):
    id: IdView
    state: str
    hash: Base64Bytes


class Deployment(Funded):
    """A deployment of the account. Its groups are not shown."""

    deployment: DeploymentState
    leases: list[Lease] = Field(max_length=1_000)

    @property
    def dseq(self) -> int:
        return self.deployment.id.dseq

    @property
    def version(self) -> str:
        """The hash of its manifest, in hex."""
        return self.deployment.hash.hex()

    @property
    def is_active(self) -> bool:
        return self.deployment.state == "active"

    @property
    def current(self) -> dict[int, Lease]:
        """The last lease of each placement, whatever has become of it."""
        return current(self.leases)

    @property
    def active(self) -> dict[int, Lease]:
        """The lease of each placement that has one."""
        return active(self.leases)

    @property
    def lost(self) -> list[Lease]:
        """Those that are closed while the deployment is not."""
        return [lease for lease in self.current.values() if lease.state != "active"]


class DeploymentAnswer(ReadModel):
    data: Deployment


class Pagination(ReadModel):
    hasMore: bool


class DeploymentPage(ReadModel):
    deployments: list[Deployment] = Field(max_length=1_000)
    pagination: Pagination


class DeploymentPageAnswer(ReadModel):
    data: DeploymentPage


class Created(ReadModel):
    dseq: int = Field(gt=0, lt=2**53)


class CreatedAnswer(ReadModel):
    data: Created


class Token(ReadModel):
    token: str = Field(max_length=10_000, repr=False)


class TokenAnswer(ReadModel):
    data: Token


class BidsAnswer(ReadModel):
    data: list[BidAnswer] = Field(max_length=1_000)


class Provider(ReadModel):
    """`uptime30d` is the share of the last thirty days in which the Console has met it."""

    owner: str
    hostUri: str
    isOnline: bool = True
    uptime30d: float | None = Field(default=None, ge=0, le=1)
    leaseCount: int | None = Field(default=None, ge=0)
    attributes: list[PairView] = Field(default=[], max_length=500)

    @property
    def said(self) -> Mapping[str, str]:
        """Its attributes: its own word."""
        return {pair.key: pair.value for pair in self.attributes}

    @property
    def reputation(self) -> Decimal:
        """0 to 1."""
        return UNKNOWN_REPUTATION if self.uptime30d is None else round(Decimal(self.uptime30d), 4)
