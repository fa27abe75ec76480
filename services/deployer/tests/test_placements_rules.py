"""How a deployment of several placements is chosen, leased and moved on: pure rules."""

from dataclasses import replace
from decimal import Decimal
from itertools import groupby

from arenas import AS_WANTED, SEVERAL, TWO_PLACES
from beginning import ACCEPTED as ONE
from beginning import NOW
from hypothesis import given
from hypothesis import strategies as st
from mesh_deployer import events
from mesh_deployer.domain.choice import Choice, choose_bids, placements
from mesh_deployer.domain.controls import assess
from mesh_deployer.domain.deployment import Deployment, Lease, State
from mesh_deployer.domain.drift import Drift, drift
from mesh_deployer.domain.escrow import Escrow
from mesh_deployer.domain.market import Bid, Cause, Declined, Terms
from mesh_deployer.domain.succession import elsewhere, scaled
from mesh_deployer.events import LeaseCreated

TERMS = Terms(
    reputation_floor=Decimal("0.5"),
    placements=placements(SEVERAL),
    requirements={"region": "eu-west"},
)


def bid(gseq: int, provider: str = "a", price: int = 5, reputation: str = "0.9") -> Bid:
    return Bid(
        gseq=gseq,
        provider=provider,
        uri=f"https://{provider}.invalid",
        uact_per_block=Decimal(price),
        reputation=Decimal(reputation),
        attributes={"region": "eu-west"},
    )


def lease(gseq: int, provider: str = "a") -> Lease:
    return Lease(lease_id=f"sim/1/{gseq}/{provider}", provider_uri=f"https://{provider}.invalid", gseq=gseq)


ACCEPTED = replace(ONE, shape=SEVERAL.shape, terms=TERMS)


def chose(deployment: Deployment, *bids: Bid) -> Deployment:
    choice = choose_bids(bids, TERMS, lost=deployment.lost, kept=deployment.kept)
    return deployment.opened(NOW).saw(choice, ()).chose(choice.chosen, NOW)


CHOSEN = chose(ACCEPTED, bid(1), bid(2, "b", 7))
LEASED = CHOSEN.got_leases([lease(1), lease(2, "b")], NOW)


@given(
    st.lists(st.builds(bid, st.integers(1, 2), st.sampled_from("abcd"), st.integers(1, 9)), max_size=8),
    st.sets(st.tuples(st.integers(1, 2), st.sampled_from("abcd")), max_size=3),
)
def test_each_placement_gets_its_own_best_bid_or_none_gets_any(bids: list[Bid], lost: set[tuple[int, str]]):
    bids = list({b.id: b for b in bids}.values())
    fitting = [b for b in bids if b.id not in lost]
    best = [
        min(several, key=lambda b: (b.uact_per_block, b.provider))
        for _, several in groupby(sorted(fitting, key=lambda b: b.gseq), key=lambda b: b.gseq)
    ]

    choice = choose_bids(bids, TERMS, lost=lost)

    assert choice.chosen == (tuple(best) if len(best) == 2 else ())
    assert choice.uact_per_block == (sum(b.uact_per_block for b in best) if choice.chosen else None)
    assert sorted(map(repr, bids)) == sorted(repr(scored.bid) for scored in choice.table)
    assert [scored.bid.gseq for scored in choice.table] == sorted(b.gseq for b in bids)


def test_for_a_placement_whose_lease_goes_on_nothing_is_chosen():
    choice = choose_bids([bid(1, "a", 1), bid(2)], TERMS, kept={1})

    assert (choice.chosen, choice.wanted) == ((bid(2),), (2,))


def test_it_costs_what_all_its_placements_cost_and_says_who_they_are():
    assert LEASED.uact_per_block == 12
    assert CHOSEN.explanation == (
        "a bids 5 uact per block: Cheapest of 1 that met the terms. "
        "b bids 7 uact per block: Cheapest of 1 that met the terms."
    )
    assert LEASED.explanation == "Lease sim/1/1/a, sim/1/2/b; sending the manifest."


def test_when_one_bid_is_lost_all_are_chosen_again():
    again = CHOSEN.lost_bid((2, "b"), NOW)

    assert (again.state, again.chosen, again.leases, again.lost) == (State.OPEN, (), (), ((2, "b"),))


def test_a_lost_lease_is_replaced_while_the_other_one_goes_on():
    relisted = LEASED.lost_leases("lease-lost", "Closed.", [(1, "a")], [1], NOW)
    chosen = chose(relisted, bid(1), bid(1, "c", 9), bid(2, "d", 1))
    leased = chosen.got_leases([lease(1, "c"), lease(2, "b")], NOW)

    assert (relisted.chosen, relisted.leases) == ((bid(2, "b", 7),), (lease(2, "b"),))
    assert relisted.lost == ((1, "a"),)
    assert [b.provider for b in chosen.chosen] == ["c", "b"]
    assert [row.bid.provider for row in chosen.bids] == ["c", "a", "b"]
    assert leased.explanation == "Lease sim/1/1/c; sending the manifest."


