"""What is different between two compiled SDLs, and whether a lease can stay through it.

An update replaces the manifest and its hash; the order on the chain, and with it every lease, stays as it was
made (MsgUpdateDeployment of Akash's deployment module). A provider refuses a manifest that does not fit the
order, so a change of what the order says needs a new deployment.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from mesh_deployer.domain.manifest import endpoints, group_specs
from mesh_deployer.domain.quantities import spelled
from mesh_deployer.domain.sdl import Compilation
from mesh_deployer.domain.workload import Attributes, Expose, Group, Service


class Carrier(StrEnum):
    """What it takes to bring a change about."""

    NOTHING = "nothing"
    UPDATE = "update"
    DEPLOYMENT = "deployment"


_REASONS = {
    Carrier.UPDATE: "Only the manifest says it: the lease stays.",
    Carrier.DEPLOYMENT: "The order says it, and an order is never changed: it takes a new lease.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference. `service` is empty for what concerns a placement, `placement` for the whole document.

    `before` and `after` are None where there was or is nothing, and where a secret might be shown.
    """

    placement: str
    service: str
    what: str
    before: str | None
    after: str | None
    carried_by: Carrier

    @property
    def reason(self) -> str:
        """Why it takes that."""
        return _REASONS[self.carried_by]

    def told(self) -> dict[str, str | None]:
        """The change as a refusal names it."""
        return {
            "placement": self.placement,
            "service": self.service,
            "what": self.what,
            "before": self.before,
            "after": self.after,
            "carried_by": self.carried_by.value,
        }


@dataclass(frozen=True, slots=True)
class Difference:
    """Every change, by placement and service, and what it takes to bring them all about."""

    changes: tuple[Change, ...]
    carried_by: Carrier


@dataclass(frozen=True, slots=True)
class _Aspect:
    """A part of a service: what is compared, and how it is shown, if it may be."""

    what: str
    of: Callable[[Service], object]
    shown: Callable[[Service], str] | None
    is_ordered: bool = False


def difference(before: Compilation, after: Compilation) -> Difference:
    """What is different in `after`. Raises `SdlInvalid` when one of them was not compiled."""
    old, new = before.deployed("before."), after.deployed("after.")
    is_same_order = _order(old) == _order(new) and before.reclamation_ns == after.reclamation_ns
    ordered = Carrier.UPDATE if is_same_order else Carrier.DEPLOYMENT
    changes = (*_reclamation(before, after), *_groups(old, new, ordered))
    if not is_same_order:
        return Difference(changes, Carrier.DEPLOYMENT)
    is_same = before.version_hash == after.version_hash
    return Difference(changes, Carrier.NOTHING if is_same else Carrier.UPDATE)


def _order(groups: Sequence[Group]) -> object:
    """What the chain keeps: an empty list of auditors is none there."""
    return group_specs([replace(g, any_of=g.any_of or None, all_of=g.all_of or None) for g in groups])


def _reclamation(before: Compilation, after: Compilation) -> Iterator[Change]:
    old, new = before.reclamation_ns, after.reclamation_ns
    if old != new:
        yield Change(
            placement="",
            service="",
            what="reclamation",
            before=None if old is None else f"{old} ns",
            after=None if new is None else f"{new} ns",
            carried_by=Carrier.DEPLOYMENT,
        )


def _groups(before: Sequence[Group], after: Sequence[Group], ordered: Carrier) -> Iterator[Change]:
    old, new = {group.name: group for group in before}, {group.name: group for group in after}
    for name in sorted({*old, *new}):
        one, other = old.get(name), new.get(name)
        if one is None or other is None:
            yield _presence(name, "", "placement", one is not None, ordered)
        else:
            yield from _group(one, other, ordered)


def _group(before: Group, after: Group, ordered: Carrier) -> Iterator[Change]:
    for what, old, new in (
        ("attributes", _pairs(before.attributes), _pairs(after.attributes)),
        ("denomination", before.denom, after.denom),
        ("auditors", _auditors(before), _auditors(after)),
    ):
        if old != new:
            yield Change(
                placement=before.name, service="", what=what, before=old, after=new, carried_by=ordered
            )
    old_services = {service.name: service for service in before.services}
    new_services = {service.name: service for service in after.services}
    for name in sorted({*old_services, *new_services}):
        one, other = old_services.get(name), new_services.get(name)
        if one is None or other is None:
            yield _presence(before.name, name, "service", one is not None, ordered)
        else:
            yield from _service(before.name, one, other, ordered)


def _presence(placement: str, service: str, what: str, was_there: bool, ordered: Carrier) -> Change:
    before, after = ("there", None) if was_there else (None, "there")
    return Change(
        placement=placement, service=service, what=what, before=before, after=after, carried_by=ordered
    )


