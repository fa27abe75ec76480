"""What is to run: the compiled form of an SDL."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

Attributes = tuple[tuple[str, str], ...]
HTTP_PORT = 80
MAX_UINT32 = 2**32 - 1


class Extra(StrEnum):
    """What a workload may ask for beyond containers, processors, memory, disk and ports."""

    GPUS = "GPUs"
    PROCESSOR = "a kind of processor"
    IPS = "leased IPs"
    CREDENTIALS = "registry credentials"
    TEE = "confidential computing"
    PERMISSIONS = "permissions on its deployment"


@dataclass(frozen=True, slots=True)
class Volume:
    """Storage of one replica; `attributes` are sorted by key, None where the SDL has none."""

    name: str
    size_bytes: int
    attributes: Attributes | None = None

    def attribute(self, key: str) -> str | None:
        """The attribute's value."""
        return next((value for name, value in self.attributes or () if name == key), None)

    @property
    def is_persistent(self) -> bool:
        """True when its content outlives a restart."""
        return self.attribute("persistent") == "true"


@dataclass(frozen=True, slots=True)
class Resources:
    """What one replica gets: thousandths of a CPU, bytes, volumes in the order of Akash's compiler."""

    cpu_millis: int
    memory_bytes: int
    volumes: tuple[Volume, ...]
    cpu_attributes: Attributes | None = None
    gpu_units: int = 0
    gpu_attributes: Attributes | None = None

    @property
    def storage_bytes(self) -> int:
        """The sum of the volumes."""
        return sum(volume.size_bytes for volume in self.volumes)


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """What the provider's ingress does; bytes and milliseconds. The defaults are Akash's (go/sdl/v2.go)."""

    max_body_size: int = 1048576
    proxy_buffer_size: int = 0
    read_timeout: int = 60000
    send_timeout: int = 60000
    next_tries: int = 3
    next_timeout: int = 0
    next_cases: tuple[str, ...] = ("error", "timeout")


@dataclass(frozen=True, slots=True)
class Expose:
    """A port, and for whom: the world when `is_global`, else the service named, else the whole group.

    `external_port` is 0 where the SDL names none; it is the same port then. `ip` is the name of the leased
    address on which it is open, and `ip_number` the number that Akash gives it in the deployment.
    """

    port: int
    external_port: int
    protocol: str
    service: str
    is_global: bool
    hosts: tuple[str, ...] | None
    http: HttpOptions
    ip: str = ""
    ip_number: int = 0

    @property
    def is_ingress(self) -> bool:
        """True when the provider serves it by HTTP under a host name (manifest/v2beta3/serviceexpose.go)."""
        is_http = self.protocol == "TCP" and (self.external_port or self.port) == HTTP_PORT
        return self.is_global and is_http


@dataclass(frozen=True, slots=True)
class Mount:
    """Where a volume appears in the container."""

    volume: str
    path: str
    is_read_only: bool


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a provider needs to pull the image from a private registry."""

    host: str
    email: str
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Params:
    """What a service asks of the machine that runs it.

    `permissions` are what it may read of its own deployment, None where the SDL says nothing of them. `tee`
    is the kind of confidential computing, empty for none.
    """

    mounts: tuple[Mount, ...] = ()
    permissions: tuple[str, ...] | None = None
    tee: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One container image, how often it runs, and what it may use.

    `command` replaces the image's entry point, `args` its arguments. None and an empty tuple are told apart
    because the hash does, and so are no `params` and empty ones. Services with one `resource_id` in a group
    share a unit of its order. `unit_price` is the most to pay for one replica, in the denomination of its
    group, per block.
    """

    name: str
    image: str
    command: tuple[str, ...] | None
    args: tuple[str, ...] | None
    env: tuple[str, ...] | None
    exposes: tuple[Expose, ...]
    params: Params | None = None
    credentials: Credentials | None = None
    resource_id: int
    resources: Resources
    count: int
    unit_price: Decimal

    @property
    def mounts(self) -> tuple[Mount, ...]:
        """Where its volumes appear."""
        return self.params.mounts if self.params else ()

    @property
    def is_public(self) -> bool:
        """True when the world can reach a port of it."""
        return any(expose.is_global for expose in self.exposes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The services of one placement, which run on one provider; auditors are None where none are named."""

    name: str
    attributes: Attributes | None
    any_of: tuple[str, ...] | None
    all_of: tuple[str, ...] | None
    denom: str
    services: tuple[Service, ...]

    @property
    def ceiling(self) -> Decimal:
        """The most to pay for the whole group per block."""
        return sum((s.unit_price * s.count for s in self.services), Decimal(0))

    @property
    def units(self) -> list[tuple[Resources, int]]:
        """What one replica gets and how many there are, by resource id; Go counts in 32 bits."""
        counts: dict[int, int] = {}
        for service in self.services:
            counts[service.resource_id] = (counts.get(service.resource_id, 0) + service.count) & MAX_UINT32
        used = {service.resource_id: service.resources for service in self.services}
        return [(used[id], count) for id, count in counts.items()]

    @property
    def shape(self) -> "Shape":
        """All that its replicas use together."""
        return Shape.of(self.services)


@dataclass(frozen=True, slots=True)
class Workload:
    """All that one deployment runs: its placements, in the order by which Akash numbers them from 1."""

    groups: tuple[Group, ...]

    @property
    def services(self) -> tuple[Service, ...]:
        """Those of every placement; one that is in several is there as often."""
        return tuple(service for group in self.groups for service in group.services)

    @property
    def numbered(self) -> Iterator[tuple[int, Group]]:
        """Each placement with its number, which Akash calls gseq."""
        return enumerate(self.groups, 1)

    @property
    def extras(self) -> list[Extra]:
        """What it asks for beyond containers, processors, memory, disk and ports; each once, sorted."""
        return sorted({extra for service in self.services for extra in _extras(service)})

    @property
    def images(self) -> tuple[str, ...]:
        """Every image that it needs, each once."""
        return tuple(dict.fromkeys(service.image for service in self.services))

    @property
    def shape(self) -> "Shape":
        """All that its replicas use together."""
        return Shape.of(self.services)


def _extras(service: Service) -> Iterator[Extra]:
    if service.resources.gpu_units:
        yield Extra.GPUS
    if service.resources.cpu_attributes:
        yield Extra.PROCESSOR
    if any(expose.ip for expose in service.exposes):
        yield Extra.IPS
    if service.credentials:
        yield Extra.CREDENTIALS
    if service.params and service.params.tee:
        yield Extra.TEE
    if service.params and service.params.permissions:
        yield Extra.PERMISSIONS


@dataclass(frozen=True, slots=True)
class Shape:
    """An amount of computing: thousandths of a CPU, bytes of memory, bytes of disk, and whole GPUs."""

    cpu_millis: int
    memory_bytes: int
    storage_bytes: int
    gpus: int = 0

    @classmethod
    def of(cls, services: Iterable[Service]) -> "Shape":
        """All that the replicas of `services` use together."""
        used = [(service.resources, service.count) for service in services]
        return cls(
            sum(each.cpu_millis * count for each, count in used),
            sum(each.memory_bytes * count for each, count in used),
            sum(each.storage_bytes * count for each, count in used),
            sum(each.gpu_units * count for each, count in used),
        )
