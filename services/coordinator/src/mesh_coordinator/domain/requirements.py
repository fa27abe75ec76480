"""What a step needs, and how a task's text says so when its author does not.

The rules are few and literal: a rule fires when the text has one of its verbs and one of its nouns. They find
work that the mesh's own agents and its samples do; everything else has to be named in `requirements`.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import Any

from mesh_coordinator.domain.quality import Expectation

DEFAULT_TIMEOUT_S = 30
_WORD = re.compile(r"[a-z0-9][a-z0-9._/-]*")
_CAPABILITY = re.compile(r"[a-z0-9][a-z0-9._/-]*[._/-][a-z0-9._/-]*[a-z0-9]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How hard a step is tried: `retries` more calls of one agent, `fallback_agents` others after it.

    A retry is the same call under the same key. None is as many other agents as the operator allows. One that
    has not answered after `hedge_after_s` is joined by the next, when all of them do no harm by that.
    """

    retries: int = 0
    fallback_agents: int | None = None
    hedge_after_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """Whom a step is given to: nobody below `min_reputation`, then the best by these weights, all 0 to 1.

    With `auction_s` the price is not the listed one but what the agent bids within so many seconds.
    """

    min_reputation: float = 0.0
    reputation_weight: float = 0.5
    price_weight: float = 0.3
    latency_weight: float = 0.0
    auction_s: int | None = None


class PaidBy(StrEnum):
    """Where the price of a step is kept until its work is judged."""

    ESCROW = "escrow"
    LEDGER = "ledger"


@dataclass(frozen=True, slots=True)
class Compensation:
    """A call, free of charge, by which the agent that did a step takes it back."""

    action: str
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One step: the capability that it needs, and under which terms.

    `parameters` may hold references to the results of steps in `needs`. `max_price_units` are base units of
    the mesh's token. A person is asked first when the step may cost more than `asks_above_units`: -1 is
    always, None never. `for_each` refers to an array: the step is done once for each element, which is `item`
    to its parameters. `compensate` takes the step back when the run fails or is cancelled. `rule` names the
    rule that found the requirement in the text; None when its author did.
    """

    id: str
    capability: str
    action: str | None = None
    agent_id: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict[str, Any])
    needs: tuple[str, ...] = ()
    quality: Expectation = field(default_factory=Expectation)
    max_price_units: int | None = None
    paid_by: PaidBy = PaidBy.ESCROW
    optional: bool = False
    timeout_s: int = DEFAULT_TIMEOUT_S
    select: Preference = Preference()
    policy: Policy = Policy()
    asks_above_units: int | None = None
    for_each: dict[str, Any] | None = None
    compensate: Compensation | None = None
    rule: str | None = None

    @property
    def patience_s(self) -> float:
        """Most seconds that one agent may take: every call to its time limit, and the pauses in between."""
        pauses = (retry_pause_s(number) for number in range(1, self.policy.retries + 1))
        return self.timeout_s * (1 + self.policy.retries) + sum(pauses)


def retry_pause_s(number: int) -> float:
    """Seconds before the `number`th retry: half a second, then twice as long each time, 10 at most."""
    return min(0.5 * 2 ** (number - 1), 10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Words that ask for a capability; `parameters` reads the step's parameters out of the task."""

    name: str
    verbs: frozenset[str]
    nouns: frozenset[str]
    capability: str
    action: str
    parameters: Callable[[str, Sequence[str]], dict[str, Any]]

    def fires(self, words: Sequence[str]) -> bool:
        """True when the words have a verb and a noun of the rule."""
        return not self.verbs.isdisjoint(words) and not self.nouns.isdisjoint(words)


def _workspace(task: str, words: Sequence[str]) -> dict[str, Any]:
    """The word before "workspace" or "monorepo" is its name; without one the root itself is meant."""
    named = [before for before, word in pairwise(words) if word in _WORKSPACES and before not in _ARTICLES]
    return {"workspace": named[0] if named else "."}


def _tools(task: str, words: Sequence[str]) -> dict[str, Any]:
    """The capability after "for" or "with"; else the first word that looks like one."""
    after = [word for before, word in pairwise(words) if before in ("for", "with")]
    named = [word for word in (*after, *words) if _CAPABILITY.fullmatch(word)]
    return {"capability": named[0] if named else after[0] if after else "workspace-optimization"}


def _text(task: str, words: Sequence[str]) -> dict[str, Any]:
    """What follows the first colon; else the whole task."""
    _, _, rest = task.partition(":")
    return {"text": rest.strip() or task}


_ARTICLES = frozenset({"a", "an", "the", "our", "my", "this", "that", "nx"})
_WORKSPACES = frozenset({"workspace", "monorepo"})
RULES = (
    Rule(
        name="workspace-analysis",
        verbs=frozenset({"analyze", "analyse", "inspect", "optimize", "optimise"}),
        nouns=_WORKSPACES,
        capability="workspace.analyze",
        action="ANALYZE_WORKSPACE",
        parameters=_workspace,
    ),
    Rule(
        name="tool-discovery",
        verbs=frozenset({"find", "discover", "list", "which"}),
        nouns=frozenset({"tool", "tools", "agent", "agents"}),
        capability="registry.discover",
        action="DISCOVER_UNIVERSAL_TOOLS",
        parameters=_tools,
    ),
    Rule(
        name="summary",
        verbs=frozenset({"summarize", "summarise", "shorten"}),
        nouns=frozenset({"text", "document", "article", "this", "following"}),
        capability="text.summarize",
        action="SUMMARIZE",
        parameters=_text,
    ),
    Rule(
        name="keywords",
        verbs=frozenset({"extract", "find", "name"}),
        nouns=frozenset({"keywords", "keyword", "topics"}),
        capability="text.keywords",
        action="EXTRACT_KEYWORDS",
        parameters=_text,
    ),
)


def recognised(task: str) -> tuple[Requirement, ...]:
    """The requirements that the rules find in `task`, in the rules' order; none needs another."""
    words = [word.rstrip("._/-") for word in _WORD.findall(task.lower())]
    return tuple(
        Requirement(
            id=rule.name,
            capability=rule.capability,
            action=rule.action,
            parameters=rule.parameters(task, words),
            rule=rule.name,
        )
        for rule in RULES
        if rule.fires(words)
    )