def _service(placement: str, before: Service, after: Service, ordered: Carrier) -> Iterator[Change]:
    for aspect in _ASPECTS:
        if aspect.of(before) != aspect.of(after):
            yield Change(
                placement=placement,
                service=before.name,
                what=aspect.what,
                before=aspect.shown(before) if aspect.shown else None,
                after=aspect.shown(after) if aspect.shown else None,
                carried_by=ordered if aspect.is_ordered else Carrier.UPDATE,
            )
    for name in _variables(before, after):
        yield Change(
            placement=placement,
            service=before.name,
            what=f"env {name}".strip(),
            before=None,
            after=None,
            carried_by=Carrier.UPDATE,
        )


def _variables(before: Service, after: Service) -> list[str]:
    """The names of the variables whose values differ; an empty one where only their order does."""
    if before.env == after.env:
        return []
    old, new = before.env or (), after.env or ()
    names = dict.fromkeys(entry.partition("=")[0] for entry in (*old, *new))
    changed = [name for name in names if _named(old, name) != _named(new, name)]
    return changed or [""]


def _named(entries: Sequence[str], name: str) -> list[str]:
    return [entry for entry in entries if entry.partition("=")[0] == name]


def _pairs(attributes: Attributes | None) -> str:
    return ", ".join(f"{key}={value}" for key, value in attributes or ())


def _auditors(group: Group) -> str:
    return f"any of {list(group.any_of or ())}, all of {list(group.all_of or ())}"


def _ports(service: Service) -> str:
    return ", ".join(map(_port, service.exposes))


def _port(expose: Expose) -> str:
    to = "the world" if expose.is_global else expose.service or "the placement"
    outside = f" as {expose.external_port}" if expose.external_port else ""
    hosts = f" at {' '.join(expose.hosts)}" if expose.hosts else ""
    return f"{expose.port}/{expose.protocol}{outside} to {to}{hosts}"


def _endpoints(service: Service) -> list[tuple[int, int]]:
    """Kind and number of each."""
    return [
        (endpoint.get("kind", 0), endpoint["sequence_number"])
        for expose in service.exposes
        for endpoint in endpoints(expose)
    ]


def _shown_endpoints(service: Service) -> str:
    kinds = [kind for kind, _ in _endpoints(service)]
    return f"{kinds.count(0)} by HTTP, {kinds.count(1)} random ports, {kinds.count(2)} leased IPs"


def _storage(service: Service) -> str:
    return ", ".join(
        f"{volume.name} {spelled(volume.size_bytes)} {_pairs(volume.attributes)}".strip()
        for volume in service.resources.volumes
    )


def _mounts(service: Service) -> str:
    return ", ".join(
        f"{mount.volume} at {mount.path}{' read-only' if mount.is_read_only else ''}"
        for mount in service.mounts
    )


def _gpu(service: Service) -> str:
    return f"{service.resources.gpu_units} {_pairs(service.resources.gpu_attributes)}".strip()


def _cpu(service: Service) -> str:
    return f"{service.resources.cpu_millis}m {_pairs(service.resources.cpu_attributes)}".strip()


_ASPECTS = (
    _Aspect("image", lambda s: s.image, lambda s: s.image),
    _Aspect("command", lambda s: s.command, None),
    _Aspect("args", lambda s: s.args, None),
    _Aspect("credentials", lambda s: s.credentials, None),
    _Aspect("ports", lambda s: s.exposes, _ports),
    _Aspect("endpoints", _endpoints, _shown_endpoints, is_ordered=True),
    _Aspect("mounts", lambda s: (s.params is None, s.mounts), _mounts),
    _Aspect(
        "permissions",
        lambda s: s.params and s.params.permissions,
        lambda s: ", ".join((s.params and s.params.permissions) or ()),
    ),
    _Aspect("tee", lambda s: s.params and s.params.tee, lambda s: (s.params and s.params.tee) or "", True),
    _Aspect("cpu", _cpu, _cpu, is_ordered=True),
    _Aspect("memory", lambda s: s.resources.memory_bytes, lambda s: spelled(s.resources.memory_bytes), True),
    _Aspect("storage", lambda s: s.resources.volumes, _storage, is_ordered=True),
    _Aspect("gpu", _gpu, _gpu, is_ordered=True),
    _Aspect("count", lambda s: s.count, lambda s: str(s.count), is_ordered=True),
    _Aspect("price", lambda s: s.unit_price, lambda s: f"{s.unit_price:f}", is_ordered=True),
    _Aspect("unit", lambda s: s.resource_id, lambda s: f"unit {s.resource_id} of the order", is_ordered=True),
)
