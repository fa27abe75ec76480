"""What a service of a compose file may use. After the Compose Specification, 05-services.md and deploy.md."""

import re
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any

from mesh_deployer.domain import compose_lost
from mesh_deployer.domain.place import Place
from mesh_deployer.domain.quantities import spelled

_AMOUNT = re.compile(r"[0-9]{1,6}(\.[0-9]{1,9})?|\.[0-9]{1,9}")
_SIZE = re.compile(r"(?P<number>[0-9]{1,15}(\.[0-9]{1,9})?) ?(?P<letter>[kmgtp]?)(i?b)?", re.IGNORECASE)
_POWERS = {letter: 1024**power for power, letter in enumerate(("", "k", "m", "g", "t", "p"))}
_UACT_PER_CPU, _UACT_PER_GB, _UACT_PER_GB_DISK = Decimal(20), Decimal(6), Decimal("0.4")
_LIMITS, _RESERVATIONS = ("cpus", "memory"), ("cpus", "memory", "devices")
_LIMITS_LOST = {"pids": ("The provider limits processes.", "Leave it out.")}
_DEVICE = ("driver", "count", "device_ids", "capabilities")
_DEVICE_LOST = {"options": ("The provider sets up its GPUs.", "Leave it out.")}


@dataclass(frozen=True, slots=True)
class Use:
    """What one replica gets; GPUs are Nvidia's."""

    cpu_millis: int
    memory_bytes: int
    gpus: int
    count: int

    def usual_price(self, disk_bytes: int) -> Decimal:
        """Twice what Akash's price script asks for it with `disk_bytes`, in whole uact per block, at least 1.

        Source: helm-charts, price_script_generic.sh (4.5, 1.25 and 0.08 dollars a month per CPU, GB and GB of
        disk), at 0.438 dollars for one uact per block, rounded.
        """
        cost = (
            Decimal(self.cpu_millis) / 1000 * _UACT_PER_CPU
            + Decimal(self.memory_bytes) / 10**9 * _UACT_PER_GB
            + Decimal(disk_bytes) / 10**9 * _UACT_PER_GB_DISK
        )
        return max(Decimal(1), cost.to_integral_value(ROUND_CEILING))

    def section(self, volumes: list[dict[str, Any]]) -> dict[str, Any]:
        """`profiles.compute.<name>.resources` with these volumes."""
        gpu = {"gpu": {"units": self.gpus, "attributes": {"vendor": {"nvidia": None}}}} if self.gpus else {}
        return {
            "cpu": {"units": f"{self.cpu_millis}m"},
            "memory": {"size": spelled(self.memory_bytes)},
            **gpu,
            "storage": volumes,
        }


def use(service: Place, *, cpu_millis: int, memory_bytes: int) -> Use:
    """What the service asks for: limits before reservations before Compose's older spelling.

    `cpu_millis` and `memory_bytes` are taken, and noted, where it asks for nothing.
    """
    deploy = service.at("deploy")
    compose_lost.note(deploy, ("resources", "replicas"), compose_lost.DEPLOY)
    resources = deploy.at("resources")
    compose_lost.note(resources, ("limits", "reservations"), {})
    limits, reservations = resources.at("limits"), resources.at("reservations")
    compose_lost.note(limits, _LIMITS, _LIMITS_LOST)
    compose_lost.note(reservations, _RESERVATIONS, {})
    cpus = _first(limits.at("cpus"), service.at("cpus"), reservations.at("cpus"))
    memory = _first(limits.at("memory"), service.at("mem_limit"), reservations.at("memory"))
    return Use(
        _assumed(cpus, cpu_millis, f"{cpu_millis}m of CPU") if cpus.is_absent else millis(cpus),
        _assumed(memory, memory_bytes, f"{spelled(memory_bytes)} of memory")
        if memory.is_absent
        else size(memory),
        sum(_gpus(device) for device in reservations.at("devices").items()),
        _count(_first(deploy.at("replicas"), service.at("scale"))),
    )


def millis(place: Place) -> int:
    """Thousandths of a CPU; 0 and a note where it is none."""
    text = place.text()
    if not _AMOUNT.fullmatch(text):
        place.error("quantity", "This is no number of CPUs.", "Write 0.5.")
        return 0
    return int(Decimal(text) * 1000)


def size(place: Place, text: str | None = None) -> int:
    """Bytes as Docker reads them: `64m`, `1.5gb` and `1GiB` are powers of 1024; 0 and a note for none.

    `text` is what is read instead of all that is written at `place`.
    """
    match = _SIZE.fullmatch(place.text() if text is None else text)
    if match is None:
        place.error("quantity", "This is no size.", "Write 512M, or 1G.")
        return 0
    return int(Decimal(match["number"]) * _POWERS[match["letter"].lower()])


def _first(*places: Place) -> Place:
    """The first that says something, else the first."""
    return next((place for place in places if not place.is_absent), places[0])


def _assumed(place: Place, amount: int, what: str) -> int:
    place.warn("assumed", f"{what} is taken, because nothing is said.", "Write what it needs.")
    return amount


def _count(place: Place) -> int:
    return 1 if place.is_absent else place.uint32(otherwise=1)


def _gpus(place: Place) -> int:
    """How many GPUs of a device request; other devices are refused."""
    compose_lost.note(place, _DEVICE, _DEVICE_LOST)
    if "gpu" not in (place.at("capabilities").texts() or ()):
        place.error("device", "Of devices Akash leases GPUs only.", "Write `capabilities: [gpu]`.")
        return 0
    if ids := place.at("device_ids").texts():
        return len(ids)
    count = place.at("count")
    if count.is_absent or count.text() == "all":
        return _assumed(count, 1, "One GPU")
    return count.uint32()
