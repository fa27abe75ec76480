"""What we read of the chain's answers. Both lines of Akash fit: they name the same things differently."""

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Annotated, Any, TypeVar, cast

from mesh_shared.wire import ReadModel
from pydantic import AliasChoices, Base64Bytes, Field, field_validator

from mesh_deployer.domain.drift import Observed
from mesh_deployer.domain.market import BidId, CloseReason
from mesh_deployer.ports import Condition, LogLine

Host = Annotated[str, Field(max_length=300, pattern=r"^[A-Za-z0-9._:\[\]/-]+$")]
MAX_LINE = 4096
_REASON = "lease_closed_reason_"
_REPLICA = re.compile(r"(-[0-9a-f]{6,10}-[0-9a-z]{5}|-\d+)$")


class CoinView(ReadModel):
    denom: str
    amount: Decimal


class IdView(ReadModel):
    """The id of a group, order, bid or lease, as far as it goes."""

    owner: str
    dseq: int
    gseq: int = 1
    oseq: int = 0
    provider: str = ""

    @property
    def bid(self) -> BidId:
        """Which bid, or lease, of its deployment it is."""
        return self.gseq, self.provider

    @property
    def path(self) -> str:
        """A lease's part of its provider's addresses."""
        return f"/lease/{self.dseq}/{self.gseq}/{self.oseq}"

    @property
    def fields(self) -> dict[str, Any]:
        """As a message has it."""
        return {
            "owner": self.owner,
            "dseq": self.dseq,
            "gseq": self.gseq,
            "oseq": self.oseq,
            "provider": self.provider,
        }


class GroupView(ReadModel):
    id: IdView = Field(validation_alias=AliasChoices("id", "group_id"))
    state: str


class EscrowView(ReadModel):
    """`transferred` is what providers have got when it was last settled, `balance` what is left of it."""

    state: str
    balance: Decimal
    transferred: Decimal
    settled_at: int

    @classmethod
    def flat(cls, body: dict[str, Any]) -> dict[str, Any]:
        """One form of both: the present line has lists, one level deeper."""
        inner: dict[str, Any] = body["state"] if isinstance(body.get("state"), dict) else body
        return {
            "state": inner["state"],
            "settled_at": inner["settled_at"],
            "transferred": _sum(inner["transferred"]),
            "balance": _sum(inner["funds"]) + _sum(inner.get("balance", [])),
        }

    @property
    def deposited(self) -> Decimal:
        """All that was ever put in."""
        return self.balance + self.transferred


class DeploymentView(ReadModel):
    state: str
    version: Base64Bytes = Field(validation_alias=AliasChoices("hash", "version"))


class Funded(ReadModel):
    """Whatever has an escrow account, in either form."""

    escrow_account: EscrowView

    @field_validator("escrow_account", mode="before")
    @classmethod
    def _flat(cls, value: Any) -> Any:
        try:
            return EscrowView.flat(value)
        except (TypeError, KeyError, AttributeError, ArithmeticError):
            raise ValueError("not an escrow account") from None


class DeploymentAnswer(Funded):
    deployment: DeploymentView
    groups: list[GroupView] = Field(max_length=50)


class OrderView(ReadModel):
    id: IdView = Field(validation_alias=AliasChoices("id", "order_id"))
    state: str


class BidView(ReadModel):
    id: IdView = Field(validation_alias=AliasChoices("id", "bid_id"))
    state: str
    price: CoinView


class LeaseView(ReadModel):
    """`reason` is empty where the chain does not know it."""

    id: IdView = Field(validation_alias=AliasChoices("id", "lease_id"))
    state: str
    price: CoinView
    created_at: int
    closed_on: int = 0
    reason: str = ""

    @property
    def name(self) -> str:
        """As Akash writes it: owner, deployment, placement, order and provider."""
        id = self.id
        return f"{id.owner}/{id.dseq}/{id.gseq}/{id.oseq}/{id.provider}"

    def why(self, has_manifest: bool) -> CloseReason:
        """Why its provider has closed it, as far as the chain or the order of things tells."""
        said = self.reason.removeprefix(_REASON)
        if said in set(CloseReason):
            return CloseReason(said)
        return CloseReason.UNSPECIFIED if has_manifest else CloseReason.MANIFEST_TIMEOUT


