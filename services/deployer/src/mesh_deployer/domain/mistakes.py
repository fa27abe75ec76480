"""What people write who come from docker-compose and Kubernetes, and what to write instead."""

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches

_IMAGE = "Akash has no such switch; set it in the image, or in `command`."
_PROBE = "Akash has no health checks; let the process end when it is ill, and it is restarted."
_NETWORK = "The services of one placement reach each other by name; leave it out."
_RESOURCES = "Write resources in profiles.compute and name the profile in `deployment`."

_UNKNOWN: Mapping[str, str] = {
    "depends_on": "Akash starts all services at once; let the service wait for what it needs.",
    "environment": "Write `env` as a list of NAME=value.",
    "env_file": "Write the variables into `env` as a list of NAME=value.",
    "secrets": "Write gateway://<connection> as the value of a variable in `env`.",
    "volumes": "Declare storage in profiles.compute and mount it in params.storage.",
    "ports": "Write `expose` with port, as and to.",
    "cmd": "Write `command` and `args` as lists.",
    "entrypoint": "Write `command` as a list.",
    "build": "Push the image to a registry and write `image`.",
    "replicas": "Write `count` in the deployment section.",
    "instances": "Write `count` in the deployment section.",
    "scale": "Write `count` in the deployment section.",
    "restart": "Akash restarts what ends; leave it out.",
    "container_name": "The name of the service is its host name; leave it out.",
    "hostname": "The name of the service is its host name; leave it out.",
    "labels": "Akash keeps no labels; leave it out.",
    "logging": "Providers stream what the process prints; leave it out.",
    "deploy": "Resources stand in profiles.compute, replicas as `count` in the deployment section.",
    "resources": _RESOURCES,
    "storage": _RESOURCES,
    "networks": _NETWORK,
    "network_mode": _NETWORK,
    "links": _NETWORK,
    "healthcheck": _PROBE,
    "livenessProbe": _PROBE,
    "readinessProbe": _PROBE,
    "user": _IMAGE,
    "working_dir": _IMAGE,
    "privileged": "Providers give a container no rights; use an image that runs without them.",
    "cap_add": "Providers give a container no rights; use an image that runs without them.",
    "global": "Write `to: [{global: true}]`.",
    "class": "Write it under `attributes`.",
    "persistent": "Write it under `attributes`.",
    "amd": "Akash leases GPUs of nvidia only.",
    "apiVersion": "This is Kubernetes'; an SDL starts with `version`.",
    "kind": "This is Kubernetes'; an SDL starts with `version`.",
}
_SHAPES: Mapping[str, str] = {
    "cpu": "Write `cpu: {units: 500m}`.",
    "memory": "Write `memory: {size: 512Mi}`.",
    "storage": "Write `storage: {size: 512Mi}`, or a list of volumes.",
    "gpu": "Write `gpu: {units: 1, attributes: {vendor: {nvidia: []}}}`.",
    "vendor": "Write `vendor: {nvidia: []}`.",
    "nvidia": "Write `nvidia: [{model: a100}]`, or `nvidia: []` for any.",
    "resources": "Write cpu, memory and storage below it.",
    "env": "Write a list: `- NAME=value`.",
    "command": 'Write a list: `["npm", "start"]`.',
    "args": 'Write a list: `["--port", "8080"]`.',
    "expose": "Write a list: `- port: 80`.",
    "expose[]": "Write `- port: 80`.",
    "to": "Write a list: `- global: true`.",
    "to[]": "Write `- global: true`, or `- service: web`.",
    "accept": 'Write a list: `["example.com"]`.',
    "pricing.*": "Write `denom: uact` and `amount: 100` below it.",
    "params.storage.*": "Write `mount: /data` below it.",
    "deployment.*": "Write the name of a placement below it, and below that `profile` and `count`.",
    "deployment.*.*": "Write `profile` and `count` below the name of a placement.",
    "services": "Write the name of a service and below it `image: …`.",
    "services.*": "Write `image: …` and `expose` below it.",
}
_NUMBERS: Mapping[str, str] = {
    "max_body_size": "Write bytes: 1048576.",
    "proxy_buffer_size": "Write bytes: 1048576.",
    "read_timeout": "Write milliseconds: 60000.",
    "send_timeout": "Write milliseconds: 60000.",
    "next_timeout": "Write milliseconds: 60000.",
}
_MOST_NAMES = 5
_KNOWN_BY_PARENT = re.compile(r"(?:^|\.)(pricing|params\.storage)\.[^.]+$|^(services|deployment)\.[^.]+$")


def instead(key: str, known: Collection[str], otherwise: str = "Akash ignores it; leave it out.") -> str:
    """What to write for a `key` that is not among those `known` at its place."""
    return _UNKNOWN.get(key) or _meant(key, known) or otherwise


def reference(name: str, declared: Collection[str]) -> str:
    """What to write for a `name` that nothing has."""
    others = ", ".join(sorted(declared)[:_MOST_NAMES])
    return _meant(name, declared) or (f"Name one of {others}, or declare it." if others else "Declare it.")


def _meant(name: str, known: Collection[str]) -> str:
    spelled = {word.lower(): word for word in known}
    near = get_close_matches(name.lower(), spelled, n=1)
    return f"Did you mean `{spelled[near[0]]}`?" if near else ""


def shape(path: str, otherwise: str) -> str:
    """What to write at `path`, where a mapping or a list is expected."""
    if parent := _KNOWN_BY_PARENT.search(path):
        return _SHAPES[f"{parent[1] or parent[2]}.*"]
    if re.match(r"^deployment\.[^.]+\.[^.]+$", path):
        return _SHAPES["deployment.*.*"]
    return _SHAPES.get(re.sub(r"\[\d+\]$", "[]", path.rpartition(".")[2]), otherwise)


def number(path: str) -> str:
    """What to write at `path`, where a whole number is expected."""
    return _NUMBERS.get(path.rpartition(".")[2], "Write digits without quotes.")
