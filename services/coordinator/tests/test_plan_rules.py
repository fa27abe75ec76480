"""What makes requirements a plan, and what is said of those that are none."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_coordinator.domain import plan
from mesh_coordinator.domain.faults import MAX_REFERENCES
from mesh_coordinator.domain.faults import faults as faults_of
from mesh_coordinator.domain.plan import Cycle, Plan, PlannedStep
from mesh_coordinator.domain.quality import Assertion, Expectation, Op
from mesh_coordinator.domain.requirements import Compensation, Requirement
from mesh_coordinator.domain.run import StepStatus
from mesh_coordinator.domain.selection import Candidate


def step(id: str, *needs: str, **more: Any) -> Requirement:
    return Requirement(id=id, capability="c", needs=needs, **more)


def faults(*requirements: Requirement, given: dict[str, Any] | None = None, **more: Any) -> dict[str, str]:
    return {fault.pointer: fault.detail for fault in faults_of(requirements, given or {}, **more)}


def ref(target: str) -> dict[str, str]:
    return {"$ref": target}


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def test_steps_that_need_only_earlier_ones_are_a_plan():
    parameters = {"x": [ref("#/steps/a/result/y"), ref("#/input/z")]}

    assert faults(step("a"), step("b", "a", parameters=parameters), given={"z": None}) == {}


def test_a_reference_may_reach_through_several_needs():
    last = step("c", "b", parameters={"x": ref("#/steps/a/result")})

    assert faults(step("a"), step("b", "a"), last) == {}


@pytest.mark.parametrize(
    ("requirements", "pointer"),
    [
        ([step("a"), step("a")], "/requirements/1/id"),
        ([step("a", "b")], "/requirements/0/needs/0"),
        ([step("a"), step("b", "a", "x")], "/requirements/1/needs/1"),
        ([step("a", "a")], "/requirements/0/needs"),
        (
            [step("a", parameters={"x": [1, ref("#/steps/b/result")]}), step("b")],
            "/requirements/0/parameters/x/1",
        ),
        ([step("a", parameters={"x": ref("#/steps/a/result")})], "/requirements/0/parameters/x"),
        ([step("a", parameters={"x": ref("#/steps/zz/result")})], "/requirements/0/parameters/x"),
        ([step("a", parameters={"a/b": ref("nonsense")})], "/requirements/0/parameters/a~1b"),
        ([step("a", parameters=ref("#/input/missing"))], "/requirements/0/parameters"),
        ([step("a", parameters={"x": ref("#/input/list/7")})], "/requirements/0/parameters/x"),
        ([step("a", parameters={"x": nested(40)})], "/requirements/0/parameters"),
        ([step("a", quality=Expectation(schema={"type": "x"}))], "/requirements/0/quality/schema/type"),
        ([step("a", quality=Expectation(outcome=nested(40)))], "/requirements/0/quality/expectedOutcome"),
        (
            [step("a", quality=Expectation(assertions=(Assertion(at="", op=Op.MATCHES, value="("),)))],
            "/requirements/0/quality/assertions/0/value",
        ),
        (
            [step("a", quality=Expectation(assertions=(Assertion(at="", op=Op.EQUALS, value=nested(40)),)))],
            "/requirements/0/quality/assertions/0/value",
        ),
    ],
)
def test_what_makes_no_sense_is_pointed_at(requirements: list[Requirement], pointer: str):
    assert list(faults(*requirements, given={"list": [1]})) == [pointer]


def test_a_circle_is_pointed_at_in_every_step_of_it_and_of_those_behind():
    found = faults(step("a", "c"), step("b", "a"), step("c", "b"), step("d"), step("e", "a"))

    assert list(found) == [f"/requirements/{n}/needs" for n in (0, 1, 2, 4)]
    assert set(found.values()) == {"in a circle: a, b, c, e"}


def test_every_fault_is_named_at_once():
    found = faults(
        step("a", "x", parameters={"p": ref("?")}), step("a", quality=Expectation(schema={"minimum": "1"}))
    )

    assert set(found) == {
        "/requirements/0/needs/0",
        "/requirements/0/parameters/p",
        "/requirements/1/id",
        "/requirements/1/quality/schema/minimum",
    }


def test_an_input_that_is_nested_too_deep_is_pointed_at():
    assert list(faults(step("a"), given={"x": nested(40)})) == ["/input"]


def test_a_step_has_a_bounded_number_of_references():
    many = {"x": [ref("#/input/a")] * (MAX_REFERENCES + 1)}

    assert list(faults(step("a", parameters=many), given={"a": 1})) == ["/requirements/0/parameters"]


def test_steps_are_drawn_in_waves_in_their_own_order():
    needs = {"d": ["b", "c"], "c": ["a"], "b": [], "a": []}

    assert plan.waves(needs) == (("b", "a"), ("c",), ("d",))


@st.composite
def dags(draw: st.DrawFn) -> dict[str, list[str]]:
    """Steps that need only steps with a lower number, in any order."""
    count = draw(st.integers(1, 25))
    needs = {
        f"s{n}": draw(st.lists(st.sampled_from([f"s{m}" for m in range(n)]), max_size=4)) if n else []
        for n in range(count)
    }
    order = draw(st.permutations(sorted(needs)))
    return {id: needs[id] for id in order}


@given(dags())
def test_every_step_is_in_the_first_wave_in_which_its_needs_are_met(needs: dict[str, list[str]]):
    waves = plan.waves(needs)
    level = {id: number for number, wave in enumerate(waves) for id in wave}

    assert sorted(level) == sorted(needs)
    for id, needed in needs.items():
        assert level[id] == max((level[need] + 1 for need in needed), default=0)


@given(dags())
def test_the_closure_is_everything_that_can_be_reached(needs: dict[str, list[str]]):
    closure = plan.closure(needs)

    for id, needed in closure.items():
        assert needed == set(needs[id]).union(*(closure[need] for need in needs[id]))
        assert id not in needed


@given(dags(), st.data())
def test_a_need_that_closes_a_circle_is_always_noticed(needs: dict[str, list[str]], data: st.DataObject):
    last = data.draw(st.sampled_from(sorted(needs)))
    first = data.draw(st.sampled_from(sorted(plan.closure(needs)[last] | {last})))

    with pytest.raises(Cycle) as raised:
        plan.waves(needs | {first: [*needs[first], last]})

    assert {first, last} <= raised.value.steps


def planned(requirement: Requirement, *candidates: Candidate) -> PlannedStep:
    return PlannedStep(requirement=requirement, candidates=candidates)


def candidate(name: str, price: int, **more: Any) -> Candidate:
    return Candidate(
        agent_id=f"0x{name}",
        token_id=1,
        name=name,
        owner="0x",
        endpoint="",
        action="A",
        price_units=price,
        reputation=0.5,
        **more,
    )


def test_a_plan_costs_what_the_chosen_agents_ask_and_names_the_gaps():
    made = Plan(
        steps=(
            planned(step("a"), candidate("x", 30), candidate("y", 10)),
            planned(step("b"), candidate("z", 5, reason="is not active")),
            planned(step("c"), candidate("w", 0)),
        )
    )

    assert (made.price_units, made.gaps) == (30, ("b",))
    assert [one.chosen and one.chosen.name for one in made.steps] == ["x", None, "w"]


def test_a_plan_is_drawn_with_its_waves_agents_and_prices():
    made = Plan(
        steps=(
            planned(step("find"), candidate("scout", 0)),
            planned(step("read"), candidate("reader", 700)),
            planned(step("report", "find", "read")),
        )
    )

    assert made.drawn({}, {}) == (
        "wave 1   o      find    c -> scout  free\n"
        "         | o    read    c -> reader  700\n"
        "wave 2   '-'-o  report  c -> nobody\n"
    )


def test_a_drawing_marks_how_each_step_stands():
    steps = tuple(planned(step(id)) for id in "abcdefg")
    status = dict(zip("abcdefg", StepStatus, strict=True))

    marks = [
        line.split()[-5] if "wave" not in line else line.split()[2]
        for line in Plan(steps=steps).drawn(status, {}).splitlines()
    ]

    assert marks == ["o", "$", "?", ">", "*", "x", "/"]


def test_a_stranger_s_name_cannot_move_the_cursor_of_who_reads_it():
    made = Plan(steps=(planned(step("a"), candidate("\x1b[2Jé\nwave 9", 1)),))

    assert "c -> ?[2J??wave 9  1" in made.drawn({}, {})


LOOPS = {"in": {"list": [1, 2], "no": {}, "long": [0] * 101}}


@pytest.mark.parametrize("target", ["#/input/in/list", "#/steps/a/result/list"])
def test_a_step_may_be_done_for_each_element_of_the_input_or_of_a_result(target: str):
    mapped = step("b", "a", for_each=ref(target), parameters={"x": ref("#/item"), "y": ref("#/item/z")})

    assert faults(step("a"), mapped, given=LOOPS) == {}


@pytest.mark.parametrize(
    "target",
    [
        "#/input/in/no",
        "#/input/in/long",
        "#/input/zz",
        "#/item",
        "nonsense",
        "#/steps/zz/result",
        "#/steps/b/result",
    ],
)
def test_what_is_no_array_is_not_gone_through(target: str):
    assert list(faults(step("a"), step("b", "a", for_each=ref(target)), given=LOOPS)) == [
        "/requirements/1/for_each"
    ]


def test_only_a_for_each_step_has_an_item():
    found = faults(step("a", parameters={"x": [ref("#/item/y")]}), output={"z": ref("#/item")})

    assert sorted(found) == ["/output/z", "/requirements/0/parameters/x/0"]


def test_a_compensation_may_refer_to_its_own_step_and_to_what_that_needs():
    own = Compensation("DELETE", {"id": ref("#/steps/b/result/id"), "for": ref("#/steps/a/result")})

    assert faults(step("a"), step("b", "a", compensate=own)) == {}


@pytest.mark.parametrize("target", ["#/steps/c/result", "#/steps/zz/result", "#/input/zz", "nonsense"])
def test_a_compensation_refers_to_nothing_else(target: str):
    own = Compensation("DELETE", {"id": [ref(target)]})

    found = faults(step("a"), step("b", "a", compensate=own), step("c", "b"))

    assert list(found) == ["/requirements/1/compensate/parameters/id/0"]


@given(dags(), st.randoms(use_true_random=False))
def test_what_depends_on_a_step_is_the_step_and_whoever_needs_it_in_the_end(
    needs: dict[str, list[str]], dice: Any
):
    id = dice.choice(list(needs))

    found = plan.dependent(needs, id)

    assert id in found
    for one in needs.keys() - {id}:
        assert (one in found) == bool(found.intersection(needs[one]))


@given(dags())
def test_every_step_has_one_row_in_the_order_of_the_waves(needs: dict[str, list[str]]):
    steps = tuple(planned(step(id, *needed)) for id, needed in needs.items())

    rows = Plan(steps=steps).drawn({}, {}).splitlines()

    drawn = [row.removesuffix("  c -> nobody").split()[-1] for row in rows]
    assert drawn == [id for wave in plan.waves(needs) for id in wave]
    assert all(row.isascii() for row in rows)


@pytest.mark.parametrize(
    ("output", "pointer"),
    [
        ({"x": ref("#/steps/zz/result")}, "/output/x"),
        ({"x": [1, ref("nonsense")]}, "/output/x/1"),
        ({"x": ref("#/input/missing")}, "/output/x"),
        ({"x": nested(40)}, "/output"),
        ({"x": [ref("#/steps/a/result")] * 65}, "/output"),
    ],
)
def test_an_output_that_points_nowhere_is_no_part_of_a_plan(output: dict[str, Any], pointer: str):
    assert list(faults(step("a"), output=output)) == [pointer]


def test_an_output_may_point_at_any_step_and_the_input():
    output = {"a": ref("#/steps/a/result/x"), "n": {"b": ref("#/steps/b/result"), "i": ref("#/input/i")}}

    assert faults(step("a"), step("b"), given={"i": 1}, output=output) == {}


@pytest.mark.parametrize(("quorum", "found"), [(2, []), (3, ["/on_failure/quorum"])])
def test_a_quorum_is_of_required_steps(quorum: int, found: list[str]):
    assert list(faults(step("a"), step("b"), step("c", optional=True), quorum=quorum)) == found
