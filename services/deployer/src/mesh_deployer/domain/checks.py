"""What Akash refuses in an SDL whose sections are fine by themselves.

Source: chain-sdk's go/sdl/v2.go and v2_1.go (validate), go/node/deployment/v1beta4, go/manifest/v2beta3.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from mesh_deployer.domain import mistakes
from mesh_deployer.domain.compute import ComputeSection
from mesh_deployer.domain.place import Place
from mesh_deployer.domain.placements import DeploymentSection, PlacementSection, PriceSection
from mesh_deployer.domain.services import ServiceSection
from mesh_deployer.domain.version import Rules
from mesh_deployer.domain.workload import Group, Resources, Service

_SERVICE_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_MI = 2**20
_TI = 2**40
# Akash's limits of one replica (node/deployment/v1beta4/validation_config.go).
_CPU_MILLIS = (10, 384_000)
_GPU_UNITS = (0, 24)
_MEMORY_BYTES = (_MI, 2 * _TI)
_VOLUME_BYTES = (5 * _MI, 32 * _TI)
_MAX_UNIT_PRICE = 10_000_000
_GROUP_FACTOR = 50


def references(
    entry: DeploymentSection,
    services: Mapping[str, ServiceSection],
    compute: Mapping[str, ComputeSection],
    placements: Mapping[str, PlacementSection],
) -> bool:
    """Notes what `entry` names and nothing is; true when all is there."""
    placement = placements.get(entry.placement)
    wanted: tuple[tuple[str, str, Collection[str]], ...] = (
        ("service", entry.service, services),
        ("compute profile", entry.profile, compute),
        ("placement", entry.placement, placements),
        ("price for", entry.profile, placement.prices if placement else ()),
    )
    if missing := [(what, name, known) for what, name, known in wanted if name not in known]:
        listed = " and no ".join(f"{what} {name}" for what, name, _ in missing)
        _, name, known = missing[0]
        entry.place.error("unknown-reference", f"There is no {listed}.", mistakes.reference(name, known))
    if not entry.placement:
        entry.place.error("missing", "A placement has a name.", "Give it one.")
    return not missing


def service(name: str, section: ServiceSection) -> None:
    """Name and image."""
    if not _SERVICE_NAME.fullmatch(name):
        hint = "Use lower-case letters, digits and dashes."
        section.place.error("service-name", "A service has a name such as web-1.", hint)
    if not section.image:
        section.place.at("image").error("missing", "The image is missing.", "Write `image: nginx:1.27`.")


def resources(compute: ComputeSection) -> None:
    """One replica within Akash's limits."""
    used, place = compute.resources, compute.place
    if place.is_absent:
        place.error("missing", "The resources are missing.", "Write cpu, memory and storage.")
    _limits(place.at("cpu"), used.cpu_millis, _CPU_MILLIS, "thousandths of a CPU")
    _limits(place.at("gpu"), used.gpu_units, _GPU_UNITS, "GPUs")
    _limits(place.at("memory"), used.memory_bytes, _MEMORY_BYTES, "bytes")
    for volume in used.volumes:
        _limits(place.at("storage"), volume.size_bytes, _VOLUME_BYTES, "bytes")
    if used.gpu_attributes and not used.gpu_units:
        place.at("gpu").error("gpu-units", "No GPU has attributes.", "Write `units: 1`, or no attributes.")


def price(section: PriceSection) -> None:
    """What Akash lets one replica cost at most."""
    if section.amount > _MAX_UNIT_PRICE:
        section.place.error("out-of-range", f"The price is above {_MAX_UNIT_PRICE}.", "Write less.")


def mounts(section: ServiceSection, used: Resources, rules: Rules) -> None:
    """Volumes and where they appear; 2.0 lets one mount stand for all persistent ones, 2.1 asks for none."""
    given, place = section.params.mounts if section.params else (), section.place.at("params").at("storage")
    volumes = {volume.name: volume for volume in used.volumes}
    for mount in given:
        volume = volumes.get(mount.volume)
        if volume is None:
            place.at(mount.volume).error(
                "unknown-reference", "The compute profile has no such volume.", "Add it there."
            )
        elif rules is Rules.V2_1 and mount.is_read_only and volume.attribute("class") == "ram":
            place.at(mount.volume).error(
                "read-only-ram", "Memory that is only read stays empty.", "Drop `readOnly`."
            )
    if _duplicates(mount.path for mount in given):
        place.error("duplicate-mount", "Two volumes are mounted at the same path.", "Give each its own.")
    for volume in used.volumes:
        if volume.is_persistent and volume.name not in {mount.volume for mount in given}:
            note = place.warn if given or rules is Rules.V2_1 else place.error
            note("not-mounted", f"The persistent volume {volume.name} is not mounted.", "Give it a `mount`.")


def tee(section: ServiceSection, used: Resources) -> None:
    """A GPU where one is to be confidential (go/sdl/tee.go)."""
    if section.params and section.params.tee == "cpu-gpu" and not used.gpu_units:
        section.place.at("params").at("tee").error("tee", "There is no GPU.", "Write `tee: cpu`, or add one.")


