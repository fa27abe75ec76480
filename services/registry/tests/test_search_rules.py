"""What documents are searched by."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_registry.domain.metadata import AgentMetadata
from mesh_registry.domain.search import (
    MAX_TERMS,
    SCALE,
    fuse,
    keyword_weights,
    labels,
    meaning_weights,
    telling,
    weighted,
)
from mesh_registry.domain.words import MAX_WORD, meanings, stem, words


def said(about: str, *capabilities: str) -> AgentMetadata:
    return AgentMetadata(
        name="x",
        description=about,
        endpoint="https://agent.example",
        capabilities=list(capabilities) or ["any"],
        toolDefinitions=[],
        reputationHistory=[],
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Text.Summarize/short_form", ["text", "summarize", "short", "form"]),
        ("Crème BRÛLÉE ﬁne", ["creme", "brulee", "fine"]),
        ("Who can read the PDF?", ["read", "pdf"]),
        ("要約 123", ["要約", "123"]),
        ("\0 \u202e\ud800 ;--", []),
    ],
)
def test_words_are_what_is_said_whatever_the_spelling(text: str, expected: list[str]):
    assert [word for word in words(text) if word not in ("who", "can")] == expected


@given(st.text(max_size=300))
def test_any_text_has_words_that_a_database_can_keep(text: str):
    assert all(0 < len(word) <= MAX_WORD and word.encode() and "\0" not in word for word in words(text))


@pytest.mark.parametrize(
    "family",
    [
        "summarize summarizes summarized summarizing summarizer summarization summary summaries",
        "translate translates translated translating translator translation translations",
        "test tests tested testing tester",
        "deploy deploys deployed deploying deployment deployments",
    ],
)
def test_forms_of_a_word_have_one_stem(family: str):
    assert len({stem(word) for word in family.split()}) == 1


def test_words_that_stand_for_one_another_share_a_meaning():
    shared = set(meanings("condense")) & set(meanings("summaries"))

    assert shared == {"#summary"}


@given(st.text(max_size=2000))
def test_a_document_has_a_bounded_number_of_terms(about: str):
    metadata = said(about)

    assert len(keyword_weights(metadata)) <= MAX_TERMS
    assert len(meaning_weights(metadata)) <= MAX_TERMS


def test_a_word_weighs_less_in_a_longer_document_and_never_without_bound():
    short, long = said("parse"), said("parse " + "filler" * 1 + " other words here " * 60)
    shouting = said("parse " * 300)

    assert keyword_weights(short)["parse"] > keyword_weights(long)["parse"]
    assert keyword_weights(shouting)["parse"] < 2.2 * SCALE


def test_meanings_are_a_vector_of_unit_length():
    vector = meaning_weights(said("Translates text between many languages, quickly."))

    assert sum(weight**2 for weight in vector.values()) == pytest.approx(SCALE**2, rel=0.01)


def test_a_rare_word_tells_more_than_a_common_one():
    weights = weighted({"rare": 1.0, "common": 1.0, "absent": 1.0}, {"rare": 1, "common": 900}, 1000)

    assert weights.keys() == {"rare", "common"}
    assert weights["rare"] > 5 * weights["common"]


def test_words_that_a_quarter_have_are_left_out_unless_there_is_nothing_else():
    assert telling({"rare": 9, "common": 1}, {"rare": 1, "common": 900}, 1000) == {"rare": 9}
    assert telling({"common": 1}, {"common": 900}, 1000) == {"common": 1}


def test_what_two_rankings_like_comes_before_what_one_likes_best():
    fused = fuse([1, 2, 3], [4, 2, 5])

    assert max(fused, key=fused.__getitem__) == 2
    assert fused[1] == fused[4] == round(1_000_000 / 61)


@given(st.permutations([1, 2, 3, 4, 5]))
def test_fusing_a_ranking_with_itself_keeps_its_order(ranking: list[int]):
    fused = fuse(ranking, ranking)

    assert sorted(fused, key=lambda item: -fused[item]) == ranking


def test_every_beginning_of_a_capability_is_a_label():
    assert labels(said("", "text.summarize/short"), ["text.summarize/short"]).keys() == {
        "*",
        "protocol:mesh",
        "text.*",
        "text.summarize/*",
        "text.summarize/short",
    }


def test_what_the_chain_does_not_confirm_is_no_label():
    assert labels(said("", "text.a", "text.b"), ["text.a"]).keys().isdisjoint({"text.b"})
