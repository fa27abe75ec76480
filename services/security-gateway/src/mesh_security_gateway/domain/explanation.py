"""Why a step ended as it did, from what the audit says of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Result = Literal["answered", "refused", "failed", "unknown", "changed"]
Reached = Literal["no", "yes", "maybe"]

ADVICE = {
    "grant-missing": "Give the agent a grant for this method and path: POST /v1/grants.",
    "policy-forbids": "Read the policies under the entry's policy_hash: GET /v1/policies/{hash}.",
    "policy-undecided": "Try it with POST /v1/policies/simulate and correct the policy that cannot decide.",
    "connection-not-found": "Check the name, and whether the agent was ever given a grant on it.",
    "rate-exceeded": "Wait as long as Retry-After said, or give a grant with a higher rate.",
    "budget-spent": "Give a new grant with another budget.",
    "approval-required": "Have it answered under /v1/approvals, then repeat the request with its id.",
    "approval-unfit": "Repeat exactly the request that was approved, once and in time, or ask anew.",
    "lease-ended": "Take a new lease: POST /v1/leases.",
    "socket-unapprovable": "Give a grant for WEBSOCKET that needs no approval.",
    "upgrade-refused": "Check the path: the upstream opens no WebSocket there, or refuses the credential.",
    "secret-revoked": "Put a new secret there: POST /v1/connections/{name}/rotate.",
    "kek-unavailable": "Look after the transit engine and its token; then repeat the request.",
    "secret-unreadable": "Start the gateway with the key-encryption key that sealed the secret.",
    "circuit-open": "Wait as long as Retry-After said; see to it that the upstream can be reached from here.",
    "upstream-address": "A private origin needs a provider with allow_private.",
    "upstream-tls": "Have the upstream's certificate renewed; the gateway makes no exception.",
    "upstream-token": "Check client and secret at the provider's token endpoint.",
    "upstream-encoding": "The upstream must answer without compression when it is asked to.",
    "upstream-too-large": "Ask for less, or raise MESH_MAX_PROXIED_RESPONSE_BYTES.",
    "body-too-large": "Send less, or raise the gateway's limits on bodies.",
}
"""What to do, by the code of the refusal."""

UNKNOWN = (
    "The intent is on record and no outcome: the call is under way, or the gateway was stopped during it."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """`because` is a fixed text; `reached_upstream` is about the request, not about the answer."""

    result: Result
    code: str | None
    because: str
    advice: str | None
    reached_upstream: Reached


def explain(
    entry: Mapping[str, Any],
    outcome: Mapping[str, Any] | None,
    meanings: Mapping[str, str],
    never_sent: frozenset[str],
) -> Explanation:
    """Of the step in `entry`, whose `outcome` is null when there is none.

    `meanings` are what codes mean, and with those in `never_sent` nothing was sent.
    """
    if entry["phase"] == "change":
        return _told("changed", None, f"A change: {entry['action']}.", "no")
    if entry["decision"] == "deny":
        code = entry["code"]
        return _told("refused", code, meanings.get(code, code), "no")
    ended = entry if entry["phase"] == "outcome" else outcome
    if ended is None:
        return _told("unknown", None, UNKNOWN, "maybe")
    if (code := ended["code"]) is None:
        return _told("answered", None, f"The upstream answered with {ended['status']}.", "yes")
    reached = "no" if code in never_sent else "maybe" if ended["status"] is None else "yes"
    return _told("failed", code, meanings.get(code, code), reached)


def _told(result: Result, code: str | None, because: str, reached: Reached) -> Explanation:
    advice = ADVICE.get(code) if code else None
    return Explanation(result=result, code=code, because=because, advice=advice, reached_upstream=reached)
