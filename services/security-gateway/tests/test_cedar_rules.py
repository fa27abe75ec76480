"""What the policies say, asked of Cedar itself."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any
from uuid import UUID

import cedarpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_security_gateway.adapters.cedar import CedarRules
from mesh_security_gateway.domain import rules
from mesh_security_gateway.domain.grants import Budget, Grant, Rate
from mesh_security_gateway.domain.rules import Decision, Question, Target
from mesh_security_gateway.errors import PolicyUnfit
from msgspec import structs

TARGET = Target(name="github", owner="admin", origin="https://api.github.com", is_private=False)
GRANT = Grant(
    id=UUID(int=7),
    subject="agent-7",
    connection="github",
    methods=("GET",),
    paths=("/user",),
    expires_at=None,
    is_revoked=False,
    rate=Rate(calls=10, per_s=60),
    budget=Budget(units=100, per_call=1),
)
BASELINE = CedarRules.compile("")


def asked(grant: Grant | None = GRANT, **other: Any) -> Question:
    question = Question(
        subject="agent-7",
        target=TARGET,
        method="GET",
        path="/user",
        query_keys=(),
        now=1000,
        patterns=("/user",),
        grant=grant,
    )
    return structs.replace(question, **other)


def test_a_grant_that_covers_the_call_allows_it():
    assert BASELINE.decide(asked()) == Decision(is_allowed=True, is_sound=True, policies=("mesh.grant",))


REFUSED: dict[str, tuple[Question, str]] = {
    "no grant": (asked(None), "mesh.scope"),
    "somebody else's grant": (asked(replace(GRANT, subject="agent-8")), "mesh.scope"),
    "a grant on another connection": (asked(replace(GRANT, connection="gitlab")), "mesh.scope"),
    "another method": (asked(method="POST"), "mesh.scope"),
    "a path that none of its patterns covers": (asked(patterns=()), "mesh.scope"),
    "a pattern that is not the grant's": (asked(patterns=("/**",)), "mesh.scope"),
    "a revoked grant": (asked(replace(GRANT, is_revoked=True)), "mesh.lapsed"),
    "the second in which it expires": (asked(replace(GRANT, expires_at=1000)), "mesh.lapsed"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_nothing_else_does(case: str):
    question, policy = REFUSED[case]

    assert BASELINE.decide(question) == Decision(is_allowed=False, is_sound=True, policies=(policy,))


@given(
    subject=st.sampled_from(["a", "b"]),
    connection=st.sampled_from(["github", "gitlab"]),
    methods=st.sets(st.sampled_from(["GET", "POST"]), min_size=1),
    method=st.sampled_from(["GET", "POST", "DELETE"]),
    patterns=st.sets(st.sampled_from(["/x", "/y"])),
    expires_at=st.none() | st.integers(998, 1002),
    is_revoked=st.booleans(),
)
def test_cedar_allows_exactly_what_the_grant_says(
    subject: str,
    connection: str,
    methods: set[str],
    method: str,
    patterns: set[str],
    expires_at: int | None,
    is_revoked: bool,
):
    grant = replace(
        GRANT,
        subject=subject,
        connection=connection,
        methods=tuple(sorted(methods)),
        paths=("/x",),
        expires_at=expires_at,
        is_revoked=is_revoked,
    )

    decision = BASELINE.decide(asked(grant, subject="a", method=method, patterns=tuple(sorted(patterns))))

    assert decision.is_sound
    assert decision.is_allowed == (
        subject == "a"
        and connection == "github"
        and method in methods
        and "/x" in patterns
        and grant.is_live(1000)
    )


def test_a_policy_forbids_what_a_grant_allows_and_is_named():
    rules = CedarRules.compile(
        '@id("read-only") forbid (principal, action, resource) unless { context.method == "GET" };'
        '@id("not-theirs") forbid (principal == Agent::"agent-7", action, resource)'
        ' when { resource.owner == "admin" && context.query_keys.contains("force") };'
    )
    writing = replace(GRANT, methods=("GET", "POST"))

    assert rules.decide(asked()).is_allowed
    assert rules.decide(asked(writing, method="POST")).policies == ("read-only",)
    assert rules.decide(asked(query_keys=("force",))).policies == ("not-theirs",)


def test_a_policy_sees_the_limits_of_the_grant():
    rules = CedarRules.compile(
        '@id("bounded") forbid (principal, action, resource)'
        " when { context has grant && !(context.grant has units) };"
        '@id("paced") forbid (principal, action, resource)'
        " when { context has grant && context.grant has calls && context.grant.calls > 100 };"
    )

    assert rules.decide(asked()).is_allowed
    assert rules.decide(asked(replace(GRANT, budget=None))).policies == ("bounded",)
    assert rules.decide(asked(replace(GRANT, rate=Rate(calls=101, per_s=1)))).policies == ("paced",)


def test_a_policy_that_cannot_be_evaluated_is_never_an_allowance():
    """Cedar skips a `forbid` that fails, and would allow."""
    rules = CedarRules.compile(
        '@id("overflows") forbid (principal, action, resource)'
        " when { context.now + 9223372036854775807 > 0 };"
    )

    assert rules.decide(asked()) == Decision(is_allowed=False, is_sound=False, policies=("mesh.grant",))


def test_a_method_that_the_schema_does_not_have_is_never_an_allowance():
    decision = BASELINE.decide(asked(replace(GRANT, methods=("TRACE",)), method="TRACE"))

    assert (decision.is_allowed, decision.is_sound) == (False, False)


UNFIT = {
    "no Cedar": "deny everything",
    "unfinished": "forbid (principal",
    "a permit": '@id("x") permit (principal, action, resource);',
    "a permit among others": '@id("x") forbid (principal, action, resource);'
    '@id("y") permit (principal, action, resource);',
    "a template": '@id("x") forbid (principal == ?principal, action, resource);',
    "no id": "forbid (principal, action, resource);",
    "an empty id": '@id("") forbid (principal, action, resource);',
    "an id twice": '@id("x") forbid (principal, action, resource);' * 2,
    "an id of the baseline": '@id("mesh.scope") forbid (principal, action, resource);',
    "an unknown attribute": '@id("x") forbid (principal, action, resource) when { resource.orgin == "o" };',
    "an unknown entity": '@id("x") forbid (principal == User::"a", action, resource);',
    "an optional attribute taken for granted": '@id("x") forbid (principal, action, resource)'
    " when { context.grant.revoked };",
    "another type": '@id("x") forbid (principal, action, resource) when { context.now == "now" };',
}


@pytest.mark.parametrize("case", UNFIT)
def test_a_text_that_does_not_fit_is_refused_and_not_repeated(case: str):
    with pytest.raises(PolicyUnfit) as refusal:
        CedarRules.compile(UNFIT[case])

    assert "orgin" not in refusal.value.detail
    assert UNFIT[case] not in refusal.value.detail


ENDLESS = {
    "brackets": "(" * 9000 + "true" + ")" * 9000,
    "lists": "[" * 9000 + "]" * 9000 + ".isEmpty()",
    "brackets that close too early": ")" * 60 + "(" * 9000,
    "dots after has": "context has " + "a." * 9000 + "a",
    "conjunctions": "true " + "&& true" * 2500,
    "conditions": "if true then true else " * 800 + "false",
    "sums": "0" + "+0" * 8000 + " == 1",
    "lookups": "context" + '["a"]' * 3500 + " == 1",
}


@pytest.mark.parametrize("case", ENDLESS)
def test_a_text_without_end_is_refused_and_takes_nothing_with_it(case: str):
    """A parser that recurses would end the process; this test would end with it."""
    with pytest.raises(PolicyUnfit):
        CedarRules.compile(f'@id("x") forbid (principal, action, resource) when {{ {ENDLESS[case]} }};')


def test_no_policies_and_the_same_policies_have_the_same_hash():
    text = '@id("x") forbid (principal, action, resource);'

    assert CedarRules.compile("").hash == BASELINE.hash
    assert CedarRules.compile(text).hash == CedarRules.compile(text).hash != BASELINE.hash


def test_the_library_is_loaded_with_the_first_policies_and_not_at_start():
    program = "import sys, mesh_security_gateway.app; print('cedarpy' in sys.modules)"

    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )

    assert said.stdout.strip() == "False"


TEXTS = (
    "",
    '@id("p") forbid (principal, action, resource) when { context.path like "/u*" };',
    '@id("n") forbid (principal, action, resource) when { context.now > 1000 };',
    '@id("q") forbid (principal, action, resource) unless { context.query_keys.contains("q") };',
    '@id("l") forbid (principal, action, resource) unless { context.leased || context.method == "HEAD" };',
    '@id("h") forbid (principal, action, resource) when { context has grant && context.grant.approval };',
    '@id("w") forbid (principal, action, resource) when { {whole: context}.whole.now > 1000 };',
    '@id("e") forbid (principal, action, resource) when { context.now + 9223372036854775807 > 0 };',
)


@given(
    text=st.sampled_from(TEXTS),
    path=st.sampled_from(["/user", "/x"]),
    keys=st.sampled_from([(), ("q",)]),
    now=st.sampled_from([999, 1000, 1001]),
    is_leased=st.booleans(),
    expires_at=st.sampled_from([None, 1000]),
    has_grant=st.booleans(),
)
def test_what_the_policies_do_not_look_at_is_left_out_and_changes_nothing(
    text: str,
    path: str,
    keys: tuple[str, ...],
    now: int,
    is_leased: bool,
    expires_at: int | None,
    has_grant: bool,
):
    grant = replace(GRANT, expires_at=expires_at) if has_grant else None
    question = asked(grant, path=path, query_keys=keys, now=now, is_leased=is_leased)

    assert RULES[text].decide(question) == TOLD_ALL[text].decide(question)


def told_all(text: str) -> CedarRules:
    """The same policies, told everything of every call."""
    policies = cedarpy.PolicySet.from_str(f"{rules.BASELINE}\n{text}")
    return CedarRules(text, policies, frozenset(rules.CONTEXT))


RULES = {text: CedarRules.compile(text) for text in TEXTS}
TOLD_ALL = {text: told_all(text) for text in TEXTS}


def test_a_question_that_differs_only_in_what_nobody_looks_at_is_asked_once():
    fresh = CedarRules.compile("")

    answers = {fresh.decide(asked(path=f"/{n}", now=n, query_keys=(str(n),))) for n in range(50)}

    assert len(answers) == 1
    assert fresh.asked == 1
