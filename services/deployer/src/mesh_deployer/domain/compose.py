"""A compose file as an SDL 2.0: what Akash has is carried over, and what it lacks is said, place by place.

Read after the Compose Specification (compose-spec, 2025). Secrets do not come over: a variable that looks
like one names a connection of the security gateway, and on a command line it is an error.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, cast

import yaml

from mesh_deployer.domain import (
    compose_lost,
    compose_ports,
    compose_resources,
    compose_service,
    compose_volumes,
    tree,
)
from mesh_deployer.domain.compose_names import sdl_name
from mesh_deployer.domain.compose_variables import Variables
from mesh_deployer.domain.generation import PLACEMENT
from mesh_deployer.domain.issues import Findings, Issue, Unreadable
from mesh_deployer.domain.place import Place
from mesh_deployer.domain.sdl import compile_sdl

_TOP = ("version", "name", "services", "volumes")
_SERVICE = (
    "image",
    "build",
    "command",
    "entrypoint",
    "environment",
    "ports",
    "expose",
    "volumes",
    "tmpfs",
    "shm_size",
    "deploy",
    "cpus",
    "mem_limit",
    "scale",
    "profiles",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """What a compose file does not say: thousandths of a CPU, bytes, uact per replica and block.

    `price` is None for twice what Akash usually costs. `variables` are the values of `${NAME}`,
    and `images` what was pushed to a registry, by the name of the service as it is written.
    """

    cpu_millis: int = 500
    memory_bytes: int = 512 * 2**20
    disk_bytes: int = 2**30
    volume_bytes: int = 2**30
    price: Decimal | None = None
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    images: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Conversion:
    """`sdl` and `version_hash` only when it compiles; paths that start with `sdl.` are places in it."""

    sdl: str | None
    version_hash: str | None
    issues: tuple[Issue, ...]

    @property
    def ok(self) -> bool:
        """True when there is an SDL; what is in `issues` then are warnings."""
        return self.sdl is not None


def convert(text: str | bytes, assumed: Assumed) -> Conversion:
    """A compose file as an SDL that compiles, with everything that was assumed, changed or left behind.

    Raises nothing.
    """
    findings = Findings()
    try:
        root, is_alone = tree.read(text)
        place = Place(root, "", findings)
        if not is_alone:
            place.warn("several-documents", "The first document only is read.", "Write one.")
        sdl = _written(_document(place, assumed))
    except Unreadable as fault:
        return Conversion(None, None, (*findings, fault.issue))
    if findings.has_errors:
        return Conversion(None, None, tuple(findings))
    compiled = compile_sdl(sdl)
    issues = (*findings, *(replace(issue, path=f"sdl.{issue.path}") for issue in compiled.issues))
    return Conversion(sdl if compiled.ok else None, compiled.version_hash, issues)


def _document(root: Place, assumed: Assumed) -> dict[str, Any]:
    compose_lost.note(root, _TOP, compose_lost.TOP)
    variables = Variables(assumed.variables)
    volumes = compose_volumes.declared(variables.filled(root.at("volumes")))
    services: dict[str, Any] = {}
    compute: dict[str, Any] = {}
    pricing: dict[str, Any] = {}
    deployment: dict[str, Any] = {}
    for name, written, place in _deployed(root.at("services")):
        used, stored, services[name] = _service(name, written, place, variables, volumes, assumed)
        compute[name] = {"resources": used.section(stored.volumes)}
        pricing[name] = {"denom": "uact", "amount": f"{_price(place, used, stored, assumed):f}"}
        deployment[name] = {PLACEMENT: {"profile": name, "count": used.count}}
    _note_public(root.at("services"), services)
    return {
        "version": "2.0",
        "services": services,
        "profiles": {"compute": compute, "placement": {PLACEMENT: {"pricing": pricing}}},
        "deployment": deployment,
    }


def _deployed(place: Place) -> Iterator[tuple[str, str, Place]]:
    """The services that start by themselves, each with its name in the SDL and the one that is written."""
    taken: set[str] = set()
    for written, service in place.named().items():
        if service.at("profiles").items():
            service.warn("not-carried", "It is started on demand only.", "Drop `profiles` to deploy it.")
            continue
        name = sdl_name(written)
        if name in taken:
            service.error("duplicate-name", f"Two services would be called {name}.", "Rename one.")
        elif name != written:
            service.warn("renamed", f"The service is called {name}.", f"Reach it as {name}.")
        taken.add(name)
        yield name, written, service


def _service(
    name: str,
    written: str,
    place: Place,
    variables: Variables,
    volumes: Mapping[str, str],
    assumed: Assumed,
) -> tuple[compose_resources.Use, compose_volumes.Storage, dict[str, Any]]:
    compose_lost.note(place, _SERVICE, compose_lost.SERVICE)
    env = compose_service.environment(place, variables, name)
    pushed = assumed.images.get(written)
    passed_over = ("environment", "image") if pushed else ("environment",)
    parts = {key: entry.node for key, entry in place.named().items() if key not in passed_over and entry.node}
    service = variables.filled(place.over(parts))
    used = compose_resources.use(service, cpu_millis=assumed.cpu_millis, memory_bytes=assumed.memory_bytes)
    stored = compose_volumes.storage(
        service, volumes, disk_bytes=assumed.disk_bytes, volume_bytes=assumed.volume_bytes
    )
    if not (ports := compose_ports.exposes(service)):
        place.warn(
            "no-port", "Nothing reaches it: no port is written.", 'Write `expose: ["5432"]`, or `ports`.'
        )
    section = {
        "image": compose_service.image(service, pushed),
        "command": compose_service.words(service.at("entrypoint")),
        "args": compose_service.words(service.at("command")),
        "env": env,
        "expose": ports,
        "params": {"storage": stored.mounts} if stored.mounts else None,
    }
    return used, stored, {key: part for key, part in section.items() if part}


def _price(
    place: Place, used: compose_resources.Use, stored: compose_volumes.Storage, assumed: Assumed
) -> Decimal:
    if assumed.price is not None:
        return assumed.price
    if used.gpus:
        place.error("price", "Nothing is assumed of the price of GPUs.", "Give the most that you pay.")
    price = used.usual_price(stored.total_bytes)
    place.warn("assumed", f"At most {price} uact per block is paid for a replica.", "Give another price.")
    return price


def _note_public(place: Place, services: Mapping[str, Any]) -> None:
    if not services:
        place.error("missing", "There is nothing to deploy.", "Write `services: {web: {image: …}}`.")
    elif not any(entry.get("to") for service in services.values() for entry in service.get("expose", ())):
        hint = 'Write `ports: ["80"]` in the service that the world is to reach.'
        place.error("no-global-service", "No service publishes a port.", hint)


def _written(document: dict[str, Any]) -> str:
    """Raises `Unreadable` for more than an SDL may have, before it is spelled out."""
    if _characters(document) > tree.MAX_BYTES:
        raise Unreadable(Issue("services", "too-large", f"An SDL has at most {tree.MAX_BYTES} bytes."))
    dump = cast("Any", yaml).dump
    # ASCII, because YAML folds the other line breaks of Unicode (U+0085, U+2028) into blanks
    return dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=False, width=10_000)


class _Dumper(yaml.CSafeDumper):
    """Writes everything out: no anchors, where two services have the same words."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _characters(part: object) -> int:
    match part:
        case str():
            return len(part)
        case dict():
            return sum(_characters(key) + _characters(value) for key, value in cast("Any", part.items()))
        case list():
            return sum(map(_characters, cast("list[object]", part)))
        case _:
            return 1
