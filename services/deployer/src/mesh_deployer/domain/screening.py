"""Which providers could run a group at all, and why the others could not: the rules by which Akash's bid.

Source: chain-sdk's x/market (MatchAttributes, MatchRequirements) and the provider's bidengine.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from mesh_deployer.domain.market import Cause, Declined, misses
from mesh_deployer.domain.workload import Group

_ANY_MODEL = "*"
_OWN_DISK = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """A provider as it is known: what is free there, what it offers, and who has signed for that."""

    provider: str
    cpu_millis: int
    memory_bytes: int
    storage_bytes: int
    gpus: int = 0
    gpu_models: frozenset[str] = frozenset()
    storage_classes: frozenset[str] = frozenset()
    leases_ips: bool = False
    attributes: Mapping[str, str] = field(default_factory=dict[str, str])
    auditors: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What a group asks of a provider, summed up once for all of them."""

    cpu_millis: int
    memory_bytes: int
    storage_bytes: int
    gpus: int
    gpu_models: tuple[frozenset[str], ...]
    storage_classes: frozenset[str]
    wants_ips: bool
    attributes: Mapping[str, str]
    any_of: frozenset[str]
    all_of: frozenset[str]
    ceiling: Decimal

    @classmethod
    def of(cls, group: Group, attributes: Mapping[str, str]) -> "Demand":
        """`attributes` are all that must hold, the group's own among them."""
        shape, units = group.shape, group.units
        return cls(
            cpu_millis=shape.cpu_millis,
            memory_bytes=shape.memory_bytes,
            storage_bytes=shape.storage_bytes,
            gpus=sum(used.gpu_units * count for used, count in units),
            gpu_models=tuple(
                frozenset(key.split("/")[3] for key, _ in used.gpu_attributes)
                for used, _ in units
                if used.gpu_attributes
            ),
            storage_classes=frozenset(
                volume.attribute("class") or _OWN_DISK for used, _ in units for volume in used.volumes
            )
            - {_OWN_DISK},
            wants_ips=any(expose.ip for service in group.services for expose in service.exposes),
            attributes=attributes,
            any_of=frozenset(group.any_of or ()),
            all_of=frozenset(group.all_of or ()),
            ceiling=group.ceiling,
        )


def declined(demand: Demand, supply: Supply, price: Decimal) -> Declined | None:
    """Why the provider would not run it for its `price` in uact per block; None when it would."""
    cause, reason = (
        _unoffered(demand, supply)
        or misses(demand.attributes, supply.attributes)
        or _unsigned(demand, supply)
        or _too_large(demand, supply)
        or _too_dear(demand, price)
        or (Cause.UNKNOWN, "")
    )
    return Declined(provider=supply.provider, reason=reason, cause=cause) if reason else None


def _unoffered(demand: Demand, supply: Supply) -> tuple[Cause, str] | None:
    if demand.gpus and not supply.gpus:
        return Cause.RESOURCES, "It has no free GPU."
    for models in demand.gpu_models:
        if _ANY_MODEL not in models and not models & supply.gpu_models:
            return Cause.RESOURCES, f"It has no GPU of the model {' or '.join(sorted(models))}."
    if lacking := demand.storage_classes - supply.storage_classes:
        return Cause.RESOURCES, f"It has no storage of the class {' and '.join(sorted(lacking))}."
    if demand.wants_ips and not supply.leases_ips:
        return Cause.RESOURCES, "It leases no IPs."
    return None


def _unsigned(demand: Demand, supply: Supply) -> tuple[Cause, str] | None:
    if not (demand.all_of or demand.any_of):
        return None
    if not supply.auditors:
        return Cause.AUDITOR, "No auditor has signed its attributes."
    if unsigned := demand.all_of - supply.auditors:
        return Cause.AUDITOR, f"{', '.join(sorted(unsigned))} has not signed its attributes."
    if demand.any_of and not demand.any_of & supply.auditors:
        return Cause.AUDITOR, f"None of {', '.join(sorted(demand.any_of))} has signed its attributes."
    return None


def _too_large(demand: Demand, supply: Supply) -> tuple[Cause, str] | None:
    for what, wanted, free in (
        ("thousandths of a CPU", demand.cpu_millis, supply.cpu_millis),
        ("bytes of memory", demand.memory_bytes, supply.memory_bytes),
        ("bytes of storage", demand.storage_bytes, supply.storage_bytes),
        ("GPUs", demand.gpus, supply.gpus),
    ):
        if wanted > free:
            return Cause.CAPACITY, f"{free} {what} are free, {wanted} are asked for."
    return None


def _too_dear(demand: Demand, price: Decimal) -> tuple[Cause, str] | None:
    if price > demand.ceiling:
        return Cause.PRICE, f"Would take {price} uact per block, the order pays at most {demand.ceiling}."
    return None
