from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from mesh_deployer.domain.choice import choose_bids
from mesh_deployer.domain.market import (
    Bid,
    Cause,
    Declined,
    Placement,
    Strategy,
    Terms,
    misses,
    tally,
)

TERMS = Terms(
    reputation_floor=Decimal("0.7"),
    placements=(Placement(name="dcloud", ceiling_uact_per_block=Decimal(100)),),
)
bids = st.lists(
    st.builds(
        Bid,
        provider=st.uuids().map(str),
        uri=st.just("https://provider.invalid"),
        uact_per_block=st.decimals("0.000001", 200, places=6),
        reputation=st.decimals(0, 1, places=2),
        leases=st.integers(0, 300),
        attributes=st.dictionaries(st.just("region"), st.sampled_from(["eu", "us"])),
    ),
    max_size=8,
    unique_by=lambda bid: bid.provider,
)
terms = st.builds(
    Terms,
    reputation_floor=st.decimals(0, 1, places=2),
    placements=st.tuples(
        st.builds(Placement, name=st.just("dcloud"), ceiling_uact_per_block=st.decimals(0, 200, places=6))
    ),
    requirements=st.dictionaries(st.just("region"), st.sampled_from(["eu", "us"])),
    strategy=st.sampled_from(Strategy),
)


def bid(provider: str, price: str, reputation: str, **attributes: str) -> Bid:
    return Bid(
        provider=provider,
        uri=f"https://{provider}.invalid",
        uact_per_block=Decimal(price),
        reputation=Decimal(reputation),
        attributes=attributes,
    )


def test_the_cheapest_of_good_reputation_wins_and_every_other_is_told_why_not():
    choice = choose_bids(
        [bid("dear", "12", "0.99"), bid("shady", "1", "0.2"), bid("solid", "9.5", "0.9")], TERMS
    )

    assert choice.chosen == (bid("solid", "9.5", "0.9"),)
    assert [(scored.bid.provider, scored.rank, scored.reason) for scored in choice.table] == [
        ("solid", 1, "Cheapest of 2 that met the terms."),
        ("dear", 2, "Costs 2.5 uact per block more than the chosen one."),
        ("shady", None, "Reputation 0.2 is below the floor of 0.7."),
    ]


def test_the_floor_itself_is_good_enough():
    assert choose_bids([bid("just", "1", "0.7")], TERMS).chosen != ()


def test_a_tie_goes_to_the_better_then_to_the_lower_address():
    tied = [bid("c", "5", "0.8"), bid("b", "5", "0.9"), bid("a", "5", "0.8")]

    table = choose_bids(tied, TERMS).table

    assert [(scored.bid.provider, scored.reason) for scored in table] == [
        ("b", "Cheapest of 3 that met the terms."),
        ("a", "Costs the same as the chosen one, with less reputation."),
        ("c", "Costs the same as the chosen one, with less reputation."),
    ]
    assert choose_bids([tied[0], tied[2]], TERMS).table[1].reason == (
        "Equal to the chosen one; the lower address wins."
    )


def test_a_bid_above_the_price_outside_the_region_or_lost_is_out():
    strict = Terms(
        reputation_floor=Decimal(0),
        placements=(Placement(name="dcloud", ceiling_uact_per_block=Decimal(10)),),
        requirements={"region": "eu"},
    )

    table = choose_bids(
        [
            bid("dear", "11", "1", region="eu"),
            bid("far", "1", "1", region="us"),
            bid("silent", "2", "1"),
            bid("gone", "3", "1", region="eu"),
        ],
        strict,
        lost=[(1, "gone")],
    ).table

    assert {scored.bid.provider: scored.reason for scored in table} == {
        "dear": "Costs 11 uact per block, at most 10 is paid.",
        "far": "region is us, eu is required.",
        "silent": "region is not declared, eu is required.",
        "gone": "Lost before: its bid was gone when it was accepted, or it closed the lease.",
    }
    assert choose_bids([scored.bid for scored in table], strict, lost=[(1, "gone")]).chosen == ()


def test_no_bid_is_no_choice():
    assert choose_bids([], TERMS).chosen == ()


