"""Compiles an SDL 2.0 into what Akash's own compiler makes of it, or says what is wrong with it.

What is compiled here hashes as Akash hashes it. Valid SDL that is not compiled (version 2.1, GPUs, leased
IPs, registry credentials, confidential computing, reclamation, includes) is refused by name, never compiled
wrongly.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from mesh_deployer.domain import sections, tree
from mesh_deployer.domain.issues import Findings, Issue, Severity, Unreadable
from mesh_deployer.domain.manifest import version_hash
from mesh_deployer.domain.place import Place
from mesh_deployer.domain.workload import Group, Resources, Service
from mesh_deployer.errors import SdlInvalid

_TOP = ("version", "services", "profiles", "deployment", "endpoints", "include", "reclamation")
_SERVICE_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_MI = 2**20
_TI = 2**40
# Akash's limits of one replica (node/deployment/v1beta4/validation_config.go).
_CPU_MILLIS = (10, 384_000)
_MEMORY_BYTES = (_MI, 2 * _TI)
_VOLUME_BYTES = (5 * _MI, 32 * _TI)
_MAX_UNIT_PRICE = 10_000_000
_GROUP_FACTOR = 50


@dataclass(frozen=True, slots=True)
class Compilation:
    """What came of compiling: `groups` and `version_hash` only when no issue is an error."""

    groups: tuple[Group, ...]
    version_hash: str | None
    issues: tuple[Issue, ...]

    @property
    def ok(self) -> bool:
        """True when it was compiled; what is in `issues` then are warnings."""
        return self.version_hash is not None

    def deployed(self) -> tuple[Group, ...]:
        """The groups. Raises `SdlInvalid` with every fault when it was not compiled."""
        if not self.ok:
            faults = [issue for issue in self.issues if issue.severity is Severity.ERROR]
            raise SdlInvalid(
                [{"path": i.path, "code": i.code, "message": i.message, "hint": i.hint} for i in faults]
            )
        return self.groups


def compile_sdl(text: str) -> Compilation:
    """`text` as groups with their version hash, or every fault that was found in it.

    Sorted as Akash sorts, so that equal input has an equal hash. Raises nothing.
    """
    findings = Findings()
    try:
        groups = _Document.read(Place(tree.read(text), "", findings)).groups()
    except Unreadable as fault:
        return Compilation((), None, (*findings, fault.issue))
    if findings.has_errors:
        return Compilation((), None, tuple(findings))
    return Compilation(groups, version_hash(groups), tuple(findings))


@dataclass(slots=True)
class _Document:
    """The sections, and the rules that hold between them."""

    place: Place
    services: dict[str, sections.ServiceSection]
    compute: dict[str, sections.ComputeSection]
    placements: dict[str, sections.PlacementSection]
    deployments: list[sections.DeploymentSection]
    used: set[str] = field(default_factory=set[str])

    @classmethod
    def read(cls, place: Place) -> "_Document":
        _check_top(place)
        profiles = place.at("profiles").fields(("compute", "placement"))
        return cls(
            place=place,
            services={n: sections.service(s) for n, s in place.at("services").named().items()},
            compute={n: sections.compute(c) for n, c in profiles.at("compute").named().items()},
            placements={n: sections.placement(p) for n, p in profiles.at("placement").named().items()},
            deployments=sections.deployment(place.at("deployment")),
        )

    def groups(self) -> tuple[Group, ...]:
        """One group per placement that is used, sorted by name.

        None when a section has errors: what follows from them would only be noise.
        """
        if self.place.findings.has_errors:
            return ()
        placed: dict[str, list[tuple[Service, str]]] = {}
        for entry in self.deployments:
            resource_id = len(placed.get(entry.placement, ())) + 1
            if (service := self._placed(entry, resource_id)) is not None:
                placed.setdefault(entry.placement, []).append(service)
        groups = tuple(self._group(name, placed[name]) for name in sorted(placed))
        if self.place.findings.has_errors:
            return ()
        self._check_whole(groups, {denom for services in placed.values() for _, denom in services})
        return groups

    def _placed(self, entry: sections.DeploymentSection, resource_id: int) -> tuple[Service, str] | None:
        """The service in one placement and its denomination; None when a reference leads nowhere."""
        service = self.services.get(entry.service)
        compute = self.compute.get(entry.profile)
        placement = self.placements.get(entry.placement)
        price = placement.prices.get(entry.profile) if placement else None
        if service is None or compute is None or price is None:
            wanted = {
                f"service {entry.service}": service,
                f"compute profile {entry.profile}": compute,
                f"placement {entry.placement}": placement,
                f"price for {entry.profile}": price,
            }
            missing = " and no ".join(what for what, found in wanted.items() if found is None)
            entry.place.error("unknown-reference", f"There is no {missing}.")
            return None
        self.used.add(entry.service)
        _check_service(entry.service, service)
        _check_resources(compute)
        _check_mounts(service, compute.resources)
        if price.amount > _MAX_UNIT_PRICE:
            price.place.error("out-of-range", f"The price is above {_MAX_UNIT_PRICE}.")
        compiled = Service(
            name=entry.service,
            image=service.image,
            command=service.command,
            args=service.args,
            env=service.env,
            exposes=service.exposes,
            mounts=service.mounts,
            resource_id=resource_id,
            resources=compute.resources,
            count=entry.count,
            unit_price=price.amount,
        )
        return compiled, price.denom

    def _group(self, name: str, placed: list[tuple[Service, str]]) -> Group:
        placement = self.placements[name]
        return Group(
            name=name,
            attributes=placement.attributes,
            any_of=placement.any_of,
            all_of=placement.all_of,
            denom=placed[0][1],
            services=tuple(service for service, _ in placed),
        )

    def _check_whole(self, groups: tuple[Group, ...], denoms: set[str]) -> None:
        if not groups:
            self.place.at("deployment").error("missing", "Nothing is deployed.")
        if len(denoms) > 1:
            self.place.at("profiles.placement").error("denom", "All prices must have one denomination.")
        services = [service for group in groups for service in group.services]
        if groups and not any(service.is_public for service in services):
            self.place.at("services").error(
                "no-global-service", "No port is open to the world.", "Add `to: [{global: true}]` to one."
            )
        if duplicates := _duplicates(_hosts(services)):
            self.place.at("services").error("duplicate-host", f"{duplicates[0]} is accepted twice.")
        for group in groups:
            _check_group(self.place.at(f"profiles.placement.{group.name}"), group)
        self._check_names()

    def _check_names(self) -> None:
        for name, service in self.services.items():
            if name not in self.used:
                service.place.warn("not-deployed", "The service is not deployed.", "Name it in `deployment`.")
            for item in service.place.at("expose").items():
                for to in item.at("to").items():
                    self._check_known(to.at("service"))
            for dependency in service.place.at("dependencies").items():
                self._check_known(dependency.at("service"))

    def _check_known(self, place: Place) -> None:
        if (name := place.text()) and name not in self.services:
            place.warn("unknown-service", f"There is no service {name}.")


def _check_top(place: Place) -> None:
    for key in place.named():
        if key not in _TOP:
            place.at(key).error("unknown-key", f"There is no section `{key}`.", f"One of {', '.join(_TOP)}.")
    version = place.at("version")
    if version.is_absent:
        version.error("missing", "The version is missing.", 'Write version: "2.0".')
    elif version.text() != "2.0":
        version.error(
            "unsupported-version", f"{version.text()} is not compiled here.", 'Write version: "2.0".'
        )
    place.at("endpoints").unsupported("Leased IP endpoints")
    place.at("include").unsupported("Includes")
    place.at("reclamation").unsupported("Reclamation windows")


def _check_service(name: str, service: sections.ServiceSection) -> None:
    if not _SERVICE_NAME.fullmatch(name):
        service.place.error("service-name", "A service has a name of lower-case letters, digits and dashes.")
    if not service.image:
        service.place.at("image").error("missing", "The image is missing.")


def _check_resources(compute: sections.ComputeSection) -> None:
    used, place = compute.resources, compute.place
    _check_limits(place.at("cpu"), used.cpu_millis, _CPU_MILLIS, "thousandths of a CPU")
    _check_limits(place.at("memory"), used.memory_bytes, _MEMORY_BYTES, "bytes")
    for volume in used.volumes:
        _check_limits(place.at("storage"), volume.size_bytes, _VOLUME_BYTES, "bytes")


def _check_limits(place: Place, amount: int, limits: tuple[int, int], unit: str) -> None:
    if not limits[0] <= amount <= limits[1]:
        place.error("out-of-range", f"{amount} is not between {limits[0]} and {limits[1]} {unit}.")


def _check_mounts(service: sections.ServiceSection, resources: Resources) -> None:
    """After go/sdl/v2.go, which lets one mount stand for all persistent volumes."""
    mounts, place = service.mounts or (), service.place.at("params").at("storage")
    known = {volume.name for volume in resources.volumes}
    for mount in mounts:
        if mount.volume not in known:
            place.at(mount.volume).error("unknown-reference", "The compute profile has no such volume.")
    if _duplicates(mount.path for mount in mounts):
        place.error("duplicate-mount", "Two volumes are mounted at the same path.")
    for volume in resources.volumes:
        if volume.is_persistent and volume.name not in {mount.volume for mount in mounts}:
            note = place.warn if mounts else place.error
            note("not-mounted", f"The persistent volume {volume.name} is not mounted.", "Give it a `mount`.")


def _check_group(place: Place, group: Group) -> None:
    shape = group.shape
    _check_limits(place, shape.cpu_millis, (1, _CPU_MILLIS[1] * _GROUP_FACTOR), "thousandths of a CPU")
    _check_limits(place, shape.memory_bytes, (1, _MEMORY_BYTES[1] * _GROUP_FACTOR), "bytes of memory")


def _hosts(services: Iterable[Service]) -> Iterator[str]:
    for service in services:
        for expose in service.exposes:
            yield from expose.hosts or ()


def _duplicates(names: Iterable[str]) -> list[str]:
    seen: set[str] = set()
    return [name for name in names if name in seen or seen.add(name)]
