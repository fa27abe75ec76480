"""The sections of an SDL 2.0, each read by itself. Rules after Akash's chain-sdk, go/sdl."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from mesh_deployer.domain import quantities, secrecy
from mesh_deployer.domain.place import Place
from mesh_deployer.domain.workload import Attributes, Expose, HttpOptions, Mount, Resources, Volume

MAX_UINT32 = 2**32 - 1
MAX_PORT = 65535
MAX_VOLUMES = 20
"""Beyond it Akash's sort is another algorithm, which its odd comparison makes visible."""

_SERVICE = ("image", "command", "args", "env", "expose", "dependencies", "params", "credentials")
_EXPOSE = ("port", "as", "proto", "to", "accept", "http_options")
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
_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_ENV_NAME = re.compile(r"(?!\.?$|\.\.)[-._a-zA-Z][-._a-zA-Z0-9]*")
"""A name that Kubernetes takes (k8s.io/apimachinery, IsEnvVarName)."""
_STORAGE_CLASSES = ("default", "beta1", "beta2", "beta3", "ram")


@dataclass(frozen=True, slots=True)
class ServiceSection:
    """A service as written; `exposes` has one entry per port and destination, in Akash's order."""

    place: Place
    image: str
    command: tuple[str, ...] | None
    args: tuple[str, ...] | None
    env: tuple[str, ...] | None
    exposes: tuple[Expose, ...]
    mounts: tuple[Mount, ...] | None


@dataclass(frozen=True, slots=True)
class ComputeSection:
    """A compute profile as written."""

    place: Place
    resources: Resources


@dataclass(frozen=True, slots=True)
class PriceSection:
    """The most to pay for one replica per block."""

    place: Place
    denom: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class PlacementSection:
    """A placement profile as written."""

    attributes: Attributes | None
    any_of: tuple[str, ...] | None
    all_of: tuple[str, ...] | None
    prices: dict[str, PriceSection]


@dataclass(frozen=True, slots=True)
class DeploymentSection:
    """Which profile a service runs with in one placement, and how often."""

    place: Place
    service: str
    placement: str
    profile: str
    count: int


def service(place: Place) -> ServiceSection:
    """Reads `services.<name>`."""
    place.fields(_SERVICE)
    place.at("credentials").unsupported("Registry credentials")
    for dependency in place.at("dependencies").items():
        dependency.fields(("service",))
    return ServiceSection(
        place=place,
        image=place.at("image").text(),
        command=_words(place.at("command")),
        args=_words(place.at("args")),
        env=_env(place.at("env")),
        exposes=_exposes(place.at("expose")),
        mounts=_mounts(place.at("params")),
    )


def compute(place: Place) -> ComputeSection:
    """Reads `profiles.compute.<name>`."""
    resources = place.fields(("resources",)).at("resources").fields(("cpu", "gpu", "memory", "storage"))
    cpu = resources.at("cpu").fields(("units", "attributes"))
    cpu.at("attributes").unsupported("CPU attributes")
    gpu = resources.at("gpu").fields(("units", "attributes"))
    if gpu.at("units").text() not in ("", "0") or not gpu.at("attributes").is_absent:
        gpu.unsupported("GPUs")
    memory = resources.at("memory").fields(("size",))
    return ComputeSection(
        resources,
        Resources(
            cpu.at("units").parsed(quantities.cpu_millis, 0, "CPU"),
            memory.at("size").parsed(quantities.size_bytes, 0, "Memory"),
            _volumes(resources.at("storage")),
        ),
    )


def placement(place: Place) -> PlacementSection:
    """Reads `profiles.placement.<name>`."""
    place.fields(("attributes", "signedBy", "pricing"))
    attributes = tuple((key, value.text()) for key, value in place.at("attributes").named().items())
    signed_by = place.at("signedBy").fields(("anyOf", "allOf"))
    return PlacementSection(
        attributes=attributes or None,
        any_of=signed_by.at("anyOf").texts(),
        all_of=signed_by.at("allOf").texts(),
        prices={name: _price(price) for name, price in place.at("pricing").named().items()},
    )


