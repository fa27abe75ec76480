"""`ports` and `expose` of a compose file. After the Compose Specification, 05-services.md."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from mesh_deployer.domain import compose_lost
from mesh_deployer.domain.exposes import MAX_PORT
from mesh_deployer.domain.place import Place
from mesh_deployer.domain.workload import HTTP_PORT

MAX_RANGE = 100
_RANGE = r"[0-9]{1,5}(?:-[0-9]{1,5})?"
_SHORT = re.compile(
    r"(?:(?P<ip>[0-9]{1,3}(?:\.[0-9]{1,3}){3}|\[[0-9a-fA-F:]{2,39}\]):)?"
    rf"(?:(?P<published>{_RANGE})?:)?(?P<target>{_RANGE})(?:/(?P<protocol>tcp|udp))?"
)
_INSIDE = re.compile(rf"(?P<target>{_RANGE})(?:/(?P<protocol>tcp|udp))?")
_LONG = ("target", "published", "host_ip", "protocol", "app_protocol", "mode", "name")


@dataclass(frozen=True, slots=True)
class _Port:
    """One port of the container; `published` is the one outside, None where any will do."""

    target: int
    published: int | None = None
    protocol: str = "tcp"
    is_local: bool = False

    @property
    def has_random_port(self) -> bool:
        """True when Akash does not keep the port outside, as it does for HTTP."""
        return self.published is not None and (self.protocol == "udp" or self.published != HTTP_PORT)


def exposes(service: Place) -> list[dict[str, Any]]:
    """The ports as an SDL opens them: published ones to the world, the others to the placement."""
    public: dict[_Port, None] = {}
    inner: set[tuple[int, str]] = set()
    for item in service.at("ports").one_or_more():
        ports = list(_long(item) if item.is_mapping else _short(item, _SHORT))
        inner.update((port.target, port.protocol) for port in ports if port.is_local)
        public |= {port: None for port in ports if not port.is_local}
        _note_outside(item, ports)
    for item in service.at("expose").one_or_more():
        inner.update((port.target, port.protocol) for port in _short(item, _INSIDE))
    inner -= {(port.target, port.protocol) for port in public}
    return [*map(_public, public), *(_inner(*port) for port in sorted(inner))]


def _public(port: _Port) -> dict[str, Any]:
    outside = {"as": port.published} if port.published else {}
    return _inner(port.target, port.protocol) | outside | {"to": [{"global": True}]}


def _inner(target: int, protocol: str) -> dict[str, Any]:
    return {"port": target} | ({"proto": "udp"} if protocol == "udp" else {})


def _note_outside(place: Place, ports: Iterable[_Port]) -> None:
    port = next((p for p in ports if not p.is_local and p.has_random_port), None)
    if port is not None:
        hint = f'Publish it as "{HTTP_PORT}:{port.target}" when it speaks HTTP; TLS ends at the provider.'
        place.warn(
            "random-port", f"The provider chooses the port outside; {port.published} is not kept.", hint
        )


def _short(place: Place, form: re.Pattern[str]) -> Iterator[_Port]:
    match = form.fullmatch(place.text())
    if match is None:
        place.error("port", "This is no port.", 'Write "8080:80", or "80".')
        return
    found = match.groupdict()
    yield from _ports(place, found["target"], found.get("published"), found["protocol"], found.get("ip"))


def _long(place: Place) -> Iterator[_Port]:
    compose_lost.note(place, _LONG, {})
    target, published, ip, protocol, spoken = (
        place.at(key).text() for key in ("target", "published", "host_ip", "protocol", "app_protocol")
    )
    if not re.fullmatch(_RANGE, target) or (published and not re.fullmatch(_RANGE, published)):
        place.error("port", "This is no port.", "Write `target: 80` and `published: 8080`.")
    elif protocol not in ("", "tcp", "udp"):
        place.at("protocol").error("protocol", "The protocol is tcp or udp.", "Write `protocol: tcp`.")
    else:
        outside = str(HTTP_PORT) if spoken == "http" else published
        yield from _ports(place, target, outside, protocol, ip)


def _ports(
    place: Place, target: str, published: str | None, protocol: str | None, ip: str | None
) -> Iterator[_Port]:
    inside, outside = _numbers(target), _numbers(published or "")
    if outside and len(outside) != len(inside):
        place.error("port", "As many ports outside as inside are needed.", "Write two ranges of one length.")
    elif not inside or len(inside) > MAX_RANGE or not 1 <= min(inside) <= max(inside) <= MAX_PORT:
        place.error("port", f"At most {MAX_RANGE} ports between 1 and {MAX_PORT}.", "Write fewer, or others.")
    elif outside and not 1 <= min(outside) <= max(outside) <= MAX_PORT:
        place.error("port", f"A port is between 1 and {MAX_PORT}.", "Publish another one.")
    else:
        is_local = (ip or "").strip("[]") in ("127.0.0.1", "::1")
        if is_local:
            place.warn(
                "not-public", "The port is for this machine only.", "Leave the address out to publish it."
            )
        for number, port in enumerate(inside):
            yield _Port(port, outside[number] if outside else None, protocol or "tcp", is_local)


def _numbers(text: str) -> range:
    """The ports of `80` or `80-90`; none for an empty text."""
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1) if first else range(0)
