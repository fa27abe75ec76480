"""What a call is asked of the policies, and what they say: Cedar's schema, and the policies that always hold.

Grants are entities, so that two thousand of them cost what one costs; the text stays small. Nothing overrides
a `forbid`: whatever is published besides, no call passes without a live grant that covers it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from msgspec import Struct

from mesh_security_gateway.domain.grants import Grant

CONTEXT = {
    "method": "String",
    "path": "String",
    "patterns": "Set<String>",
    "query_keys": "Set<String>",
    "now": "Long",
    "leased": "Bool",
    "grant": "Grant",
}
"""What there is to know of a call, and its types. Only `grant` may be missing."""


def schema(context: Iterable[str]) -> str:
    """Of agents, connections, grants, and calls of which only `context` is told."""
    told = "\n".join(f'  "{name}"{"?" if name == "grant" else ""}: {CONTEXT[name]},' for name in context)
    return f"{_ENTITIES}\ntype Call = {{\n{told}\n}};\n{_ACTIONS}"


_ENTITIES = """
entity Agent;

entity Connection = {
  "owner": String,
  "origin": String,
  "private": Bool,
};

entity Grant = {
  "agent": Agent,
  "connection": Connection,
  "methods": Set<String>,
  "paths": Set<String>,
  "revoked": Bool,
  "approval": Bool,
  "expires_at"?: Long,
  "calls"?: Long,
  "per_s"?: Long,
  "units"?: Long,
};

"""
_ACTIONS = """
action "call";

action "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "WEBSOCKET" in ["call"] appliesTo {
  principal: Agent,
  resource: Connection,
  context: Call,
};
"""

PREFIX = "mesh."
SCOPE, LAPSED, CHARGED = f"{PREFIX}scope", f"{PREFIX}lapsed", f"{PREFIX}grant"

BASELINE = f"""
@id("{CHARGED}")
permit (principal, action in Action::"call", resource)
when {{ context has grant }};

@id("{SCOPE}")
forbid (principal, action, resource)
unless {{
  context has grant &&
  context.grant.agent == principal &&
  context.grant.connection == resource &&
  context.grant.methods.contains(context.method) &&
  context.grant.paths.containsAny(context.patterns)
}};

@id("{LAPSED}")
forbid (principal, action, resource)
when {{
  context has grant &&
  (context.grant.revoked || (context.grant has expires_at && context.grant.expires_at <= context.now))
}};
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A connection as policies see it."""

    name: str
    owner: str
    origin: str
    is_private: bool


class Question(Struct, frozen=True, kw_only=True):
    """May `subject` do this under `grant`? `patterns` are those of its paths that cover `path`.

    `now` is in whole Unix seconds. Without a grant the question is what else stands against it.
    """

    subject: str
    target: Target
    method: str
    path: str
    query_keys: tuple[str, ...]
    now: int
    patterns: tuple[str, ...] = ()
    grant: Grant | None = None
    is_leased: bool = False


class Decision(Struct, frozen=True, kw_only=True):
    """What the policies say; `policies` are the ids of those that decided, sorted.

    `is_sound` is false when one of them could not be evaluated: Cedar skips such a `forbid`, so that is never
    an allowance.
    """

    is_allowed: bool
    is_sound: bool
    policies: tuple[str, ...]