LeaseT = TypeVar("LeaseT", bound=LeaseView)


def current(leases: Iterable[LeaseT]) -> dict[int, LeaseT]:
    """The last lease of each placement, whatever has become of it."""
    return {lease.id.gseq: lease for lease in sorted(leases, key=lambda lease: lease.id.oseq)}


def active(leases: Iterable[LeaseT]) -> dict[int, LeaseT]:
    """The lease of each placement that has one, by number."""
    return {gseq: lease for gseq, lease in sorted(current(leases).items()) if lease.state == "active"}


class BidAnswer(ReadModel):
    bid: BidView


class LeaseAnswer(ReadModel):
    lease: LeaseView


class PairView(ReadModel):
    key: str
    value: str


class ProviderView(ReadModel):
    owner: str
    host_uri: str
    attributes: list[PairView] = Field(max_length=500)

    @property
    def said(self) -> dict[str, str]:
        """Its attributes: its own word."""
        return {pair.key: pair.value for pair in self.attributes}


class CertificateView(ReadModel):
    cert: Base64Bytes


class CertificateAnswer(ReadModel):
    certificate: CertificateView


class ServiceState(ReadModel):
    available: int = Field(default=0, ge=0)
    total: int = Field(default=0, ge=0)
    uris: list[Host] | None = Field(default=None, max_length=50)


class PortState(ReadModel):
    host: Host = ""
    externalPort: int = Field(ge=1, le=65535)
    proto: str = Field(default="TCP", pattern="^(TCP|UDP)$")


class LeaseState(ReadModel):
    """What a provider says of a lease."""

    services: dict[str, ServiceState] = Field(max_length=100)
    forwarded_ports: dict[str, list[PortState]] | None = Field(default=None, max_length=100)

    @property
    def is_running(self) -> bool:
        """True when every replica is there."""
        return bool(self.services) and all(s.total and s.available >= s.total for s in self.services.values())

    @property
    def uris(self) -> tuple[str, ...]:
        """Where it says that the workload answers."""
        hosts = [host for service in self.services.values() for host in service.uris or ()]
        ports = [port for several in (self.forwarded_ports or {}).values() for port in several]
        return (
            *(f"http://{host}" for host in hosts),
            *(f"{port.proto.lower()}://{port.host}:{port.externalPort}" for port in ports if port.host),
        )


class LineView(ReadModel):
    """A line of a log, and the pod whose it is."""

    name: str
    message: str

    def line(self, gseq: int) -> LogLine:
        """As a line of the service: for its pods, Kubernetes adds a set and a replica, or a number."""
        return LogLine(service=_REPLICA.sub("", self.name), text=self.message[:MAX_LINE], gseq=gseq)


def observed(gseq: int, state: LeaseState | None) -> list[Observed]:
    """A lease's services; a provider says how many replicas there are, and nothing of what they are."""
    services = state.services if state else {}
    return [Observed(gseq=gseq, service=name, replicas=s.available) for name, s in services.items()]


def condition(providers: Sequence[str], states: Sequence[LeaseState | None]) -> Condition:
    """How a workload is whose leases are with `providers`, of whom each has said a state or nothing."""
    running = [state for state in states if state is not None and state.is_running]
    if len(running) < len(providers):
        return Condition("starting", "The provider has not started all of it.")
    uris = tuple(uri for state in running for uri in state.uris)
    return Condition("running", f"{' and '.join(dict.fromkeys(providers))} runs it.", uris)


def _sum(coins: Any) -> Decimal:
    """An amount, or several of one denomination."""
    several = cast("list[dict[str, Any]]", coins if isinstance(coins, list) else [coins])
    return sum((Decimal(coin["amount"]) for coin in several), Decimal(0))
