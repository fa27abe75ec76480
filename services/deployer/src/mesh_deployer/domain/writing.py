"""Writes compiled groups as an SDL again, for whoever takes nothing else.

What is written is in the order in which Akash's compiler puts it, because not every compiler sorts alike:
Akash's TypeScript keeps volumes, GPU models and destinations as they come.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mesh_deployer.domain.manifest import version_hash
from mesh_deployer.domain.quantities import spelled
from mesh_deployer.domain.sdl import compile_sdl
from mesh_deployer.domain.workload import Attributes, Expose, Group, HttpOptions, Resources, Service
from mesh_deployer.errors import NotWritten

Json = dict[str, Any]
_MODEL = "vendor/nvidia/model/"


def write_sdl(groups: Sequence[Group], requirements: Mapping[str, str] | None = None) -> str:
    """An SDL, in JSON as YAML has it, that compiles to the manifest of `groups`.

    `requirements` are asked of every placement beside its own attributes. Raises `NotWritten` when what
    comes of it is another manifest.
    """
    written = json.dumps(_document(groups, requirements or {}), ensure_ascii=False)
    if compile_sdl(written).version_hash != version_hash(groups):
        raise NotWritten
    return written


def _document(groups: Sequence[Group], requirements: Mapping[str, str]) -> Json:
    placed = [(group, service) for group in groups for service in group.services]
    ips = sorted({expose.ip for _, service in placed for expose in service.exposes if expose.ip})
    endpoints = {"endpoints": {ip: {"kind": "ip"} for ip in ips}} if ips else {}
    deployment: Json = {}
    for group, service in placed:
        where = {"profile": _profile(group, service), "count": service.count}
        deployment.setdefault(service.name, {})[group.name] = where
    return {
        "version": "2.1" if any(map(_needs_newest, groups)) else "2.0",
        "services": {service.name: _service(service) for _, service in placed},
        "profiles": {
            "compute": {_profile(g, s): {"resources": _resources(s.resources)} for g, s in placed},
            "placement": {group.name: _placement(group, requirements) for group in groups},
        },
        "deployment": deployment,
        **endpoints,
    }


def _needs_newest(group: Group) -> bool:
    """True for what only SDL 2.1 says: services that share a resource unit, and an email of credentials."""
    has_email = any(service.credentials and service.credentials.email for service in group.services)
    return has_email or len({service.resource_id for service in group.services}) < len(group.services)


def _profile(group: Group, service: Service) -> str:
    return f"{group.name}-{service.resource_id}"


def _placement(group: Group, requirements: Mapping[str, str]) -> Json:
    attributes = {**dict(group.attributes or ()), **requirements}
    auditors = {"anyOf": group.any_of, "allOf": group.all_of}
    signed_by = {kind: named for kind, named in auditors.items() if named is not None}
    prices = {
        _profile(group, service): {"denom": group.denom, "amount": f"{service.unit_price:f}"}
        for service in group.services
    }
    return _present(attributes=attributes, signedBy=signed_by, pricing=prices)


def _service(service: Service) -> Json:
    mounts = {m.volume: {"mount": m.path, "readOnly": m.is_read_only} for m in service.mounts}
    given = {
        "command": service.command,
        "args": service.args,
        "env": service.env,
        "params": {"storage": mounts} if service.params else None,
        "credentials": _credentials(service),
    }
    return {
        "image": service.image,
        "expose": [_expose(expose) for expose in service.exposes],
        **{name: part for name, part in given.items() if part is not None},
    }


def _credentials(service: Service) -> Json | None:
    if (known := service.credentials) is None:
        return None
    return {
        "host": known.host,
        "email": known.email,
        "username": known.username,
        "password": known.password,
    }


def _expose(expose: Expose) -> Json:
    to = _present(service=expose.service, ip=expose.ip, **{"global": expose.is_global})
    accept = {} if expose.hosts is None else {"accept": list(expose.hosts)}
    return {
        "port": expose.port,
        "proto": expose.protocol.lower(),
        "http_options": _http(expose.http),
        **accept,
        **_present(**{"as": expose.external_port, "to": [to] if to else []}),
    }


def _http(http: HttpOptions) -> Json:
    return {
        "max_body_size": http.max_body_size,
        "read_timeout": http.read_timeout,
        "send_timeout": http.send_timeout,
        "next_tries": http.next_tries,
        "next_timeout": http.next_timeout,
        "next_cases": list(http.next_cases),
        **_present(proxy_buffer_size=http.proxy_buffer_size),
    }


def _resources(used: Resources) -> Json:
    return {
        "cpu": {"units": f"{used.cpu_millis}m"} | _with(used.cpu_attributes),
        "memory": {"size": spelled(used.memory_bytes)},
        "storage": [
            {"name": v.name, "size": spelled(v.size_bytes)} | _with(v.attributes) for v in used.volumes
        ],
        **({"gpu": _gpu(used)} if used.gpu_units else {}),
    }


def _gpu(used: Resources) -> Json:
    models = [key.removeprefix(_MODEL) for key, _ in used.gpu_attributes or ()]
    named = [] if models == ["*"] else [_model(*model.split("/")) for model in models]
    return {"units": used.gpu_units, "attributes": {"vendor": {"nvidia": named or None}}}


def _model(name: str, *pairs: str) -> Json:
    """`h100/ram/80Gi/interface/sxm` as a mapping."""
    return {"model": name} | dict(zip(pairs[::2], pairs[1::2], strict=True))


def _with(attributes: Attributes | None) -> Json:
    return {"attributes": dict(attributes)} if attributes else {}


def _present(**parts: Any) -> Json:
    return {name: part for name, part in parts.items() if part}
