"""What the rules read out of a task's words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_coordinator.domain.requirements import RULES, Requirement, recognised

DEMO = "Analyze the storefront workspace and find tools for workspace-optimization."


def only(task: str) -> Requirement:
    (found,) = recognised(task)
    return found


def test_the_main_task_needs_an_analysis_and_a_search_for_tools():
    found = recognised(DEMO)

    assert [(one.capability, one.action) for one in found] == [
        ("workspace.analyze", "ANALYZE_WORKSPACE"),
        ("registry.discover", "DISCOVER_UNIVERSAL_TOOLS"),
    ]
    assert [one.parameters for one in found] == [
        {"workspace": "storefront"},
        {"capability": "workspace-optimization"},
    ]


def test_what_a_rule_finds_names_the_rule_and_needs_nothing_else():
    assert all((one.rule, one.needs) == (one.id, ()) for one in recognised(DEMO))


@pytest.mark.parametrize(
    ("task", "workspace"),
    [
        ("analyse the storefront workspace", "storefront"),
        ("Inspect our monorepo.", "."),
        ("Optimize the Nx workspace!", "."),
        ("workspace: please analyze it", "."),
        ("Analyze apps/web workspace", "apps/web"),
        ("Analyze this workspace, then the shop monorepo", "shop"),
    ],
)
def test_the_word_before_workspace_is_its_name(task: str, workspace: str):
    assert only(task).parameters == {"workspace": workspace}


@pytest.mark.parametrize(
    ("task", "capability"),
    [
        ("Find agents for text.summarize", "text.summarize"),
        ("Which tools come with image/resize?", "image/resize"),
        ("Discover tools, workspace-optimization most of all", "workspace-optimization"),
        ("List agents for translation", "translation"),
        ("List the agents", "workspace-optimization"),
        ("Find tools for cooking, best with a/b.", "a/b"),
    ],
)
def test_the_capability_looked_for_is_the_word_that_looks_like_one(task: str, capability: str):
    assert only(task).parameters == {"capability": capability}


@pytest.mark.parametrize(
    ("task", "action", "text"),
    [
        ("Summarize this: Agents met. They agreed.", "SUMMARIZE", "Agents met. They agreed."),
        ("Shorten the following text", "SUMMARIZE", "Shorten the following text"),
        ("Summarise the article:  ", "SUMMARIZE", "Summarise the article:  "),
        ("Extract keywords: a: b", "EXTRACT_KEYWORDS", "a: b"),
    ],
)
def test_the_text_is_what_follows_the_first_colon(task: str, action: str, text: str):
    assert (only(task).action, only(task).parameters) == (action, {"text": text})


@pytest.mark.parametrize(
    "task",
    [
        "Bake a cake",
        "analyze the soup",
        "the workspace",
        "find happiness",
        "ANALYZEWORKSPACE",
        "reanalyze workspaces",
        "…",
        "\u202eecapskrow ezylana",
    ],
)
def test_a_task_without_both_a_verb_and_a_noun_of_a_rule_needs_nothing(task: str):
    assert recognised(task) == ()


def test_case_and_punctuation_make_no_difference():
    assert [one.id for one in recognised("ANALYZE, the Workspace!!!")] == ["workspace-analysis"]


@given(st.text(max_size=200))
def test_any_text_is_read_into_distinct_steps_that_are_a_plan(task: str):
    found = recognised(task)

    assert len({one.id for one in found}) == len(found)
    assert {one.capability for one in found} <= {rule.capability for rule in RULES}


@given(st.lists(st.sampled_from(sorted(RULES[0].verbs | RULES[0].nouns | {"the", "of", "and"})), max_size=8))
def test_the_analysis_is_found_exactly_when_a_verb_and_a_noun_are_there(words: list[str]):
    is_found = any(one.id == "workspace-analysis" for one in recognised(" ".join(words)))

    assert is_found == bool(RULES[0].verbs & set(words) and RULES[0].nouns & set(words))
