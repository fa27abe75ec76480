"""What holds of words, labels, weights and fused ranks whatever the documents are."""

from __future__ import annotations

import string
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from mesh_registry.domain.metadata import AgentMetadata
from mesh_registry.domain.search import (
    ANY,
    SCALE,
    Criteria,
    fuse,
    keyword_query,
    keyword_weights,
    labels,
    meaning_query,
    meaning_weights,
    of_prefix,
    of_protocol,
    telling,
    weighted,
    weights,
)
from mesh_registry.domain.words import meanings, stem, words

latin = st.text(string.ascii_letters + string.digits + " .,;:/_-'", max_size=80)
simple_words = st.text(string.ascii_lowercase, min_size=1, max_size=20)
capabilities = st.lists(st.from_regex(r"[a-z][a-z./]{0,12}[a-z]", fullmatch=True), min_size=1, max_size=6)
priced = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 10**30)), max_size=6)
counts = st.dictionaries(simple_words, st.integers(1, 1000), min_size=1, max_size=8)
rankings = st.lists(st.integers(1, 40), max_size=20, unique=True)


def said(about: str = "", offered: list[str] | None = None, **more: Any) -> AgentMetadata:
    whole: dict[str, Any] = {
        "name": "Zed",
        "description": about,
        "endpoint": "https://agent.example",
        "capabilities": offered or ["zed"],
        "toolDefinitions": [],
        "reputationHistory": [],
    }
    return AgentMetadata.model_validate(whole | more)


def shop(offered: list[str], prices: list[tuple[int, int]]) -> AgentMetadata:
    """An agent whose tools are each behind one of its capabilities."""
    tools = [
        {
            "name": "DO",
            "description": "",
            "capability": offered[which % len(offered)],
            "parameters": {},
            "price": str(price),
        }
        for which, price in prices
    ]
    return said("", offered, toolDefinitions=tools)


@given(latin)
def test_capitals_change_no_word(text: str):
    assert words(text.upper()) == words(text.lower())


@given(st.text(max_size=80), st.text(max_size=80))
def test_the_words_of_two_texts_are_those_of_the_first_and_then_of_the_second(one: str, other: str):
    assert words(f"{one} {other}") == words(one) + words(other)


@given(st.text(max_size=200))
def test_words_are_the_words_of_themselves(text: str):
    found = words(text)

    assert words(" ".join(found)) == found


@given(simple_words)
def test_a_stem_is_a_beginning_of_its_word_and_has_no_other_stem(word: str):
    root = stem(word)

    assert word.startswith(root)
    assert len(root) >= min(3, len(word))
    assert stem(root) == root


@given(simple_words)
def test_a_meaning_is_never_taken_for_a_word(word: str):
    assert all(meaning[0] in "~#" and not words(meaning[0]) for meaning in meanings(word))
    assert keyword_query(word).keys().isdisjoint(meaning_query(word))


@given(latin)
def test_a_document_is_found_by_each_word_that_it_says(about: str):
    document = weights(said(about))

    assert keyword_query(about).keys() <= document.keys()
    assert meaning_query(about).keys() <= document.keys()


@given(st.lists(simple_words, max_size=12), st.randoms(use_true_random=False))
def test_the_order_of_sentences_moves_no_weight(said_words: list[str], chance: Any):
    shuffled = list(said_words)
    chance.shuffle(shuffled)

    assert weights(said(" ".join(said_words))) == weights(said(" ".join(shuffled)))


@given(latin)
def test_meanings_of_any_document_are_a_vector_of_unit_length(about: str):
    vector = meaning_weights(said(about))

    # each of the terms is rounded by half a thousandth at most
    assert abs(sum(weight**2 for weight in vector.values()) - SCALE**2) <= SCALE * (len(vector) + 1)


@given(st.integers(1, 30), st.integers(1, 30))
def test_saying_a_word_more_often_never_makes_it_weigh_less(one: int, other: int):
    few, many = sorted((one, other))

    assert keyword_weights(said("parse " * few))["parse"] <= keyword_weights(said("parse " * many))["parse"]


def test_what_an_agent_is_called_weighs_more_than_what_it_says():
    called, told = said("", ["parse"]), said("parse", ["other"])

    assert keyword_weights(called)["parse"] > keyword_weights(told)["parse"]


@given(counts, st.integers(1000, 100_000))
def test_what_more_documents_have_tells_no_more(documents: dict[str, int], total: int):
    told = weighted(dict.fromkeys(documents, 1.0), documents, total)

    by_count = sorted(documents, key=documents.__getitem__)
    assert [told[term] for term in by_count] == sorted(told.values(), reverse=True)
    assert min(told.values()) >= 1


@given(counts, st.integers(1, 4000))
def test_something_is_always_left_to_search_by(documents: dict[str, int], total: int):
    everything = weighted(dict.fromkeys(documents, 1.0), documents, total)

    left = telling(everything, documents, total)

    assert left
    assert left.items() <= everything.items()


@given(rankings, rankings)
def test_which_ranking_is_named_first_does_not_matter(one: list[int], other: list[int]):
    assert fuse(one, other) == fuse(other, one)


@given(rankings, rankings)
def test_one_more_ranking_takes_nothing_from_anyone(one: list[int], other: list[int]):
    alone, fused = fuse(one), fuse(one, other)

    assert fused.keys() == {*one, *other}
    assert all(fused[item] >= score for item, score in alone.items())


@given(capabilities, priced)
def test_a_beginning_costs_as_little_as_the_cheapest_that_begins_so(
    offered: list[str], prices: list[tuple[int, int]]
):
    found = labels(shop(offered, prices), offered)

    for label in (label for label in found if label.endswith(ANY) and label != ANY):
        under = [found[name] for name in offered if name.startswith(label.removesuffix(ANY))]
        assert under, label
        assert found[label] == min((price for price in under if price is not None), default=None)


@given(capabilities, priced)
def test_whoever_is_found_at_all_is_found_by_price_of_the_cheapest_tool(
    offered: list[str], prices: list[tuple[int, int]]
):
    found = labels(shop(offered, prices), offered)

    assert found[ANY] == min((price for _, price in prices), default=None)
    assert found.keys() >= {ANY, of_protocol("mesh"), *offered}


def test_labels_are_asked_for_once_however_often_they_are_named():
    criteria = Criteria(
        capabilities=["text.a", "text.a"], prefix="text.", protocols=["a2a", "a2a"], max_price_units=5
    )

    assert criteria.priced_labels == ["text.a", of_prefix("text.")]
    assert criteria.other_labels == [of_protocol("a2a")]


def test_a_price_alone_is_asked_of_everyone():
    assert Criteria(max_price_units=0).priced_labels == [ANY]
    assert Criteria().priced_labels == []
