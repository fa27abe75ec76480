from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from mesh_deployer.domain.market import Bid, Terms, choose_bid

TERMS = Terms(reputation_floor=Decimal("0.7"), ceiling_uact_per_block=Decimal(100))
bids = st.lists(
    st.builds(
        Bid,
        provider=st.uuids().map(str),
        uri=st.just("https://provider.invalid"),
        uact_per_block=st.decimals("0.000001", 200, places=6),
        reputation=st.decimals(0, 1, places=2),
        attributes=st.dictionaries(st.just("region"), st.sampled_from(["eu", "us"])),
    ),
    max_size=8,
    unique_by=lambda bid: bid.provider,
)
terms = st.builds(
    Terms,
    reputation_floor=st.decimals(0, 1, places=2),
    ceiling_uact_per_block=st.decimals(0, 200, places=6),
    requirements=st.dictionaries(st.just("region"), st.sampled_from(["eu", "us"])),
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
    choice = choose_bid(
        [bid("dear", "12", "0.99"), bid("shady", "1", "0.2"), bid("solid", "9.5", "0.9")], TERMS
    )

    assert choice.chosen == bid("solid", "9.5", "0.9")
    assert [(scored.bid.provider, scored.rank, scored.reason) for scored in choice.table] == [
        ("solid", 1, "Cheapest of 2 that met the terms."),
        ("dear", 2, "Costs 2.5 uact per block more than the chosen one."),
        ("shady", None, "Reputation 0.2 is below the floor of 0.7."),
    ]


def test_the_floor_itself_is_good_enough():
    assert choose_bid([bid("just", "1", "0.7")], TERMS).chosen is not None


def test_a_tie_goes_to_the_better_then_to_the_lower_address():
    tied = [bid("c", "5", "0.8"), bid("b", "5", "0.9"), bid("a", "5", "0.8")]

    table = choose_bid(tied, TERMS).table

    assert [(scored.bid.provider, scored.reason) for scored in table] == [
        ("b", "Cheapest of 3 that met the terms."),
        ("a", "Costs the same as the chosen one, with less reputation."),
        ("c", "Costs the same as the chosen one, with less reputation."),
    ]
    assert choose_bid([tied[0], tied[2]], TERMS).table[1].reason == (
        "Equal to the chosen one; the lower address wins."
    )


def test_a_bid_above_the_price_outside_the_region_or_lost_is_out():
    strict = Terms(
        reputation_floor=Decimal(0), ceiling_uact_per_block=Decimal(10), requirements={"region": "eu"}
    )

    table = choose_bid(
        [
            bid("dear", "11", "1", region="eu"),
            bid("far", "1", "1", region="us"),
            bid("silent", "2", "1"),
            bid("gone", "3", "1", region="eu"),
        ],
        strict,
        lost=["gone"],
    ).table

    assert {scored.bid.provider: scored.reason for scored in table} == {
        "dear": "Costs 11 uact per block, at most 10 is paid.",
        "far": "region is us, eu is required.",
        "silent": "region is not declared, eu is required.",
        "gone": "Lost before: its bid was gone when it was accepted, or it closed the lease.",
    }
    assert choose_bid([scored.bid for scored in table], strict, lost=["gone"]).chosen is None


def test_no_bid_is_no_choice():
    assert choose_bid([], TERMS).chosen is None


@given(bids, terms, st.randoms(use_true_random=False))
def test_the_choice_depends_on_the_bids_and_not_on_their_order(seen: list[Bid], terms: Terms, random: object):
    mixed = sorted(seen, key=lambda _: random.random())  # type: ignore[attr-defined]

    assert choose_bid(mixed, terms) == choose_bid(seen, terms)


@given(bids, terms)
def test_every_bid_is_in_the_table_once_and_the_chosen_one_meets_all_terms(seen: list[Bid], terms: Terms):
    choice = choose_bid(seen, terms)

    assert sorted(scored.bid.provider for scored in choice.table) == sorted(bid.provider for bid in seen)
    fitting = [
        bid
        for bid in seen
        if bid.reputation >= terms.reputation_floor
        and bid.uact_per_block <= terms.ceiling_uact_per_block
        and terms.requirements.items() <= bid.attributes.items()
    ]
    assert (choice.chosen is None) == (not fitting)
    if choice.chosen is not None:
        assert choice.chosen in fitting
        assert choice.chosen.uact_per_block == min(bid.uact_per_block for bid in fitting)
    assert [scored.rank for scored in choice.table if scored.accepted] == list(range(1, len(fitting) + 1))
    assert all(scored.reason for scored in choice.table)