def test_a_kept_placement_may_lose_its_provider_while_another_one_looks_for_its_own():
    looking = LEASED.lost_leases("lease-lost", "Closed.", [(1, "a")], [1], NOW).opened(NOW)

    both = looking.lost_leases("lease-lost", "Closed.", [(2, "b")], [2], NOW)
    gone = chose(LEASED.lost_leases("lease-lost", "Closed.", [(1, "a")], [1], NOW), bid(1, "c")).lost_bid(
        (2, "b"), NOW
    )

    assert (both.state, both.chosen, both.leases, both.lost) == (State.CREATED, (), (), ((1, "a"), (2, "b")))
    assert (gone.state, gone.chosen, gone.leases) == (State.OPEN, (), ())


def test_each_new_lease_is_a_fact_of_its_own():
    relisted = chose(LEASED.lost_leases("lease-lost", "Closed.", [(1, "a")], [1], NOW), bid(1, "c"))
    again = relisted.got_leases([lease(1, "c"), lease(2, "b")], NOW)

    told = [*events.facts(CHOSEN, LEASED), *events.facts(relisted, again)]

    assert [
        (f.placement, f.provider_address, f.uact_per_block) for f in told if isinstance(f, LeaseCreated)
    ] == [
        ("east", "a", "5"),
        ("west", "b", "7"),
        ("east", "c", "5"),
    ]


def test_without_a_bid_for_one_of_them_the_ending_names_it():
    choice = choose_bids([bid(1), bid(2, "b", reputation="0.1")], TERMS)
    declined = (
        Declined(provider="c", reason="Busy.", cause=Cause.CAPACITY, gseq=2),
        Declined(provider="c", reason="Busy.", cause=Cause.CAPACITY),
    )

    ending = ACCEPTED.opened(NOW).saw(choice, declined).without_bid(NOW)

    assert ending.explanation == (
        "west: None of 1 bid(s) met the terms; 1 did not bid: 1 capacity, 1 reputation."
    )


def test_a_choice_of_nothing_is_no_choice():
    assert (Choice((), (1, 2)).chosen, Choice((), (1, 2)).uact_per_block) == ((), None)


def test_a_provider_that_left_one_placement_may_run_another():
    both_gone = LEASED.lost_leases("lease-lost", "Closed.", [(1, "a"), (2, "b")], [1, 2], NOW)

    chosen = chose(both_gone, bid(1, "a"), bid(1, "b", 9), bid(2, "a", 9), bid(2, "b"))

    assert [(b.gseq, b.provider) for b in chosen.chosen] == [(1, "b"), (2, "a")]
    assert [row.bid.id for row in chosen.bids if row.cause is Cause.LOST] == [(1, "a"), (2, "b")]


def test_a_successor_has_each_placement_elsewhere_than_it_was():
    successor = elsewhere(LEASED, "k", NOW)

    chosen = chose(successor, bid(1), bid(1, "b"), bid(2), bid(2, "b", 1))

    assert [(b.gseq, b.provider) for b in chosen.chosen] == [(1, "b"), (2, "a")]


def test_a_service_is_scaled_wherever_it_is():
    after = scaled(replace(LEASED, sdl=TWO_PLACES), {"web": 3}, range(1, 11), "k", NOW)

    assert [p.ceiling_uact_per_block for p in after.terms.placements] == [300, 400]


def test_residency_is_that_of_every_provider():
    (kept,) = [c for c in assess(LEASED, SEVERAL) if c.id.endswith("residency")]
    elsewhere_too = moved(LEASED, "us-east")
    (broken,) = [c for c in assess(elsewhere_too, SEVERAL) if c.id.endswith("residency")]
    (unknown,) = [c for c in assess(CHOSEN, SEVERAL) if c.id.endswith("residency")]

    assert (kept.status, broken.status, unknown.status) == ("pass", "fail", "not_assessed")
    assert "a declares eu-west, b declares us-east, eu-west is required" in broken.evidence


def moved(deployment: Deployment, region: str) -> Deployment:
    """The same with a second provider that is somewhere else."""
    first, second = deployment.chosen
    return replace(deployment, chosen=(first, replace(second, attributes={"region": region})))


def test_what_is_missing_in_one_placement_is_drift_of_that_one():
    found = drift(SEVERAL, [AS_WANTED])

    assert found == tuple(
        Drift(placement="west", service=name, what="service", wanted=name, found=None)
        for name in ("cache", "web")
    )


@given(st.lists(st.tuples(st.decimals("0.1", 9, places=3), st.integers(0, 9)), min_size=1, max_size=5))
def test_leases_earn_beside_each_other_and_one_that_ends_earns_no_more(rates: list[tuple[Decimal, int]]):
    escrow = Escrow(deposited_uact=10_000)
    for rate, _ in rates:
        escrow = escrow.leased(rate, 1)
    for rate, ends_at in sorted(rates, key=lambda pair: pair[1]):
        escrow = escrow.released(1 + ends_at, rate)

    assert escrow.earned == sum(rate * ends_at for rate, ends_at in rates)
    assert (escrow.rate, escrow.is_overdrawn) == (0, False)