@given(bids, terms, st.randoms(use_true_random=False))
def test_the_choice_depends_on_the_bids_and_not_on_their_order(seen: list[Bid], terms: Terms, random: object):
    mixed = sorted(seen, key=lambda _: random.random())  # type: ignore[attr-defined]

    assert choose_bids(mixed, terms) == choose_bids(seen, terms)


@given(bids, terms)
def test_every_bid_is_in_the_table_once_and_the_chosen_one_meets_all_terms(seen: list[Bid], terms: Terms):
    choice = choose_bids(seen, terms)

    assert sorted(scored.bid.provider for scored in choice.table) == sorted(bid.provider for bid in seen)
    fitting = [
        bid
        for bid in seen
        if bid.reputation >= terms.reputation_floor
        and bid.uact_per_block <= terms.placements[0].ceiling_uact_per_block
        and terms.requirements.items() <= bid.attributes.items()
    ]
    assert (choice.chosen == ()) == (not fitting)
    for chosen in choice.chosen:
        assert chosen in fitting
        least = min(bid.score(terms.strategy) for bid in fitting)
        assert chosen.score(terms.strategy) == least
    assert [scored.rank for scored in choice.table if scored.accepted] == list(range(1, len(fitting) + 1))
    assert all(scored.reason for scored in choice.table)


def known(provider: str, price: str, reputation: str, leases: int) -> Bid:
    return replace(bid(provider, price, reputation), leases=leases)


VALUE = replace(TERMS, strategy=Strategy.BEST_VALUE)


def test_one_success_does_not_win_over_a_hundred():
    newcomer, veteran = known("new", "5", "1", 1), known("old", "10", "0.99", 100)

    by_price, by_value = (choose_bids([newcomer, veteran], terms) for terms in (TERMS, VALUE))

    assert (by_price.chosen, by_value.chosen) == ((newcomer,), (veteran,))


def test_a_newcomer_wins_when_it_is_as_much_cheaper_as_it_is_less_known():
    newcomer, veteran = known("new", "1", "1", 1), known("old", "10", "0.99", 100)

    assert choose_bids([newcomer, veteran], VALUE).chosen == (newcomer,)


def test_equal_value_goes_to_the_lower_address_and_every_score_is_told():
    table = choose_bids(
        [known("b", "5", "0.9", 50), known("a", "5", "0.9", 50), known("c", "6", "0.9", 50)], VALUE
    ).table

    assert [(scored.bid.provider, scored.cause) for scored in table] == [
        ("a", Cause.CHOSEN), ("b", Cause.OUTBID), ("c", Cause.OUTBID)
    ]  # fmt: skip
    assert table[1].reason == "Of equal value; the lower address wins."
    assert table[0].score == table[1].score
    assert f"is {table[2].score}, the chosen one has {table[0].score}." in table[2].reason


@given(bids, terms)
def test_the_chosen_has_the_least_score_of_all_that_meet_the_terms_and_hard_filters_come_first(
    offered: list[Bid], asked: Terms
):
    choice = choose_bids(offered, asked)

    accepted = [scored.score for scored in choice.table if scored.accepted]
    assert accepted == sorted(score for score in accepted if score is not None)
    for scored in choice.table:
        assert scored.score == scored.bid.score(asked.strategy)
        assert scored.accepted == (scored.cause in (Cause.CHOSEN, Cause.OUTBID))
        assert not scored.accepted or scored.bid.reputation >= asked.reputation_floor


def test_causes_are_counted_the_most_frequent_first():
    table = choose_bids([bid("a", "1", "0.1"), bid("b", "200", "0.9"), bid("c", "1", "0.9")], TERMS).table
    silent = [Declined(provider="d", reason="Full.", cause=Cause.CAPACITY)] * 2

    assert list(tally(table, silent).items()) == [
        (Cause.CAPACITY, 2), (Cause.PRICE, 1), (Cause.REPUTATION, 1)
    ]  # fmt: skip


def test_where_a_provider_is_is_a_cause_of_its_own():
    assert misses({"tier": "a"}, {"tier": "a"}) is None
    assert misses({"tier": "a"}, {}) == (Cause.ATTRIBUTE, "tier is not declared, a is required.")
    assert misses({"country": "de"}, {"country": "fr"}) == (
        Cause.RESIDENCY, "country is fr, de is required."
    )  # fmt: skip
