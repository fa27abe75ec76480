"""How much may be open at once, whatever is open already."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from mesh_coordinator.domain.attempt import State
from mesh_coordinator.domain.limits import AT_WORK, Limits, Occupancy, OpenAttempt


def open_attempt(owner: str, agent: str, state: State) -> OpenAttempt:
    return OpenAttempt(owner, agent, state, UUID(int=0))


NAMES = st.sampled_from("abc")
LIMITS = st.builds(Limits, total=st.integers(1, 9), per_payer=st.integers(1, 9), per_agent=st.integers(1, 9))
OPEN = st.lists(st.builds(open_attempt, NAMES, NAMES, st.sampled_from(State)), max_size=12)


def test_a_call_that_was_answered_leaves_its_agent_free():
    busy = [open_attempt("p", "a", State.INVOKING), open_attempt("p", "a", State.SETTLING)]

    room = Occupancy(Limits(total=9, per_payer=9, per_agent=2), busy).room("p")

    assert (room.total, room.at("a"), room.at("b")) == (7, 1, 2)


def test_one_payer_s_runs_leave_room_for_another_s():
    busy = [open_attempt("mine", "a", State.INVOKING)] * 3

    occupancy = Occupancy(Limits(total=9, per_payer=3, per_agent=9), busy)

    assert (occupancy.room("mine").total, occupancy.room("yours").total) == (0, 3)


def test_no_more_of_those_who_wait_are_called_than_there_is_room_for():
    busy = [open_attempt("p", "a", State.INVOKING)]

    occupancy = Occupancy(Limits(total=3, per_payer=9, per_agent=1), busy)

    called = [occupancy.take_any("p", agents) for agents in (["a"], [], ["a", "b"], ["b"], ["c"], ["d"])]
    assert called == [False, False, True, False, True, False]


@given(LIMITS, OPEN, st.lists(st.tuples(NAMES, NAMES), max_size=20))
def test_whoever_opens_only_where_there_is_room_keeps_every_limit(
    limits: Limits, before: list[OpenAttempt], wanted: list[tuple[str, str]]
):
    occupancy = Occupancy(limits, before)
    opened = list(before)
    for payer, agent in wanted:
        room = occupancy.room(payer)
        if room.total > 0 and room.at(agent) > 0:
            occupancy.take(payer, agent)
            opened.append(open_attempt(payer, agent, State.RESERVING))

    for name in "abc":
        new = [one for one in opened[len(before) :] if one.owner == name]
        assert not new or sum(one.owner == name for one in opened) <= limits.per_payer
        calls = [one for one in opened if one.agent == name and one.state in AT_WORK]
        fresh = [one for one in opened[len(before) :] if one.agent == name]
        assert not fresh or len(calls) <= limits.per_agent
    assert len(opened) == len(before) or len(opened) <= limits.total
