"""`profiles.compute.<name>`: what one replica gets. After chain-sdk's go/sdl/{cpu,gpu,storage}.go."""

import re
from dataclasses import dataclass

from mesh_deployer.domain import mistakes, quantities
from mesh_deployer.domain.gosort import MAX_STABLE, sort_stable
from mesh_deployer.domain.place import Place
from mesh_deployer.domain.workload import Attributes, Resources, Volume

_STORAGE_CLASSES = ("default", "beta1", "beta2", "beta3", "ram")
_TRUE, _FALSE = ("true", "on", "yes"), ("false", "off", "no")
_INTERFACES = ("pcie", "sxm")
_KEY = re.compile(r"[a-zA-Z][\w/.-]{1,126}[\w*]?", re.ASCII)
"""The key of an attribute (go/node/types/attributes/v1/attribute.go)."""


@dataclass(frozen=True, slots=True)
class ComputeSection:
    """A compute profile as written."""

    place: Place
    resources: Resources


def read(place: Place) -> ComputeSection:
    """Reads one profile."""
    resources = place.fields(("resources",)).at("resources").fields(("cpu", "gpu", "memory", "storage"))
    cpu = resources.at("cpu").fields(("units", "attributes"))
    memory = resources.at("memory").fields(("size",))
    gpu_units, gpu_attributes = _gpu(resources.at("gpu"))
    return ComputeSection(
        resources,
        Resources(
            cpu.at("units").parsed(quantities.cpu_millis, 0, "CPU", "500m"),
            memory.at("size").parsed(quantities.size_bytes, 0, "Memory", "512Mi"),
            _volumes(resources.at("storage")),
            cpu_attributes=_cpu_attributes(cpu.at("attributes")),
            gpu_units=gpu_units,
            gpu_attributes=gpu_attributes,
        ),
    )


def _cpu_attributes(place: Place) -> Attributes | None:
    found = [(key, value.text()) for key, value in place.written() if _is_one_of(value, key, ("arch",))]
    if len(found) > 1:
        place.invalid("duplicate-key", "`arch` is given twice.", "Keep one of them.")
    return tuple(found) or None


def _is_one_of(place: Place, key: str, known: tuple[str, ...]) -> bool:
    """Notes a key that Akash refuses, as it does where it reads a mapping by hand."""
    if key not in known:
        place.error("unknown-key", f"There is no `{key}` here.", f"Write {' or '.join(known)}.")
    return key in known


def _gpu(place: Place) -> tuple[int, Attributes | None]:
    """Units and attributes; of a key that is given twice the last counts."""
    units, attributes = 0, None
    if place.is_scalar and not place.is_absent:
        place.warn("not-a-mapping", "Akash reads no GPU here.", mistakes.shape(place.path, ""))
    for key, value in place.written():
        if not _is_one_of(value, key, ("units", "attributes")):
            continue
        if key == "units":
            units = 0 if value.is_absent else value.parsed(quantities.gpu_units, 0, "GPU", "1")
        elif not value.is_absent:
            attributes = _gpu_attributes(value)
    if units and not attributes:
        place.error("missing", "GPUs need attributes.", "Write `attributes: {vendor: {nvidia: []}}` for any.")
    return units, attributes


def _gpu_attributes(place: Place) -> Attributes:
    vendors = [value for key, value in place.written() if _is_one_of(value, key, ("vendor",))]
    if not vendors or vendors[-1].is_absent:
        place.error("missing", "The vendor is missing.", "Write `vendor: {nvidia: []}` for any of Nvidia's.")
        return ()
    models = [_gpu_model(model) for model in vendors[-1].fields(("nvidia",)).at("nvidia").items()] or ["*"]
    keys = sorted(f"vendor/nvidia/model/{model}" for model in models)
    if len(set(keys)) < len(keys):
        place.error("duplicate-key", "A GPU is named twice.", "Keep one of them.")
    if not all(map(_KEY.fullmatch, keys)):
        place.error("gpu-model", "Akash takes no such model.", "Write a name such as h100, or `*`.")
    return tuple((key, "true") for key in keys)


def _gpu_model(place: Place) -> str:
    place.fields(("model", "ram", "interface"))
    name, ram, interface = place.at("model").text(), place.at("ram"), place.at("interface")
    if not ram.is_absent:
        name += f"/ram/{ram.parsed(quantities.gpu_memory, 0, 'GPU memory', '80Gi') >> 30}Gi"
    if not interface.is_absent:
        if interface.text() not in _INTERFACES:
            interface.error(
                "gpu-interface", "There is no such interface.", f"One of {', '.join(_INTERFACES)}."
            )
        name += f"/interface/{interface.text()}"
    return name


def _volumes(place: Place) -> tuple[Volume, ...]:
    """One volume, or a list of them; sorted as Akash sorts them."""
    if place.is_mapping:
        return (_volume(place, is_named=False),)
    volumes = [_volume(item, is_named=True) for item in place.all_items()] if not place.is_scalar else []
    names = [volume.name for volume in volumes]
    if len(set(names)) < len(names):
        place.error("duplicate-volume", "Two volumes have the same name.", "Name each but one.")
    if not volumes:
        place.invalid("missing", "Storage is missing.", "Write `size: 512Mi`, or a list of volumes.")
    if len(volumes) > MAX_STABLE:
        place.error("unsupported", f"At most {MAX_STABLE} volumes are compiled.", "Join some.")
    return tuple(sort_stable(volumes, _sorts_before))


def _volume(place: Place, *, is_named: bool) -> Volume:
    place.fields(("name", "size", "attributes"))
    name = place.at("name").text() if is_named else ""
    size = place.at("size").parsed(quantities.size_bytes, 0, "Storage", "512Mi")
    return Volume(name or "default", size, _storage_attributes(place.at("attributes")))


def _storage_attributes(place: Place) -> Attributes | None:
    if place.is_absent:
        return None
    given = {key: value.text() for key, value in place.named().items()}
    for key in given:
        _is_one_of(place.at(key), key, ("class", "persistent"))
    persistent, kind = given.get("persistent", "false"), given.get("class", "")
    # Akash compares the spelling here, so that the defaults and rules do not hold for `on` and `yes`
    kind = kind or ("default" if persistent == "true" else kind)
    if kind == "ram" and persistent != "false":
        place.error("storage-class", "Memory is not persistent.", "Leave `persistent` out.")
    if kind not in ("", "ram") and persistent == "false":
        place.error("storage-class", "A class is for persistent storage.", "Add `persistent: true`.")
    if persistent not in _TRUE + _FALSE:
        place.at("persistent").error("not-a-flag", "true or false is expected here.", "Write true.")
    has_class = "class" in given or kind
    if has_class and kind not in _STORAGE_CLASSES:
        place.at("class").error("storage-class", "No such class.", f"One of {', '.join(_STORAGE_CLASSES)}.")
    unified = ("persistent", "true" if persistent in _TRUE else "false")
    return (("class", kind), unified) if has_class else (unified,)


def _sorts_before(one: Volume, other: Volume) -> bool:
    """The comparison of go/sdl/storage.go, word for word: two equal volumes are each before the other."""
    if one.size_bytes != other.size_bytes:
        return one.size_bytes < other.size_bytes
    left, right = one.attribute("persistent"), other.attribute("persistent")
    if (left or "") != (right or ""):
        return (left or "") < (right or "")
    if not one.is_persistent:
        return True
    return not other.is_persistent or one.name < other.name
