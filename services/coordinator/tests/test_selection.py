"""Who is asked first, who is not asked at all, and why."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_coordinator.domain import selection
from mesh_coordinator.domain.requirements import Preference, Requirement
from mesh_coordinator.domain.selection import Candidate, Limits, Listing, Tool

WANTED = Requirement(id="s", capability="text.summarize")
LIMITS = Limits(own_accounts=frozenset({"0xme"}), own_endpoint="http://me:8372", budget_units=1_000)


def listing(name: str, price: int = 100, *, reputation: float = 0.5, **more: Any) -> Listing:
    told: dict[str, Any] = {
        "agent_id": f"0x{name}",
        "token_id": 1,
        "name": name,
        "owner": f"0xOwnerOf{name}",
        "endpoint": f"https://{name}.example",
        "reputation": reputation,
        "is_active": True,
        "is_on_chain": True,
        "tools": (Tool(name="SUMMARIZE", capability="text.summarize", price_units=price),),
    }
    return Listing(**(told | more))


def rank(*listings: Listing, wanted: Requirement = WANTED) -> tuple[Candidate, ...]:
    return selection.rank(wanted, listings, LIMITS)


def names(candidates: tuple[Candidate, ...]) -> list[str]:
    return [candidate.name for candidate in candidates]


def reason(one: Listing, wanted: Requirement = WANTED) -> str:
    (candidate,) = rank(one, wanted=wanted)
    assert not candidate.is_accepted
    return candidate.reason


def test_the_better_reputation_is_asked_first():
    assert names(rank(listing("b", reputation=0.4), listing("a", reputation=0.9))) == ["a", "b"]


def test_the_lower_price_is_asked_first():
    assert names(rank(listing("a", 900), listing("b", 100))) == ["b", "a"]


@pytest.mark.parametrize(
    ("reputation_weight", "price_weight", "first"),
    [(1.0, 0.0, "good"), (0.0, 1.0, "cheap"), (0.0, 0.0, "cheap")],
)
def test_a_step_says_what_counts(reputation_weight: float, price_weight: float, first: str):
    by = Preference(reputation_weight=reputation_weight, price_weight=price_weight)
    wanted = Requirement(id="s", capability="text.summarize", select=by)

    found = rank(listing("good", 900, reputation=0.9), listing("cheap", 100, reputation=0.1), wanted=wanted)

    assert names(found)[0] == first


def paced(paces: dict[str, float], *, weight: float = 0.2) -> list[tuple[str, float]]:
    """Names and scores of two equal agents at these paces, when a call may take ten seconds."""
    by = Preference(reputation_weight=0, price_weight=0, latency_weight=weight)
    wanted = Requirement(id="s", capability="text.summarize", timeout_s=10, select=by)
    found = selection.rank(wanted, [listing("a"), listing("b")], LIMITS, paces)
    return [(candidate.name, candidate.score) for candidate in found]


def test_the_faster_agent_is_asked_first_where_that_counts():
    assert paced({"0xa": 5.0, "0xb": 1.0}) == [("b", -0.02), ("a", -0.1)]


def test_nobody_is_held_slow_before_the_first_call():
    assert paced({"0xa": 1.0}) == [("b", 0.0), ("a", -0.02)]


def test_nobody_is_slower_than_a_call_may_take():
    assert paced({"0xa": 10.0, "0xb": 99.0}) == [("a", -0.2), ("b", -0.2)]


def test_speed_counts_nothing_unless_a_step_says_so():
    assert paced({"0xa": 5.0}, weight=Preference().latency_weight) == [("a", 0.0), ("b", 0.0)]


@pytest.mark.parametrize(("reputation", "is_accepted"), [(0.69, False), (0.7, True)])
def test_nobody_below_the_least_reputation_is_hired(reputation: float, is_accepted: bool):
    wanted = Requirement(id="s", capability="text.summarize", select=Preference(min_reputation=0.7))

    (candidate,) = rank(listing("a", reputation=reputation), wanted=wanted)

    assert candidate.is_accepted == is_accepted
    assert candidate.reason == ("accepted" if is_accepted else "its reputation is below min_reputation")


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.integers(0, 1_000))
def test_a_score_is_bounded_by_its_weights(
    reputation_weight: float, price_weight: float, reputation: float, price: int
):
    by = Preference(reputation_weight=reputation_weight, price_weight=price_weight)
    wanted = Requirement(id="s", capability="text.summarize", select=by, max_price_units=1_000)

    (candidate,) = rank(listing("a", price, reputation=reputation), wanted=wanted)

    assert -price_weight - 1e-6 <= candidate.score <= reputation_weight + 1e-6


def test_after_an_auction_those_who_bid_come_first_at_their_prices():
    before = rank(listing("a", 100), listing("b", 200), listing("c", 300), listing("off", is_active=False))

    after = selection.awarded(WANTED, before, {"0xc": 10, "0xb": 50, "0xstranger": 1})

    assert [(one.name, one.price_units, one.reason) for one in after] == [
        ("c", 10, "accepted"),
        ("b", 50, "accepted"),
        ("a", 100, "made no bid"),
        ("off", 100, "is not active"),
    ]


def test_a_score_is_half_of_the_reputation_less_a_share_of_the_price():
    wanted = Requirement(id="s", capability="text.summarize", max_price_units=200)

    (candidate,) = rank(listing("a", 100, reputation=0.8), wanted=wanted)

    assert candidate.score == pytest.approx(0.5 * 0.8 - 0.3 * 100 / 200)


def test_without_a_ceiling_the_dearest_offer_is_the_measure():
    dear, cheap = rank(listing("a", 400, reputation=1.0), listing("b", 100, reputation=0.1))

    assert (dear.score, cheap.score) == (pytest.approx(0.2), pytest.approx(0.05 - 0.3 * 0.25))


def test_free_agents_are_scored_by_reputation_alone():
    (candidate,) = rank(listing("a", 0, reputation=0.6))

    assert candidate.score == pytest.approx(0.3)


def test_of_equal_agents_the_lower_id_is_asked_first_whatever_the_order():
    one, two = listing("a"), listing("b")

    assert rank(one, two) == rank(two, one)


def test_the_cheapest_of_an_agent_s_tools_is_taken():
    tools = (
        Tool(name="LONG", capability="text.summarize", price_units=300),
        Tool(name="SHORT", capability="text.summarize", price_units=200),
        Tool(name="OTHER", capability="text.keywords", price_units=1),
    )

    (candidate,) = rank(listing("a", tools=tools))

    assert (candidate.action, candidate.price_units) == ("SHORT", 200)


def test_the_action_that_was_asked_for_is_taken_though_it_costs_more():
    tools = (
        Tool(name="LONG", capability="text.summarize", price_units=300),
        Tool(name="SHORT", capability="text.summarize", price_units=200),
    )
    wanted = Requirement(id="s", capability="text.summarize", action="LONG")

    (candidate,) = rank(listing("a", tools=tools), wanted=wanted)

    assert (candidate.action, candidate.price_units) == ("LONG", 300)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"is_active": False}, "is not active"),
        ({"is_on_chain": False}, "its registration is not on the chain yet"),
        ({"endpoint": "http://me:8372/"}, "is this coordinator itself"),
        ({"endpoint": "ftp://a.example"}, "its endpoint is no plain http address"),
        ({"endpoint": "https://u:p@a.example"}, "its endpoint is no plain http address"),
        ({"endpoint": "https://a.example/?x=1"}, "its endpoint is no plain http address"),
        ({"endpoint": "https://a.example/#x"}, "its endpoint is no plain http address"),
        ({"endpoint": "https://a.example:99999"}, "its endpoint is no plain http address"),
        ({"endpoint": "https://a.example:0"}, "its endpoint is no plain http address"),
        ({"endpoint": "https://[::1"}, "its endpoint is no plain http address"),
        ({"endpoint": "https://ä.example"}, "its endpoint is no plain http address"),
        ({"endpoint": "https://"}, "its endpoint is no plain http address"),
        ({"endpoint": ""}, "its endpoint is no plain http address"),
        ({"owner": "0xME"}, "would be paid by itself"),
        ({"tools": ()}, "offers no such action"),
        (
            {"tools": (Tool(name="../admin", capability="text.summarize", price_units=1),)},
            "its action has no usable name",
        ),
        (
            {"tools": (Tool(name="A\nB", capability="text.summarize", price_units=1),)},
            "its action has no usable name",
        ),
    ],
)
def test_who_cannot_be_hired_is_listed_with_the_reason(changes: dict[str, Any], why: str):
    assert reason(listing("a", **changes)) == why


def test_a_price_above_what_the_step_may_cost_is_turned_down():
    wanted = Requirement(id="s", capability="text.summarize", max_price_units=99)

    assert reason(listing("a", 100), wanted) == "asks for more than max_price"


def test_a_price_above_the_budget_is_turned_down():
    assert reason(listing("a", 1_001)) == "asks for more than the budget"


def test_a_price_of_exactly_the_limit_is_accepted():
    wanted = Requirement(id="s", capability="text.summarize", max_price_units=1_000)

    (candidate,) = rank(listing("a", 1_000), wanted=wanted)

    assert candidate.is_accepted


def test_our_own_agents_may_work_for_nothing():
    (candidate,) = rank(listing("a", 0, owner="0xMe"))

    assert candidate.is_accepted


def test_only_the_agent_that_was_asked_for_is_accepted():
    wanted = Requirement(id="s", capability="text.summarize", action="SUMMARIZE", agent_id="0xb")

    first, second = rank(listing("a"), listing("b"), wanted=wanted)

    assert (first.name, first.is_accepted) == ("b", True)
    assert second.reason == "another agent was asked for"


def test_a_plan_keeps_twenty_candidates_and_prefers_those_that_can_be_hired():
    refused = [listing(f"r{n:02}", is_active=False) for n in range(30)]
    accepted = [listing(f"a{n:02}") for n in range(5)]

    found = rank(*refused, *accepted)

    assert len(found) == selection.MAX_CANDIDATES
    assert [candidate.is_accepted for candidate in found] == [True] * 5 + [False] * 15


listings = st.builds(
    listing,
    st.text("abcdef", min_size=1, max_size=4),
    st.integers(0, 2_000),
    reputation=st.floats(0, 1),
    is_active=st.booleans(),
)


@given(st.lists(listings, max_size=12, unique_by=lambda one: one.agent_id), st.randoms())
def test_the_order_in_which_the_registry_lists_agents_makes_no_difference(found: list[Listing], luck: Any):
    shuffled = luck.sample(found, len(found))

    assert rank(*found) == rank(*shuffled)


@given(st.lists(listings, max_size=12, unique_by=lambda one: one.agent_id))
def test_nobody_is_asked_before_somebody_better_and_cheaper(found: list[Listing]):
    hired = [candidate for candidate in rank(*found) if candidate.is_accepted]

    for place, later in enumerate(hired):
        for earlier in hired[:place]:
            is_better = later.reputation > earlier.reputation and later.price_units < earlier.price_units
            assert not is_better or later.score == earlier.score
