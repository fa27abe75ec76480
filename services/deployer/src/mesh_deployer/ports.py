"""What the use cases ask of foreign systems, in the domain's own words."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from mesh_deployer.domain.deployment import Lease
from mesh_deployer.domain.drift import Observed
from mesh_deployer.domain.market import Bid, BidBook, CloseReason
from mesh_deployer.domain.security import SecurityProfile
from mesh_deployer.domain.workload import Group, Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A workload looking for a provider for each placement.

    `requirements` must hold beside a placement's own attributes. `number` is how often it has looked, this
    time included: a lost lease leads to the next. `kept` are the placements whose lease goes on meanwhile.
    """

    id: UUID
    workload: Workload
    requirements: Mapping[str, str]
    deposit_uact: int
    number: int = 1
    kept: frozenset[int] = frozenset()

    def attributes(self, group: Group) -> dict[str, str]:
        """All that must hold for a placement, sorted by name as a chain wants it."""
        return dict(sorted({**dict(group.attributes or ()), **self.requirements}.items()))


@dataclass(frozen=True, slots=True)
class Condition:
    """How the workload is: `uris` are the addresses at which it really answers.

    It has `exited` when its provider does not start it again by itself, be it that it ended too often.
    """

    phase: Literal["starting", "running", "exited"]
    note: str
    uris: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """How an order ended: why, by whoever came first, and what of the deposit does not come back."""

    reason: CloseReason
    spent_uact: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """A line that a replica of `service` in a placement wrote; `at` is None where nobody says."""

    service: str
    text: str
    at: datetime | None = None
    gseq: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What a command wrote and how it ended; `is_cut` when it wrote more than is kept."""

    exit_code: int
    stdout: str
    stderr: str
    is_cut: bool = False


class Marketplace(Protocol):
    """Where providers bid for orders. Every verb may be repeated and then changes nothing.

    All of them raise `mesh_shared.errors.Unavailable` while the market cannot be reached. Those that need
    an order raise `OrderNotOpen` when it was never opened or is closed, and once it was opened

    - `LeaseLost` when a provider has closed its lease: the order may be created with its next number,
    - `InsufficientFunds` when the deposit was used up and the market has closed the order.
    """

    async def capabilities(self, workload: Workload) -> str:
        """What running `workload` here means, in a sentence. Raises a `CannotRun` when it cannot be run."""
        ...

    async def quote(self, order: Order) -> BidBook:
        """Who would bid for `order`, and who would not and why. Opens nothing and locks nothing."""
        ...

    async def create(self, order: Order) -> None:
        """Opens the order and locks its deposit, one for all placements.

        A later number asks for bids anew, on the same deposit, for the placements that have no lease.

        Raises `OrderRefused` when the market does not take it.
        """
        ...

    async def bids(self, order_id: UUID) -> BidBook:
        """The bids that have arrived so far, for the placements that have no lease."""
        ...

    async def accept(self, order_id: UUID, bids: Sequence[Bid]) -> Sequence[Lease]:
        """Leases every placement to the provider of its bid, or none; those that are leased so stay so.

        `bids` has one for each placement, and so has what comes back, both by number. Raises `BidLost`.
        """
        ...

    async def send_manifest(self, order_id: UUID, workload: Workload) -> None:
        """Gives every provider what to run; another manifest than before takes its place.

        Raises `ManifestTimeout`, and `ManifestRefused` for one that a provider does not start or that
        asks for other resources than were leased.
        """
        ...

    async def status(self, order_id: UUID) -> Condition:
        """How the leased workload is: it runs when all of its placements do."""
        ...

    async def observed(self, order_id: UUID) -> Sequence[Observed]:
        """What of the workload is there, as far as it is reported; empty where nothing is."""
        ...

    async def deposit(self, order_id: UUID, total_uact: int) -> None:
        """Tops the deposit up to `total_uact` in all since it was opened; never takes from it."""
        ...

    async def close(self, order_id: UUID) -> Closed:
        """Ends whatever there is of the order. One that was never opened is ended too, and cost nothing."""
        ...

    async def held(self) -> Sequence[UUID]:
        """Every order of ours for which the market still holds something."""
        ...

    def logs(self, order_id: UUID, *, tail: int, follow: bool) -> AsyncIterator[LogLine]:
        """The last `tail` lines of every replica, and when `follow` all later ones until it has ended.

        Raises `NotOffered` where a market shows none.
        """
        ...

    async def exec(self, order_id: UUID, service: str, command: Sequence[str]) -> Output:
        """Runs `command` beside the first replica of `service`, in the first placement that has it.

        Raises `NotOffered`, `ServiceUnknown`.
        """
        ...


class SecurityProfiles(Protocol):
    """Compiles security profiles; the gateway's part of a secure deployment."""

    async def compile(
        self, profile: str, framework: str, data_residency: str, deployment_id: UUID, workload: Workload
    ) -> SecurityProfile:
        """The policies and controls for `workload`. Raises `SecurityProfileRefused`, `Unavailable`."""
        ...
