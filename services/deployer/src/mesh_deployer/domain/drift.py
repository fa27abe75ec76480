"""What runs, against what should."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

from mesh_deployer.domain.workload import Group, Service, Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """A service of a placement as its market reports it; None is what the market does not report.

    `replicas` are those that are there, CPU is in thousandths and memory in bytes of one replica, and
    `ports` are those that are open to the world.
    """

    service: str
    image: str | None = None
    replicas: int | None = None
    cpu_millis: int | None = None
    memory_bytes: int | None = None
    ports: tuple[int, ...] | None = None
    gseq: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One difference in a placement; `found` is None where there is nothing of it."""

    placement: str
    service: str
    what: str
    wanted: str | None
    found: str | None


WHATS = tuple(field.name for field in fields(Observed) if field.name not in ("service", "gseq"))
"""What can differ."""


def drift(workload: Workload, observed: Sequence[Observed]) -> tuple[Drift, ...]:
    """Where what runs is not what `workload` says, by placement and service.

    What is not reported is no difference.
    """
    return tuple(
        difference
        for gseq, group in workload.numbered
        for difference in _of_group(group, [found for found in observed if found.gseq == gseq])
    )


def unreported(observed: Sequence[Observed]) -> tuple[str, ...]:
    """What the market says of no service, so that nothing is known of it; all of it where none is seen."""
    return tuple(what for what in WHATS if all(getattr(found, what) is None for found in observed))


def _of_group(group: Group, observed: Sequence[Observed]) -> Iterator[Drift]:
    wanted = {service.name: _wanted(service) for service in group.services}
    seen = {found.service: found for found in observed}
    for name in sorted({*wanted, *seen}):
        yield from _differences(group.name, name, wanted.get(name), seen.get(name))


def _wanted(service: Service) -> Observed:
    return Observed(
        service=service.name,
        image=service.image,
        replicas=service.count,
        cpu_millis=service.resources.cpu_millis,
        memory_bytes=service.resources.memory_bytes,
        ports=tuple(sorted(expose.port for expose in service.exposes if expose.is_global)),
    )


def _differences(
    placement: str, name: str, wanted: Observed | None, found: Observed | None
) -> Iterator[Drift]:
    if wanted is None or found is None:
        yield Drift(
            placement=placement,
            service=name,
            what="service",
            wanted=None if wanted is None else name,
            found=None if found is None else name,
        )
        return
    for what in WHATS:
        asked, is_there = getattr(wanted, what), getattr(found, what)
        if is_there is not None and asked != is_there:
            yield Drift(
                placement=placement, service=name, what=what, wanted=_told(asked), found=_told(is_there)
            )


def _told(value: object) -> str:
    return str(value).strip("(),")  # ports without their brackets
