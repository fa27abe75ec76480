"""What is to run: the compiled form of an SDL."""

from dataclasses import dataclass
from decimal import Decimal

Attributes = tuple[tuple[str, str], ...]
HTTP_PORT = 80


@dataclass(frozen=True, slots=True)
class Volume:
    """Storage of one replica; `attributes` are sorted by key, None where the SDL has none."""

    name: str
    size_bytes: int
    attributes: Attributes | None = None

    def attribute(self, key: str) -> str | None:
        """The attribute's value."""
        return dict(self.attributes or ()).get(key)

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

    `external_port` is 0 where the SDL names none; it is the same port then.
    """

    port: int
    external_port: int
    protocol: str
    service: str
    is_global: bool
    hosts: tuple[str, ...] | None
    http: HttpOptions

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One container image, how often it runs, and what it may use.

    `command` replaces the image's entry point, `args` its arguments. None and an empty tuple are told apart
    because the hash does. `mounts` is None where the SDL has no `params`. `unit_price` is the most to pay
    for one replica, in the denomination of its group, per block.
    """

    name: str
    image: str
    command: tuple[str, ...] | None
    args: tuple[str, ...] | None
    env: tuple[str, ...] | None
    exposes: tuple[Expose, ...]
    mounts: tuple[Mount, ...] | None
    resource_id: int
    resources: Resources
    count: int
    unit_price: Decimal

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
    def images(self) -> tuple[str, ...]:
        """Every image that it needs, each once."""
        return tuple(dict.fromkeys(service.image for service in self.services))

    @property
    def shape(self) -> "Shape":
        """All that its replicas use together."""
        return Shape(
            sum(s.resources.cpu_millis * s.count for s in self.services),
            sum(s.resources.memory_bytes * s.count for s in self.services),
            sum(s.resources.storage_bytes * s.count for s in self.services),
        )


@dataclass(frozen=True, slots=True)
class Shape:
    """An amount of computing: thousandths of a CPU, bytes of memory, bytes of disk."""

    cpu_millis: int
    memory_bytes: int
    storage_bytes: int
