"""What the use cases ask of foreign systems, in the domain's own words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol
from uuid import UUID

from mesh_deployer.domain.deployment import Lease, SecurityProfile
from mesh_deployer.domain.market import Bid, BidBook
from mesh_deployer.domain.workload import Group


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A workload looking for a provider. `requirements` must hold beside the group's own attributes."""

    id: UUID
    group: Group
    requirements: Mapping[str, str]
    deposit_uact: int


@dataclass(frozen=True, slots=True)
class Condition:
    """How the workload is: `uris` are the addresses at which it really answers."""

    phase: Literal["starting", "running", "exited"]
    note: str
    uris: tuple[str, ...] = ()


class Marketplace(Protocol):
    """Where providers bid for orders. Every verb may be repeated and then changes nothing.

    All of them raise `mesh_shared.errors.Unavailable` while the market cannot be reached.
    """

    async def capabilities(self, group: Group) -> str:
        """What running `group` here means, in a sentence. Raises a `CannotRun` when it cannot be run."""
        ...

    async def create(self, order: Order) -> None:
        """Opens the order and locks its deposit."""
        ...

    async def bids(self, order_id: UUID) -> BidBook:
        """The bids that have arrived so far. Raises `OrderNotOpen`."""
        ...

    async def accept(self, order_id: UUID, bid: Bid) -> Lease:
        """Leases the order to the bid's provider. Raises `BidLost`, `OrderNotOpen`."""
        ...

    async def send_manifest(self, order_id: UUID, group: Group) -> None:
        """Gives the provider what to run. Raises `ManifestTimeout`, `ManifestRefused`, `OrderNotOpen`."""
        ...

    async def status(self, order_id: UUID) -> Condition:
        """How the leased workload is. Raises `OrderNotOpen`."""
        ...

    async def close(self, order_id: UUID) -> int:
        """Ends whatever there is of the order; what its provider has earned of the deposit, in uact.

        An order that was never opened is ended as well: nobody has earned anything then.
        """
        ...

    async def held(self) -> Sequence[UUID]:
        """Every order of ours for which the market still holds something."""
        ...


class SecurityProfiles(Protocol):
    """Compiles security profiles; the gateway's part of a secure deployment."""

    async def compile(
        self, profile: str, framework: str, data_residency: str, deployment_id: UUID, group: Group
    ) -> SecurityProfile:
        """The policies and controls for `group`. Raises `SecurityProfileRefused`, `Unavailable`."""
        ...
