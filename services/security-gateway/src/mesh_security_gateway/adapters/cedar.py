"""Implements `ports.Rules` with Cedar. The library is loaded with the first policies: it takes 6 MiB."""

import hashlib
import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self, cast

import orjson

from mesh_security_gateway.domain.grants import Grant
from mesh_security_gateway.domain.rules import BASELINE, PREFIX, SCHEMA, Decision, Question, Target
from mesh_security_gateway.errors import PolicyUnfit

if TYPE_CHECKING:
    from cedarpy import Entities, PolicySet, Schema

KEPT_GRANTS, KEPT_DECISIONS = 4096, 4096
MOST_NESTED, MOST_DOTS = 50, 500
"""Cedar's parser recurses for each bracket and copies for each dot: without an end to them it takes the
process with it (measured: a segmentation fault at 9,000 brackets, all memory at 9,000 dots after `has`).
"""


class CedarRules:
    """The baseline and what an operator put beside it, parsed and checked against the schema."""

    def __init__(self, text: str, policies: "PolicySet") -> None:
        self.hash = hashlib.sha256(text.encode()).hexdigest()
        self._policies = policies
        # The answer follows from the question, which has the second in it: so it is kept for that second.
        self._decided = lru_cache(maxsize=KEPT_DECISIONS)(self._decide)

    def decide(self, question: Question) -> Decision:
        return self._decided(question)

    @classmethod
    def compile(cls, text: str) -> Self:
        """Raises `PolicyUnfit` for what is no policies, does not fit the schema, or does more than forbid."""
        import cedarpy  # noqa: PLC0415

        _check(text)
        return cls(text, cedarpy.PolicySet.from_str(f"{BASELINE}\n{text}"))

    def _decide(self, question: Question) -> Decision:
        import cedarpy  # noqa: PLC0415

        answer = cedarpy.is_authorized(
            _request(question), self._policies, _entities(question.target, question.grant), _schema()
        )
        ids = cast("dict[str, str]", answer.diagnostics.id_annotations_by_reason)
        is_sound = not answer.diagnostics.errors
        return Decision(
            is_allowed=answer.allowed and is_sound,
            is_sound=is_sound,
            policies=tuple(sorted(ids.values())),
        )


@lru_cache(maxsize=1)
def _schema() -> "Schema":
    import cedarpy  # noqa: PLC0415

    return cedarpy.Schema.from_str(SCHEMA)


def _check(text: str) -> None:
    """Raises `PolicyUnfit`. The texts name places and policies, and repeat nothing that was sent."""
    import cedarpy  # noqa: PLC0415

    if _depth(text) > MOST_NESTED or text.count(".") > MOST_DOTS:
        raise PolicyUnfit("The text is nested too deeply.")
    try:
        parsed = json.loads(cedarpy.policies_to_json_str(text))
    except (ValueError, RecursionError):
        raise PolicyUnfit("The text is no Cedar policies.") from None
    if parsed["templates"]:
        raise PolicyUnfit("A template forbids nothing by itself.")
    policies = parsed["staticPolicies"].values()
    if any(policy["effect"] != "forbid" for policy in policies):
        raise PolicyUnfit("Grants permit; a policy forbids.")
    names = [policy.get("annotations", {}).get("id") for policy in policies]
    if not all(names) or len({*names}) < len(names) or any(name.startswith(PREFIX) for name in names):
        raise PolicyUnfit(f"Every policy has an `@id` of its own that does not begin with `{PREFIX}`.")
    if not cedarpy.validate_policies(text, _schema()).validation_passed:
        raise PolicyUnfit("The policies do not fit the schema.")


def _depth(text: str) -> int:
    """How many brackets are open at once; those in comments and texts count too."""
    depth = deepest = 0
    for character in text:
        depth = max(0, depth + (character in "([{") - (character in ")]}"))
        deepest = max(deepest, depth)
    return deepest


@lru_cache(maxsize=KEPT_GRANTS)
def _entities(target: Target, grant: Grant | None) -> "Entities":
    import cedarpy  # noqa: PLC0415

    known = [_entity("Connection", target.name, _of_target(target))]
    if grant is not None:
        known.append(_entity("Grant", str(grant.id), _of_grant(grant)))
    return cedarpy.Entities.from_json_str(json.dumps(known), _schema())


def _of_target(target: Target) -> dict[str, Any]:
    return {"owner": target.owner, "origin": target.origin, "private": target.is_private}


def _of_grant(grant: Grant) -> dict[str, Any]:
    limits = {
        "expires_at": grant.expires_at,
        "calls": grant.rate and grant.rate.calls,
        "per_s": grant.rate and grant.rate.per_s,
        "units": grant.budget and grant.budget.units,
    }
    return {
        "agent": _reference("Agent", grant.subject),
        "connection": _reference("Connection", grant.connection),
        "methods": list(grant.methods),
        "paths": list(grant.paths),
        "revoked": grant.is_revoked,
        "approval": grant.needs_approval,
    } | {name: value for name, value in limits.items() if value is not None}


def _request(question: Question) -> dict[str, Any]:
    context: dict[str, Any] = {
        "method": question.method,
        "path": question.path,
        "patterns": question.patterns,
        "query_keys": question.query_keys,
        "now": question.now,
        "leased": question.is_leased,
    }
    if question.grant is not None:
        context["grant"] = _reference("Grant", str(question.grant.id))
    return {
        "principal": {"type": "Agent", "id": question.subject},
        "action": {"type": "Action", "id": question.method},
        "resource": {"type": "Connection", "id": question.target.name},
        "context": orjson.dumps(context).decode(),
    }


def _entity(type: str, id: str, attributes: dict[str, Any]) -> dict[str, Any]:
    return {"uid": {"type": type, "id": id}, "attrs": attributes, "parents": []}


def _reference(type: str, id: str) -> dict[str, Any]:
    return {"__entity": {"type": type, "id": id}}
