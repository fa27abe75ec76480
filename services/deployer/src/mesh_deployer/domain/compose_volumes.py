"""`volumes`, `tmpfs` and `shm_size` of a compose file. After the Compose Specification, 05-services.md."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mesh_deployer.domain import compose_lost
from mesh_deployer.domain.compose_names import sdl_name
from mesh_deployer.domain.compose_resources import size
from mesh_deployer.domain.place import Place
from mesh_deployer.domain.quantities import spelled

_LONG = ("type", "source", "target", "read_only", "volume", "tmpfs", "bind", "consistency")
_NAMED = ("driver", "name", "labels", "external", "driver_opts")
_MEMORY_BYTES = 64 * 2**20
"""Docker's own size of /dev/shm."""
_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - a path in the container


@dataclass(slots=True)
class Storage:
    """The volumes of one service and where they are mounted; the first is the container's own disk."""

    disk_bytes: int
    volumes: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    mounts: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    total_bytes: int = 0

    def __post_init__(self) -> None:
        self.volumes.append({"size": spelled(self.disk_bytes)})
        self.total_bytes = self.disk_bytes

    @property
    def next_tmpfs(self) -> str:
        """A name for the next volume in memory."""
        return f"tmpfs-{len(self.volumes)}"

    def keep(self, place: Place, name: str, path: str, size_bytes: int, *, is_read_only: bool) -> None:
        """A volume that outlives the container."""
        attributes = {"persistent": True}
        self._add(place, name, size_bytes, attributes, {"mount": path, "readOnly": is_read_only})

    def remember(self, place: Place, name: str, path: str, size_bytes: int) -> None:
        """A volume in memory."""
        attributes = {"persistent": False, "class": "ram"}
        self._add(place, name, size_bytes, attributes, {"mount": path})

    def _add(
        self, place: Place, name: str, size_bytes: int, attributes: dict[str, Any], mount: dict[str, Any]
    ) -> None:
        if name in self.mounts:
            place.error("duplicate-volume", "An SDL mounts a volume once.", "Use two volumes.")
        if not mount["mount"].startswith("/"):
            place.error("mount", "A volume is mounted at an absolute path.", "Start it with a slash.")
        self.volumes.append({"name": name, "size": spelled(size_bytes), "attributes": attributes})
        self.mounts[name] = mount
        self.total_bytes += size_bytes


def storage(service: Place, named: Mapping[str, str], *, disk_bytes: int, volume_bytes: int) -> Storage:
    """What a service stores; `named` has the SDL's name for each volume that the file declares."""
    found = Storage(disk_bytes)
    for item in service.at("volumes").items():
        if item.is_mapping:
            _long(found, item, named, volume_bytes)
        else:
            _short(found, item, named, volume_bytes)
    for item in service.at("tmpfs").one_or_more():
        _tmpfs(found, item)
    if not (shared := service.at("shm_size")).is_absent:
        found.remember(shared, "shm", _SHARED_MEMORY, size(shared))
    return found


def declared(place: Place) -> dict[str, str]:
    """The volumes at the top of the file, each with its name in the SDL."""
    for volume in place.named().values():
        compose_lost.note(volume, _NAMED, {})
        if volume.at("external").flag():
            volume.warn("not-carried", "What is in the volume stays where it is.", "Copy it in afterwards.")
    return {name: sdl_name(name) for name in place.named()}


def _short(found: Storage, place: Place, named: Mapping[str, str], volume_bytes: int) -> None:
    source, colon, rest = place.text().partition(":")
    path, _, mode = rest.partition(":") if colon else (source, "", "")
    _mount(
        found, place, source if colon else "", path, named, volume_bytes, is_read_only="ro" in mode.split(",")
    )


def _long(found: Storage, place: Place, named: Mapping[str, str], volume_bytes: int) -> None:
    compose_lost.note(place, _LONG, {})
    kind, source, path = (place.at(key).text() for key in ("type", "source", "target"))
    if kind == "tmpfs":
        given = place.at("tmpfs").at("size")
        amount = _MEMORY_BYTES if given.is_absent else size(given)
        found.remember(place, found.next_tmpfs, path, amount)
    elif kind in ("volume", "bind"):
        source = f"./{source}" if kind == "bind" else source
        _mount(found, place, source, path, named, volume_bytes, is_read_only=place.at("read_only").flag())
    else:
        place.at("type").error("volume", "Akash has no such volume.", "Write volume or tmpfs.")


def _mount(
    found: Storage,
    place: Place,
    source: str,
    path: str,
    named: Mapping[str, str],
    volume_bytes: int,
    *,
    is_read_only: bool,
) -> None:
    if source.startswith((".", "/", "~")):
        place.warn(
            "not-carried", "A provider has none of your files.", "Put them into the image, or a volume."
        )
    elif not source:
        place.warn("not-kept", "A volume without a name ends with its container.", "Name it to keep it.")
    elif source not in named:
        place.error("unknown-reference", f"There is no volume {source}.", "Declare it under `volumes`.")
    else:
        hint = "Give volume_bytes for another size."
        place.warn("assumed", f"{spelled(volume_bytes)} is taken, because Compose has no sizes.", hint)
        found.keep(place, named[source], path, volume_bytes, is_read_only=is_read_only)


def _tmpfs(found: Storage, place: Place) -> None:
    path, _, options = place.text().partition(":")
    sizes = [option.removeprefix("size=") for option in options.split(",") if option.startswith("size=")]
    found.remember(place, found.next_tmpfs, path, size(place, sizes[0]) if sizes else _MEMORY_BYTES)
