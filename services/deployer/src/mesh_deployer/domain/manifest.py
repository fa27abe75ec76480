"""The manifest that providers get, its hash that goes on the chain, and the groups that an order is made of.

Field names, order and presence after Akash's chain-sdk, go/manifest/v2beta3 and go/sdl/groupBuilder_v2_1.go.
"""

import json
from collections.abc import Sequence
from decimal import Decimal
from hashlib import sha256
from typing import Any

from mesh_deployer.domain.gosort import sort
from mesh_deployer.domain.workload import (
    MAX_UINT32,
    Attributes,
    Credentials,
    Expose,
    Group,
    Params,
    Resources,
    Service,
    Volume,
)

Json = dict[str, Any]
_RANDOM_PORT, _LEASED_IP = 1, 2
_PRICE_STEP = Decimal(10) ** -18


def manifest(groups: Sequence[Group]) -> list[Json]:
    """The groups in the JSON form of Akash's manifest."""
    return [{"name": group.name, "services": [_service(s) for s in group.services]} for group in groups]


def version_hash(groups: Sequence[Group]) -> str:
    """SHA-256 of the manifest's canonical JSON, in hex.

    Source: Manifest.Version in chain-sdk, go/manifest/v2beta3/manifest.go.
    """
    return sha256(canonical(groups).encode()).hexdigest()


def canonical(groups: Sequence[Group]) -> str:
    """The manifest as it is hashed: sorted keys, compact, with Go's escapes."""
    text = json.dumps(manifest(groups), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def group_specs(groups: Sequence[Group]) -> list[Json]:
    """The groups as an order on the chain has them: what a provider must have, units, counts and prices."""
    return [
        {
            "name": group.name,
            "requirements": {
                "signed_by": {"all_of": _list(group.all_of), "any_of": _list(group.any_of)},
                "attributes": _pairs(group.attributes),
            },
            "resources": _units(group),
        }
        for group in groups
    ]


def resources_digest(groups: Sequence[Group]) -> str:
    """SHA-256 over what an update cannot change: units, counts and endpoints, without their prices.

    A chain takes any hash; a provider refuses a manifest that needs other resources than it has leased
    (ValidateManifest in go/manifest/v2beta3).
    """
    units = [
        [{"resource": unit["resource"], "count": unit["count"]} for unit in _units(group)] for group in groups
    ]
    return sha256(json.dumps(units, sort_keys=True).encode()).hexdigest()


def _units(group: Group) -> list[Json]:
    """One unit per resource id: services that share it are counted together, their endpoints sorted."""
    units: dict[int, Json] = {}
    for service in group.services:
        own = _resources(service)
        if service.resource_id not in units:
            price = f"{service.unit_price.quantize(_PRICE_STEP):f}"
            units[service.resource_id] = {
                "resource": own,
                "count": service.count,
                "price": {"denom": group.denom, "amount": price},
            }
            continue
        shared = units[service.resource_id]
        shared["count"] = (shared["count"] + service.count) & MAX_UINT32
        endpoints = shared["resource"]["endpoints"] + own["endpoints"]
        shared["resource"]["endpoints"] = sort(endpoints, _is_before)
    return list(units.values())


def _is_before(one: Json, other: Json) -> bool:
    return one["sequence_number"] < other["sequence_number"]


def _service(service: Service) -> Json:
    params = {} if service.params is None else {"params": _params(service.params)}
    return params | {
        "name": service.name,
        "image": service.image,
        "command": _list(service.command),
        "args": _list(service.args),
        "env": _list(service.env),
        "resources": _resources(service),
        "count": service.count,
        "expose": [_expose(expose) for expose in service.exposes],
        "credentials": None if service.credentials is None else _credentials(service.credentials),
    }


def _params(params: Params) -> Json:
    mounts = [{"name": m.volume, "mount": m.path, "readOnly": m.is_read_only} for m in params.mounts]
    known: Json = {"storage": mounts or None}
    if params.permissions is not None:
        known["permissions"] = {"read": list(params.permissions)} if params.permissions else {}
    if params.tee:
        known["tee"] = {"type": params.tee, "attestation": True}
    return known


def _credentials(credentials: Credentials) -> Json:
    return {
        "host": credentials.host,
        "email": credentials.email,
        "username": credentials.username,
        "password": credentials.password,
    }


def _resources(service: Service) -> Json:
    """A resource unit, which has the same form in the manifest and in the chain's group."""
    used: Resources = service.resources
    return {
        "id": service.resource_id,
        "cpu": {"units": _value(used.cpu_millis)} | _attributes(used.cpu_attributes),
        "memory": {"size": _value(used.memory_bytes)},
        "storage": [_volume(volume) for volume in used.volumes],
        "gpu": {"units": _value(used.gpu_units)} | _attributes(used.gpu_attributes),
        "endpoints": [endpoint for expose in service.exposes for endpoint in endpoints(expose)],
    }


def _volume(volume: Volume) -> Json:
    return {"name": volume.name, "size": _value(volume.size_bytes)} | _attributes(volume.attributes)


def endpoints(expose: Expose) -> list[Json]:
    """Shared HTTP or a random port, and the leased address where there is one; none if not for the world."""
    if not expose.is_global:
        return []
    endpoint: Json = {"sequence_number": 0} | ({} if expose.is_ingress else {"kind": _RANDOM_PORT})
    leased: Json = {"kind": _LEASED_IP, "sequence_number": expose.ip_number}
    return [endpoint, leased] if expose.ip else [endpoint]


def _expose(expose: Expose) -> Json:
    return {
        "port": expose.port,
        "externalPort": expose.external_port,
        "proto": expose.protocol,
        "service": expose.service,
        "global": expose.is_global,
        "hosts": _list(expose.hosts),
        "httpOptions": _http_options(expose),
        "ip": expose.ip,
        "endpointSequenceNumber": expose.ip_number if expose.is_global else 0,
    }


def _http_options(expose: Expose) -> Json:
    http = expose.http
    # left out at zero, so that the hash is the same as before Akash knew it
    buffer = {"proxyBufferSize": http.proxy_buffer_size} if http.proxy_buffer_size else {}
    return buffer | {
        "maxBodySize": http.max_body_size,
        "readTimeout": http.read_timeout,
        "sendTimeout": http.send_timeout,
        "nextTries": http.next_tries,
        "nextTimeout": http.next_timeout,
        "nextCases": list(http.next_cases),
    }


def _value(amount: int) -> Json:
    return {"val": str(amount)}


def _attributes(attributes: Attributes | None) -> Json:
    return {"attributes": _pairs(attributes)} if attributes else {}


def _pairs(attributes: Attributes | None) -> list[Json] | None:
    """Go leaves out what is empty."""
    pairs = [(("key", key), ("value", value)) for key, value in attributes or ()]
    return [{name: text for name, text in pair if text} for pair in pairs] or None


def _list(items: Sequence[str] | None) -> list[str] | None:
    return None if items is None else list(items)
