"""Implements `ports.Rules` with Cedar. The library is loaded with the first policies: it takes 6 MiB."""

import hashlib
import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self, cast

import orjson

from mesh_security_gateway.domain.grants import Grant
from mesh_security_gateway.domain.rules import BASELINE, CONTEXT, PREFIX, Decision, Question, Target, schema
from mesh_security_gateway.errors import PolicyUnfit

if TYPE_CHECKING:
    from cedarpy import Entities, PolicySet, Schema

KEPT_GRANTS, KEPT_DECISIONS = 4096, 4096
MOST_NESTED, MOST_DOTS = 50, 500
"""Cedar's parser recurses for each bracket and copies for each dot: without an end to them it takes the
process with it (measured: a segmentation fault at 9,000 brackets, all memory at 9,000 dots after `has`).
"""


class CedarRules:
    """The baseline and what an operator put beside it, parsed and checked against the schema.

    Cedar takes longer to read a question than to answer it. So it is told no more of a call than the policies
    ask for (`reads`), and the answer is kept for all questions that are the same as far as they look.
    """

    def __init__(self, text: str, policies: "PolicySet", reads: frozenset[str]) -> None:
        self.hash = hashlib.sha256(text.encode()).hexdigest()
        self._policies = policies
        self._context = tuple(name for name in CONTEXT if name in reads | _baseline_reads())
        self._schema = _schema(self._context)
        self._reads = reads
        self._decided = lru_cache(maxsize=KEPT_DECISIONS)(self._decide)

    def decide(self, question: Question) -> Decision:
        return self._decided(self._as_read(question))

    @property
    def asked(self) -> int:
        """How many questions Cedar was asked."""
        return self._decided.cache_info().misses

    def _as_read(self, question: Question) -> Question:
        """The question without what no policy looks at; the baseline looks at the time of an expiry only."""
        grant, reads = question.grant, self._reads
        has_end = grant is not None and grant.expires_at is not None
        return Question(
            subject=question.subject,
            target=question.target,
            method=question.method,
            path=question.path if "path" in reads else "",
            query_keys=question.query_keys if "query_keys" in reads else (),
            now=question.now if has_end or "now" in reads else 0,
            patterns=question.patterns,
            grant=grant,
            is_leased=question.is_leased and "leased" in reads,
        )

    @classmethod
    def compile(cls, text: str) -> Self:
        """Raises `PolicyUnfit` for what is no policies, does not fit the schema, or does more than forbid."""
        import cedarpy  # noqa: PLC0415

        reads = _read_by(_check(text))
        return cls(text, cedarpy.PolicySet.from_str(f"{BASELINE}\n{text}"), reads)

    def _decide(self, question: Question) -> Decision:
        import cedarpy  # noqa: PLC0415

        answer = cedarpy.is_authorized(
            _request(question, self._context),
            self._policies,
            _entities(question.target, question.grant),
            self._schema,
        )
        ids = cast("dict[str, str]", answer.diagnostics.id_annotations_by_reason)
        is_sound = not answer.diagnostics.errors
        return Decision(
            is_allowed=answer.allowed and is_sound,
            is_sound=is_sound,
            policies=tuple(sorted(ids.values())),
        )


@lru_cache(maxsize=16)
def _schema(context: tuple[str, ...] = tuple(CONTEXT)) -> "Schema":
    import cedarpy  # noqa: PLC0415

    return cedarpy.Schema.from_str(schema(context))


@lru_cache(maxsize=1)
def _baseline_reads() -> frozenset[str]:
    import cedarpy  # noqa: PLC0415

    return _read_by(json.loads(cedarpy.policies_to_json_str(BASELINE))["staticPolicies"])


def _read_by(policies: object) -> frozenset[str]:
    """What of a call's context the policies look at (Cedar's JSON format); all when it is used whole."""
    reads, left = set[str](), [policies]
    while left:
        node = left.pop()
        match node:
            case {".": {"left": {"Var": "context"}, "attr": str(name)}} | {
                "has": {"left": {"Var": "context"}, "attr": str(name)}
            }:
                reads.add(name)
            case {"Var": "context"}:
                return frozenset(CONTEXT)
            case dict():
                left += cast("dict[str, object]", node).values()
            case list():
                left += cast("list[object]", node)
            case _:
                pass
    return frozenset(reads)


def _check(text: str) -> dict[str, Any]:
    """The policies in Cedar's JSON format. Raises `PolicyUnfit`, whose texts name places and policies and
    repeat nothing that was sent.
    """
    import cedarpy  # noqa: PLC0415

    if _depth(text) > MOST_NESTED or text.count(".") > MOST_DOTS:
        raise PolicyUnfit("The text is nested too deeply.")
    try:
        parsed = json.loads(cedarpy.policies_to_json_str(text))
    except (ValueError, RecursionError):
        raise PolicyUnfit("The text is no Cedar policies.") from None
    if parsed["templates"]:
        raise PolicyUnfit("A template forbids nothing by itself.")
    found: dict[str, Any] = parsed["staticPolicies"]
    policies = found.values()
    if any(policy["effect"] != "forbid" for policy in policies):
        raise PolicyUnfit("Grants permit; a policy forbids.")
    names = [policy.get("annotations", {}).get("id") for policy in policies]
    if not all(names) or len({*names}) < len(names) or any(name.startswith(PREFIX) for name in names):
        raise PolicyUnfit(f"Every policy has an `@id` of its own that does not begin with `{PREFIX}`.")
    if not cedarpy.validate_policies(text, _schema()).validation_passed:
        raise PolicyUnfit("The policies do not fit the schema.")
    return found


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


def _request(question: Question, names: tuple[str, ...]) -> dict[str, Any]:
    known: dict[str, Any] = {
        "method": question.method,
        "path": question.path,
        "patterns": question.patterns,
        "query_keys": question.query_keys,
        "now": question.now,
        "leased": question.is_leased,
    }
    if question.grant is not None:
        known["grant"] = _reference("Grant", str(question.grant.id))
    context = {name: known[name] for name in names if name in known}
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