def deployment(place: Place) -> list[DeploymentSection]:
    """Reads `deployment`: every service in every placement, sorted by both names."""
    return [
        DeploymentSection(
            place=entry.fields(("profile", "count")),
            service=service_name,
            placement=placement_name,
            profile=entry.at("profile").text(),
            count=_required(entry.at("count"), MAX_UINT32),
        )
        for service_name, placements in place.named().items()
        for placement_name, entry in placements.named().items()
    ]


def _required(place: Place, high: int) -> int:
    if place.is_absent:
        place.error("missing", "A number is missing here.")
    return place.whole(0, low=1, high=high)


def _words(place: Place) -> tuple[str, ...] | None:
    words, items = place.texts(), place.items()
    for index in secrecy.in_words(words or (), place.path):
        _warn_of_secret(items[index], "This")
    return words


def _env(place: Place) -> tuple[str, ...] | None:
    entries, items = place.texts(), place.items()
    for entry, item in zip(entries or (), items, strict=True):
        if not _ENV_NAME.fullmatch(entry.partition("=")[0]):
            item.error("env-name", "This does not start with the name of a variable.", "Write NAME=value.")
    for index, name in secrecy.in_env(entries or ()).items():
        _warn_of_secret(items[index], name)
    return entries


def _warn_of_secret(place: Place, what: str) -> None:
    place.warn(
        "secret-in-sdl",
        f"{what} looks like a secret, and providers can read it.",
        "Store it in the security gateway and write gateway://<connection>.",
    )


def _exposes(place: Place) -> tuple[Expose, ...]:
    exposes = [expose for item in place.items() for expose in _destinations(item)]
    order = [(e.service, e.port, e.protocol, not e.is_global) for e in exposes]
    if len(order) > 12 and len(set(order)) < len(order):  # noqa: PLR2004 - where Go's sort stops being stable
        place.error("unsupported", "So many equal ports have no defined order.", "Expose fewer ports.")
    return tuple(expose for _, expose in sorted(zip(order, exposes, strict=True), key=lambda pair: pair[0]))


def _destinations(place: Place) -> list[Expose]:
    place.fields(_EXPOSE)
    hosts = place.at("accept").texts()
    http = _http_options(place.at("http_options"))
    port = _required(place.at("port"), MAX_PORT)
    external_port = place.at("as").whole(0, low=1, high=MAX_PORT)
    protocol = _protocol(place.at("proto"))
    for host, item in zip(hosts or (), place.at("accept").items(), strict=True):
        if not _HOST.fullmatch(host):
            item.error("host", "This is no host name.", "Write lower-case labels with dots (RFC 1123).")
    destinations = [_destination(to) for to in place.at("to").items()] or [("", False)]
    return [
        Expose(port, external_port, protocol, name, is_global, hosts, http)
        for name, is_global in destinations
    ]


def _destination(place: Place) -> tuple[str, bool]:
    place.fields(("service", "global", "ip"))
    place.at("ip").unsupported("Leased IP endpoints")
    return place.at("service").text(), place.at("global").flag()


def _protocol(place: Place) -> str:
    protocol = place.text().upper() or "TCP"
    if protocol not in ("TCP", "UDP"):
        place.error("protocol", "The protocol is TCP or UDP.", "HTTP is TCP on port 80, or `as: 80`.")
    return protocol


def _http_options(place: Place) -> HttpOptions:
    place.fields(_HTTP)
    default = HttpOptions()

    def option(name: str, otherwise: int, high: int) -> int:
        return place.at(name).whole(0, low=0, high=high) or otherwise

    return HttpOptions(
        max_body_size=option("max_body_size", default.max_body_size, 104857600),
        proxy_buffer_size=option("proxy_buffer_size", 0, 1048576),
        read_timeout=option("read_timeout", default.read_timeout, 60000),
        send_timeout=option("send_timeout", default.send_timeout, 60000),
        next_tries=option("next_tries", default.next_tries, MAX_UINT32),
        next_timeout=option("next_timeout", default.next_timeout, MAX_UINT32),
        next_cases=_next_cases(place.at("next_cases")) or default.next_cases,
    )