def whole(place: Place, groups: tuple[Group, ...], denoms: Collection[str]) -> None:
    """What holds for all groups together, and the totals of each."""
    if not groups:
        place.at("deployment").error("missing", "Nothing is deployed.", "Name a service and its placement.")
    if len(denoms) > 1:
        place.at("profiles").at("placement").error(
            "denom", "All prices must have one denomination.", "Write uact in all."
        )
    services = [service for group in groups for service in group.services]
    if groups and not any(service.is_public for service in services):
        hint = "Add `to: [{global: true}]` to one."
        place.at("services").error("no-global-service", "No port is open to the world.", hint)
    if duplicates := _duplicates(_hosts(services)):
        place.at("services").error("duplicate-host", f"{duplicates[0]} is accepted twice.", "Accept it once.")
    for group in groups:
        _totals(place.at("profiles").at("placement").at(group.name), group)


def _totals(place: Place, group: Group) -> None:
    units = group.units
    if not any(count for _, count in units):
        return
    for what, most, amount in (
        ("thousandths of a CPU", _CPU_MILLIS[1], sum(u.cpu_millis * count for u, count in units)),
        ("GPUs", _GPU_UNITS[1], sum(u.gpu_units * count for u, count in units)),
        ("bytes of memory", _MEMORY_BYTES[1], sum(u.memory_bytes * count for u, count in units)),
    ):
        _limits(place, amount, (0, most * _GROUP_FACTOR), what)


def counts(deployments: Iterable[DeploymentSection], groups: Iterable[Group]) -> None:
    """Akash takes a service that runs nowhere, but no placement of which nothing runs."""
    empty = {group.name for group in groups if not any(count for _, count in group.units)}
    for entry in deployments:
        if entry.count:
            continue
        place = entry.place.at("count")
        note = place.error if entry.placement in empty else place.warn
        note("out-of-range", "No replica runs.", "Write `count: 1`.")


def addresses(
    deployments: Iterable[DeploymentSection],
    services: Mapping[str, ServiceSection],
    endpoints: Mapping[str, Place],
) -> None:
    """Every leased IP is declared, used, and leads one way from each of its ports.

    Akash takes two spellings of one protocol, and two ports without `as`, for what is written (go/sdl/v2.go).
    """
    used: dict[tuple[str, int, str], str] = {}
    for entry, item, to in _leasing(deployments, services):
        ip = to.at("ip").text()
        if ip not in endpoints:
            to.at("ip").error("unknown-reference", f"There is no endpoint {ip}.", "Add it to `endpoints`.")
        key = (ip, item.at("as").uint32(), item.at("proto").text())
        if key in used:
            hint = "Write another `as`; without one every port counts as the same."
            to.at("ip").error("duplicate-port", f"{used[key]} has this port of {ip} already.", hint)
        used[key] = entry.service
    for name in endpoints.keys() - {ip for ip, _, _ in used}:
        endpoints[name].error("not-used", "No port is open on this endpoint.", f"Add `ip: {name}` to one.")


def _leasing(
    deployments: Iterable[DeploymentSection], services: Mapping[str, ServiceSection]
) -> Iterator[tuple[DeploymentSection, Place, Place]]:
    """Each port that is open on a leased IP, and for whom."""
    for entry in deployments:
        section = services[entry.service]
        if any(expose.ip for expose in section.exposes):
            for item in section.place.at("expose").items():
                yield from ((entry, item, to) for to in item.at("to").items() if to.at("ip").text())


def names(services: Mapping[str, ServiceSection], deployed: Collection[str]) -> None:
    """Warns of services that run nowhere and of names that nobody has."""
    for name, section in services.items():
        if name not in deployed:
            section.place.warn("not-deployed", "The service is not deployed.", "Name it in `deployment`.")
        if {expose.service for expose in section.exposes} - {"", *services}:
            for item in section.place.at("expose").items():
                for to in item.at("to").items():
                    _known(to.at("service"), services)
        for dependency in section.place.at("dependencies").items():
            _known(dependency.at("service"), services)


def _known(place: Place, services: Mapping[str, ServiceSection]) -> None:
    if (name := place.text()) and name not in services:
        place.warn("unknown-service", f"There is no service {name}.", mistakes.reference(name, services))


def _limits(place: Place, amount: int, limits: tuple[int, int], unit: str) -> None:
    low, high = limits
    if not low <= amount <= high:
        hint = "Ask for more." if amount < low else "Ask for less."
        place.error("out-of-range", f"{amount} is not between {low} and {high} {unit}.", hint)


def _hosts(services: Iterable[Service]) -> Iterator[str]:
    for service in services:
        for expose in service.exposes:
            yield from expose.hosts or ()


def _duplicates(names: Iterable[str]) -> list[str]:
    seen: set[str] = set()
    return [name for name in names if name in seen or seen.add(name)]
