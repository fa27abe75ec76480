"""The committed documents of the mesh: one OpenAPI page per service, one AsyncAPI page for all events."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from mesh_cli.embedded import PACKAGES, Ports, inherited
from mesh_cli.parts import ROOT

DOCS = ROOT / "docs"
# The console serves it, and its image has no docs.
SERVED_EVENTS = ROOT / "services" / "console" / "src" / "mesh_console" / "asyncapi.json"

# Nothing is opened: an app that never starts is enough to be described.
SETTINGS = {"MESH_STATE_DIR": ".", "MESH_CONTRACTS_FILE": "contracts.json"}

# Runs in a process of its own: the command line imports no service.
DESCRIBE = """
import importlib, inspect, json, re, sys
from mesh_shared.events.event import Event

def schema(fact):  # its references are looked for from the top of the page
    below = "#/components/messages/" + fact.topic + "/payload/$defs/{model}"
    return fact.model_json_schema(ref_template=below)

def about(fact):  # its own words, and for want of them its name's
    return inspect.cleandoc(fact.__doc__ or re.sub("(?<!^)(?=[A-Z])", " ", fact.__name__).capitalize() + ".")

def described(package, port):
    settings = importlib.import_module(package + ".settings").Settings(port=port)
    app = importlib.import_module(package + ".app").create_app(settings)
    events = importlib.import_module(package + ".events")
    classes = [c for _, c in inspect.getmembers(events, inspect.isclass)]
    facts = [c for c in classes if issubclass(c, Event) and "topic" in vars(c)]
    told = [{"topic": f.topic, "about": about(f), "schema": schema(f)} for f in facts]
    return {"openapi": app.openapi(), "events": told}

print(json.dumps({name: described(*where) for name, where in json.loads(sys.argv[1]).items()}))
"""


def generate() -> dict[Path, str]:
    """Every document by the path where it is committed."""
    described = _describe()
    pages = {DOCS / "openapi" / f"{name}.json": _text(it["openapi"]) for name, it in described.items()}
    events = _text(_asyncapi({name: it["events"] for name, it in described.items()}))
    return pages | {DOCS / "asyncapi.json": events, SERVED_EVENTS: events}


def stale(documents: dict[Path, str]) -> list[Path]:
    """Which committed documents are not what the code says now."""
    return [path for path, text in documents.items() if not path.exists() or path.read_text() != text]


def write(documents: dict[Path, str]) -> None:
    for path, text in documents.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _describe() -> dict[str, Any]:
    where = {service: (package, Ports().services[service]) for service, package in PACKAGES.items()}
    argv = [sys.executable, "-c", DESCRIBE, json.dumps(where)]
    env = inherited() | SETTINGS
    done = subprocess.run(argv, capture_output=True, check=True, timeout=120, env=env)  # noqa: S603 - ours
    return json.loads(done.stdout)


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _asyncapi(events: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """AsyncAPI 3.0: one Redis channel a service, one message a topic."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "371 Mesh events",
            "version": "1.0.0",
            "description": "CloudEvents 1.0 on Redis pub/sub; `GET /v1/events` fills a gap in `sequence`.",
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": {name: _channel(name, facts) for name, facts in events.items()},
        "operations": {
            f"publish-{name}": {"action": "send", "channel": {"$ref": f"#/channels/{name}"}}
            for name in events
        },
        "components": {
            "messages": {fact["topic"]: _message(fact) for facts in events.values() for fact in facts}
        },
    }


def _channel(service: str, facts: list[dict[str, Any]]) -> dict[str, Any]:
    messages = {fact["topic"]: {"$ref": f"#/components/messages/{fact['topic']}"} for fact in facts}
    return {"address": f"mesh.events.{service}", "messages": messages}


def _message(fact: dict[str, Any]) -> dict[str, Any]:
    schema = fact["schema"]
    definitions = schema.pop("$defs", {})
    envelope = {
        "type": "object",
        "required": ["specversion", "id", "source", "type", "time", "sequence", "data"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {"type": "string", "format": "uuid"},
            "source": {"type": "string"},
            "type": {"const": fact["topic"]},
            "subject": {"type": "string"},
            "time": {"type": "string", "format": "date-time"},
            "sequence": {"type": "integer", "minimum": 1},
            "traceparent": {"type": "string"},
            "data": schema,
        },
    }
    if definitions:
        envelope["$defs"] = definitions
    return {"name": fact["topic"], "summary": (fact["about"] or "").partition("\n")[0], "payload": envelope}
