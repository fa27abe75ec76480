"""The sections of an SDL, compiled into groups. After chain-sdk's go/sdl/groupBuilder_v2.go and _v2_1.go."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from mesh_deployer.domain import checks, compute, exposes, mistakes, placements, quantities, services
from mesh_deployer.domain.compute import ComputeSection
from mesh_deployer.domain.issues import Issue, Unreadable
from mesh_deployer.domain.place import Place
from mesh_deployer.domain.placements import DeploymentSection, PlacementSection
from mesh_deployer.domain.services import ServiceSection
from mesh_deployer.domain.tree import Node, overlaid
from mesh_deployer.domain.version import Rules, rules
from mesh_deployer.domain.workload import Attributes, Credentials, Group, Service

_TOP = ("version", "services", "profiles", "deployment", "endpoints", "include", "reclamation")


@dataclass(slots=True)
class Document:
    """The sections, and the rules that hold between them."""

    place: Place
    rules: Rules
    services: dict[str, ServiceSection]
    compute: dict[str, ComputeSection]
    placements: dict[str, PlacementSection]
    deployments: list[DeploymentSection]
    endpoints: dict[str, Place]
    reclamation_ns: int | None
    ids: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])

    @classmethod
    def read(cls, root: Place) -> "Document":
        """Reads all sections; faults are noted. Raises `Unreadable` without a version that Akash compiles."""
        place, version = _top(root)
        profiles = place.at("profiles").fields(("compute", "placement"))
        deployments = placements.deployment(place.at("deployment"))
        sequence = _sequence(place)
        _include(place.at("include"))
        return cls(
            place=place,
            rules=version,
            services={
                name: services.read(section, sequence)
                for name, section in _marked(place.at("services"), {d.service for d in deployments}).items()
            },
            compute={
                name: compute.read(section)
                for name, section in _marked(profiles.at("compute"), {d.profile for d in deployments}).items()
            },
            placements={n: placements.placement(p) for n, p in profiles.at("placement").named().items()},
            deployments=deployments,
            endpoints=placements.endpoints(place.at("endpoints")),
            reclamation_ns=_reclamation(place),
        )

    def groups(self) -> tuple[Group, ...]:
        """One group per placement that is used, sorted by name.

        None when a section has errors: what follows from them would only be noise.
        """
        if self.place.findings.has_errors:
            return ()
        placed: dict[str, list[Service]] = {}
        denoms: dict[str, set[str]] = {}
        for entry in self.deployments:
            if checks.references(entry, self.services, self.compute, self.placements):
                placed.setdefault(entry.placement, []).append(self._service(entry))
                price = self.placements[entry.placement].prices[entry.profile]
                denoms.setdefault(entry.placement, set()).add(price.denom)
        if self.place.findings.has_errors:
            return ()
        groups = tuple(self._group(name, placed[name], min(denoms[name])) for name in sorted(placed))
        checks.whole(self.place, groups, set[str]().union(*denoms.values()))
        checks.counts(self.deployments, groups)
        checks.addresses(self.deployments, self.services, self.endpoints)
        checks.names(self.services, {entry.service for entry in self.deployments})
        return groups

    def _service(self, entry: DeploymentSection) -> Service:
        section, used = self.services[entry.service], self.compute[entry.profile]
        price = self.placements[entry.placement].prices[entry.profile]
        checks.service(entry.service, section)
        checks.resources(used)
        checks.mounts(section, used.resources, self.rules)
        checks.tee(section, used.resources)
        checks.price(price)
        return Service(
            name=entry.service,
            image=section.image,
            command=section.command,
            args=section.args,
            env=section.env,
            exposes=section.exposes,
            params=section.params,
            credentials=self._credentials(section.credentials),
            resource_id=self._resource_id(entry),
            resources=used.resources,
            count=entry.count,
            unit_price=price.amount,
        )

    def _resource_id(self, entry: DeploymentSection) -> int:
        """In 2.0 every service has a unit; in 2.1 those of one placement share it that share a profile."""
        shared = entry.service if self.rules is Rules.V2_0 else entry.profile
        known = [id for (placement, _), id in self.ids.items() if placement == entry.placement]
        return self.ids.setdefault((entry.placement, shared), len(known) + 1)

    def _credentials(self, given: Credentials | None) -> Credentials | None:
        """2.0 knows no address and takes the rest as it is; 2.1 trims it."""
        if given is None or self.rules is Rules.V2_0:
            return given and replace(given, email="")
        return Credentials(
            given.host.strip(), given.email.strip(), given.username.strip(), given.password.strip()
        )

    def _group(self, name: str, placed: list[Service], denom: str) -> Group:
        placement = self.placements[name]
        return Group(
            name=name,
            attributes=_with_tee(placement, placed),
            any_of=placement.any_of,
            all_of=placement.all_of,
            denom=denom,
            services=tuple(placed),
        )


def _top(root: Place) -> tuple[Place, Rules]:
    """The sections and by which rules they are compiled. Raises `Unreadable` without a version."""
    found: dict[str, Node] = {}
    for key, section in root.written():
        if key not in _TOP:
            hint = mistakes.instead(key, _TOP, f"One of {', '.join(_TOP)}.")
            section.error("unknown-key", f"There is no section `{key}`.", hint)
        if key in found:
            section.warn("duplicate-key", "The section is given twice; Akash reads both.", "Join them.")
        if section.node is not None and not (key == "version" and key in found):
            found[key] = overlaid(found.get(key), section.node, depth=1 if key == "profiles" else 0)
    place = root.over(found)
    return place, _version(place.at("version"))


def _version(place: Place) -> Rules:
    hint = 'Write version: "2.0".'
    if place.is_absent:
        raise Unreadable(Issue(place.path, "missing", "The version is missing.", hint))
    if (version := rules(text := place.text())) is None:
        raise Unreadable(Issue(place.path, "unsupported-version", "Akash compiles no such version.", hint))
    if text not in tuple(Rules):
        place.warn("version", f"Akash compiles this as {version}.", f'Write version: "{version}".')
    return version


def _marked(place: Place, used: set[str]) -> dict[str, Place]:
    """The entries; those that nothing uses are marked as idle."""
    return {name: entry if name in used else entry.idle() for name, entry in place.named().items()}


def _sequence(place: Place) -> Mapping[str, int]:
    """The number of every leased IP: its last place among all that services ask for, from 1, by name.

    Akash counts destinations that are not global as well, under no name. Without endpoints there is none.
    """
    if not place.has("endpoints"):
        return {}
    deployed = place.at("services")
    wanted = [
        ip for name in place.at("deployment").named() for ip in exposes.leases(deployed.at(name).at("expose"))
    ]
    return {name: number for number, name in enumerate(sorted(wanted), 1)}


def _include(place: Place) -> None:
    if place.texts():
        place.warn("ignored", "Akash includes nothing.", "Write everything into one file.")


def _reclamation(place: Place) -> int | None:
    if not place.has("reclamation"):
        return None
    window = place.at("reclamation").fields(("min_window",)).at("min_window")
    if window.is_absent:
        window.error("missing", "The window is missing.", "Write `min_window: 24h`.")
        return None
    text = window.text()
    if not (text[:1] in "123456789" and text[:-1].isdecimal()):
        window.warn("duration", "Akash's schema takes a whole number and s, m or h.", "Write 24h or 90m.")
    return window.parsed(quantities.nanoseconds, 0, "The window", "24h")


def _with_tee(placement: PlacementSection, placed: list[Service]) -> Attributes | None:
    """The attributes with the kind of confidential computing that the group asks for (go/sdl/tee.go)."""
    kinds = dict.fromkeys(s.params.tee for s in placed if s.params and s.params.tee)
    if len(kinds) > 1:
        placement.place.error(
            "tee", f"A placement has one kind of TEE, not {' and '.join(kinds)}.", "Use two placements."
        )
    tee = tuple(("tee/type", kind) for kind in kinds)
    return tuple(sorted((placement.attributes or ()) + tee, key=lambda pair: pair[0])) or None
