"""The manifest that providers get, and the hash of it that goes on the chain.

Field names, order and presence after Akash's chain-sdk, go/manifest/v2beta3.
"""

import json
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from mesh_deployer.domain.workload import Expose, Group, Resources, Service, Volume

Json = dict[str, Any]
_RANDOM_PORT = 1


def manifest(groups: Sequence[Group]) -> list[Json]:
    """The groups in the JSON form of Akash's manifest."""
    return [{"name": group.name, "services": [_service(s) for s in group.services]} for group in groups]


def version_hash(groups: Sequence[Group]) -> str:
    """SHA-256 of the manifest's canonical JSON, in hex: sorted keys, compact, with Go's escapes.

    Source: Manifest.Version in chain-sdk, go/manifest/v2beta3/manifest.go.
    """
    text = json.dumps(manifest(groups), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return sha256(text.encode()).hexdigest()


def _service(service: Service) -> Json:
    params = {"params": _params(service)} if service.mounts is not None else {}
    return params | {
        "name": service.name,
        "image": service.image,
        "command": _list(service.command),
        "args": _list(service.args),
        "env": _list(service.env),
        "resources": resources(service.resource_id, service.resources, service.exposes),
        "count": service.count,
        "expose": [_expose(expose) for expose in service.exposes],
        "credentials": None,
    }


def _params(service: Service) -> Json:
    mounts = [{"name": m.volume, "mount": m.path, "readOnly": m.is_read_only} for m in service.mounts or ()]
    return {"storage": mounts or None}


def resources(resource_id: int, used: Resources, exposes: Sequence[Expose]) -> Json:
    """The JSON form of a resource unit, which the manifest and the chain's group share."""
    return {
        "id": resource_id,
        "cpu": {"units": _value(used.cpu_millis)},
        "memory": {"size": _value(used.memory_bytes)},
        "storage": [_volume(volume) for volume in used.volumes],
        "gpu": {"units": _value(0)},
        "endpoints": [_endpoint(expose) for expose in exposes if expose.is_global],
    }


def _volume(volume: Volume) -> Json:
    known: Json = {"name": volume.name, "size": _value(volume.size_bytes)}
    if volume.attributes:
        known["attributes"] = [{"key": key, "value": value} for key, value in volume.attributes]
    return known


def _endpoint(expose: Expose) -> Json:
    return {"sequence_number": 0} | ({} if expose.is_ingress else {"kind": _RANDOM_PORT})


def _expose(expose: Expose) -> Json:
    return {
        "port": expose.port,
        "externalPort": expose.external_port,
        "proto": expose.protocol,
        "service": expose.service,
        "global": expose.is_global,
        "hosts": _list(expose.hosts),
        "httpOptions": _http_options(expose),
        "ip": "",
        "endpointSequenceNumber": 0,
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


def _list(items: Sequence[str] | None) -> list[str] | None:
    return None if items is None else list(items)
