"""JSON-RPC 2.0 to an agent."""

from typing import Any, cast

from mesh_coordinator.adapters.exchange import Refused, text
from mesh_coordinator.domain.attempt import Failure


def request(id: str, method: str, params: dict[str, Any]) -> dict[str, Any]:
    """The request that is answered under `id`."""
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}


def result(answer: Any, id: str) -> dict[str, Any]:
    """The `result` of an answer to `id`. Raises `Refused` for an error, and for what is no answer to it."""
    if not isinstance(answer, dict) or cast("dict[str, Any]", answer).get("id") != id:
        raise Refused(Failure.ANSWER_MALFORMED, "no JSON-RPC answer to this request")
    members = cast("dict[str, Any]", answer)
    if members.get("error") is not None:
        raise Refused(Failure.ACTION_FAILED, text(members["error"]))
    if not isinstance(members.get("result"), dict):
        raise Refused(Failure.ANSWER_MALFORMED, "neither a result nor an error")
    return members["result"]
