"""`services.<name>.expose`: which ports are open, and for whom. After chain-sdk's go/sdl/{expose,v2}.go."""

import re
from collections.abc import Mapping

from mesh_deployer.domain.gosort import sort
from mesh_deployer.domain.place import Place
from mesh_deployer.domain.workload import Expose, HttpOptions

MAX_PORT = 65535
_EXPOSE = ("port", "as", "proto", "to", "accept", "http_options")
_TO = ("service", "global", "ip", "http_options")
_HTTP = (
    "max_body_size",
    "proxy_buffer_size",
    "read_timeout",
    "send_timeout",
    "next_tries",
    "next_timeout",
    "next_cases",
)
_NEXT_CASES = frozenset({"error", "timeout", "500", "502", "503", "504", "403", "404", "429", "off"})
_MAX_BODY, _MAX_BUFFER, _MAX_TIMEOUT = 104857600, 1048576, 60000
_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def read(place: Place, sequence: Mapping[str, int]) -> tuple[Expose, ...]:
    """One entry per port and destination, in Akash's order (manifest/v2beta3/serviceexposes.go).

    `sequence` has the number of every leased IP.
    """
    exposes = [expose for item in place.items() for expose in _destinations(item, sequence)]
    return tuple(sort(exposes, lambda one, other: _order(one) < _order(other)))


def leases(place: Place) -> list[str]:
    """The names of the IPs that are asked for, once per destination; also "" for each that is not global.

    go/sdl/v2.go, computeEndpointSequenceNumbers, counts those, too.
    """
    wanted = [
        (to.at("ip").text(), to.at("global").flag()) for item in place.items() for to in item.at("to").items()
    ]
    return [ip for ip, is_global in wanted if ip or not is_global]


def _order(expose: Expose) -> tuple[str, int, str, bool]:
    return (expose.service, expose.port, expose.protocol, not expose.is_global)


def _destinations(place: Place, sequence: Mapping[str, int]) -> list[Expose]:
    place.fields(_EXPOSE)
    hosts = place.at("accept").texts()
    http = _http_options(place.at("http_options"))
    port = _port(place.at("port"))
    external_port = place.at("as").uint32()
    protocol = _protocol(place.at("proto"))
    for host, item in zip(hosts or (), place.at("accept").items(), strict=True):
        if not _HOST.fullmatch(host):
            item.invalid("host", "This is no host name.", "Write lower-case labels with dots (RFC 1123).")
    destinations = [_destination(to) for to in place.at("to").items()] or [("", False, "")]
    return [
        Expose(
            port, external_port, protocol, name, is_global, hosts, http, ip, sequence.get(ip, 0) if ip else 0
        )
        for name, is_global, ip in destinations
    ]


def _port(place: Place) -> int:
    port = place.uint32(otherwise=1)
    if place.is_absent:
        place.invalid("missing", "The port is missing.", "Write `port: 80`.")
    elif not 1 <= port <= MAX_PORT:
        place.invalid("out-of-range", f"{port} is not between 1 and {MAX_PORT}.", "Write another port.")
    return port


def _destination(place: Place) -> tuple[str, bool, str]:
    place.fields(_TO)
    if not (options := place.at("http_options")).is_absent:
        options.warn("ignored", "Akash reads no options here.", "Move them beside `to`.")
        _http_options(options.idle())
    name, is_global, ip = place.at("service").text(), place.at("global").flag(), place.at("ip").text()
    if ip and not is_global:
        place.at("ip").invalid("ip-not-global", "A leased IP is for the world.", "Add `global: true`.")
    return name, is_global, ip


def _protocol(place: Place) -> str:
    protocol = place.text().upper() or "TCP"
    if protocol not in ("TCP", "UDP"):
        place.invalid("protocol", "The protocol is TCP or UDP.", "HTTP is TCP on port 80, or `as: 80`.")
    return protocol


def _http_options(place: Place) -> HttpOptions:
    default = HttpOptions()
    if place.is_absent:
        return default
    place.fields(_HTTP)
    return HttpOptions(
        max_body_size=_bounded(place.at("max_body_size"), _MAX_BODY) or default.max_body_size,
        proxy_buffer_size=_bounded(place.at("proxy_buffer_size"), _MAX_BUFFER),
        read_timeout=_bounded(place.at("read_timeout"), _MAX_TIMEOUT) or default.read_timeout,
        send_timeout=_bounded(place.at("send_timeout"), _MAX_TIMEOUT) or default.send_timeout,
        next_tries=place.at("next_tries").uint32() or default.next_tries,
        next_timeout=place.at("next_timeout").uint32(),
        next_cases=_next_cases(place.at("next_cases")) or default.next_cases,
    )


def _bounded(place: Place, high: int) -> int:
    if (number := place.uint32()) > high:
        place.invalid("out-of-range", f"{number} is above {high}.", "Write less, or leave it out.")
    return number


def _next_cases(place: Place) -> tuple[str, ...]:
    cases = place.texts() or ()
    if unknown := [case for case in cases if case not in _NEXT_CASES]:
        hint = f"One of {', '.join(sorted(_NEXT_CASES))}."
        place.invalid("next-case", f"There is no case {unknown[0]}.", hint)
    if "off" in cases and len(cases) > 1:
        place.invalid("next-case", "`off` stands alone.", "Leave the others out.")
    return cases