def _next_cases(place: Place) -> tuple[str, ...]:
    cases = place.texts() or ()
    if unknown := [case for case in cases if case not in _NEXT_CASES]:
        place.error(
            "next-case", f"There is no case {unknown[0]}.", f"One of {', '.join(sorted(_NEXT_CASES))}."
        )
    if "off" in cases and len(cases) > 1:
        place.error("next-case", "`off` stands alone.")
    return cases


def _mounts(place: Place) -> tuple[Mount, ...] | None:
    if place.is_absent:
        return None
    place.fields(("storage", "permissions", "tee"))
    place.at("permissions").unsupported("Permissions")
    place.at("tee").unsupported("Confidential computing")
    return tuple(_mount(name, volume) for name, volume in place.at("storage").named().items())


def _mount(name: str, place: Place) -> Mount:
    place.fields(("mount", "readOnly"))
    path = place.at("mount").text()
    if not path.startswith("/"):
        place.at("mount").error("mount", "A volume is mounted at an absolute path.", "Start it with a slash.")
    return Mount(name, path, place.at("readOnly").flag())


def _price(place: Place) -> PriceSection:
    place.fields(("denom", "amount"))
    denom = place.at("denom").text()
    if denom not in ("uact", "uakt"):
        place.at("denom").warn("denom", "Akash takes uact and uakt.", "Write `denom: uact`.")
    return PriceSection(place, denom, place.at("amount").parsed(quantities.price, Decimal(0), "The price"))


def _volumes(place: Place) -> tuple[Volume, ...]:
    """One volume, or a list of them; sorted as Akash sorts them."""
    if _is_single(place):
        return (_volume(place, is_named=False),)
    volumes = [_volume(item, is_named=True) for item in place.items()]
    names = [volume.name for volume in volumes]
    if len(set(names)) < len(names):
        place.error("duplicate-volume", "Two volumes have the same name.", "Name each but one.")
    if not volumes:
        place.error("missing", "Storage is missing.")
    if len(volumes) > MAX_VOLUMES:
        place.error("unsupported", f"At most {MAX_VOLUMES} volumes are compiled.")
    return tuple(_insertion_sorted(volumes, _sorts_before))


def _is_single(place: Place) -> bool:
    return not place.is_absent and not place.at("size").is_absent


def _volume(place: Place, *, is_named: bool) -> Volume:
    place.fields(("name", "size", "attributes"))
    name = place.at("name").text() if is_named else ""
    size = place.at("size").parsed(quantities.size_bytes, 0, "Storage")
    return Volume(name or "default", size, _storage_attributes(place.at("attributes")))


def _storage_attributes(place: Place) -> Attributes | None:
    if place.is_absent:
        return None
    place.fields(("persistent", "class"))
    persistent = "true" if place.at("persistent").flag() else "false"
    kind = place.at("class").text() or ("default" if persistent == "true" else "")
    if kind and kind not in _STORAGE_CLASSES:
        place.at("class").error("storage-class", "No such class.", f"One of {', '.join(_STORAGE_CLASSES)}.")
    if kind == "ram" and persistent == "true":
        place.error("storage-class", "Memory is not persistent.", "Leave `persistent` out.")
    if kind not in ("", "ram") and persistent == "false":
        place.error("storage-class", "A class is for persistent storage.", "Add `persistent: true`.")
    return ((("class", kind),) if kind else ()) + (("persistent", persistent),)


def _insertion_sorted(volumes: list[Volume], before: Callable[[Volume, Volume], bool]) -> list[Volume]:
    """Go's sort of up to 20 items: with a comparison that is no order, the algorithm shows."""
    done: list[Volume] = []
    for volume in volumes:
        place = len(done)
        while place > 0 and before(volume, done[place - 1]):
            place -= 1
        done.insert(place, volume)
    return done


def _sorts_before(one: Volume, other: Volume) -> bool:
    """The comparison of go/sdl/storage.go, word for word: two equal volumes are each before the other."""
    if one.size_bytes != other.size_bytes:
        return one.size_bytes < other.size_bytes
    left, right = one.attribute("persistent"), other.attribute("persistent")
    if (left or "") != (right or ""):
        return (left or "") < (right or "")
    if not one.is_persistent:
        return True
    return one.name < other.name
