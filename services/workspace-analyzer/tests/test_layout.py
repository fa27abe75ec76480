"""Where the nodes of a drawing are: what makes it readable holds for every graph."""

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from mesh_workspace_analyzer.domain.digraph import reach
from mesh_workspace_analyzer.domain.layout import Layout, Line, lay_out, reduced

Needs = list[list[int]]
CHAIN: Needs = [[1], [2], [3], []]


@st.composite
def acyclic(draw: st.DrawFn) -> Needs:
    """Up to nine nodes; each needs some of those with a higher number."""
    size = draw(st.integers(0, 9))
    return [
        sorted(draw(st.sets(st.integers(at + 1, size - 1)))) if at < size - 1 else [] for at in range(size)
    ]


def layer_of(layout: Layout) -> dict[int, int]:
    return {at: number for number, layer in enumerate(layout.layers) for at in layer}


def crossings(layout: Layout) -> int:
    """How many pairs of lines cross between neighbouring layers."""
    layer, links = layer_of(layout), list[tuple[int, int]]()
    for line in layout.lines:
        links += pairwise((line.source, *line.bends, line.target))
    ends = [(layer[a], layout.places[a], layout.places[b]) for a, b in links]
    return sum(one[0] == two[0] and one[1] < two[1] and one[2] > two[2] for one in ends for two in ends)


def test_nothing_has_no_layers():
    assert lay_out([]) == Layout((), (), ())


def test_a_chain_is_one_node_after_the_other_on_one_line():
    layout = lay_out(CHAIN)

    assert layout.layers == ((0,), (1,), (2,), (3,))
    assert set(layout.places) == {0.0}
    assert layout.lines == (Line(0, 1), Line(1, 2), Line(2, 3))


def test_what_is_needed_by_nobody_and_needs_nothing_is_in_the_last_layer():
    assert lay_out([[1], [], []]).layers[-1] == (1, 2)


def test_a_line_over_a_layer_bends_there_beside_the_nodes():
    layout = lay_out([[1, 2], [2], []])

    (bent,) = [line for line in layout.lines if line.bends]
    assert (bent.source, bent.target) == (0, 2)
    assert set(layout.layers[1]) == {1, *bent.bends}


def test_nodes_in_the_wrong_order_are_untangled():
    crossed = [[5], [4], [3], [], [], []]

    assert crossings(lay_out(crossed)) == 0


def test_a_node_is_in_the_middle_of_those_that_it_needs():
    layout = lay_out([[1, 2, 3], [], [], []])

    assert layout.places[0] == sum(layout.places[1:]) / 3


@settings(max_examples=40)
@given(acyclic())
def test_who_needs_another_is_in_an_earlier_layer(needs: Needs):
    layer = layer_of(lay_out(needs))

    assert all(layer[at] < layer[other] for at, needed in enumerate(needs) for other in needed)


@settings(max_examples=40)
@given(acyclic())
def test_every_node_and_every_bend_has_one_place(needs: Needs):
    layout = lay_out(needs)
    everything = [at for layer in layout.layers for at in layer]

    assert sorted(everything) == list(range(len(layout.places)))
    assert len(everything) == len(needs) + sum(len(line.bends) for line in layout.lines)


@settings(max_examples=40)
@given(acyclic())
def test_no_two_of_a_layer_are_closer_than_one(needs: Needs):
    layout = lay_out(needs)

    for layer in layout.layers:
        assert all(layout.places[b] - layout.places[a] > 0.999 for a, b in pairwise(layer))


@settings(max_examples=40)
@given(acyclic())
def test_every_need_is_one_line_whose_bends_are_in_the_layers_between(needs: Needs):
    layout = lay_out(needs)
    layer = layer_of(layout)

    assert sorted((line.source, line.target) for line in layout.lines) == sorted(
        (at, other) for at, needed in enumerate(needs) for other in needed
    )
    for line in layout.lines:
        way = [layer[at] for at in (line.source, *line.bends, line.target)]
        assert way == list(range(way[0], way[-1] + 1))


@settings(max_examples=40)
@given(acyclic())
def test_the_drawing_begins_at_the_top(needs: Needs):
    assert min(lay_out(needs).places, default=0.0) == 0.0


@settings(max_examples=40)
@given(acyclic())
def test_the_same_graph_is_drawn_the_same(needs: Needs):
    assert lay_out(needs) == lay_out([list(needed) for needed in needs])


def test_what_follows_from_the_rest_is_left_out():
    assert reduced([[1, 2, 3], [2, 3], [3], []]) == CHAIN


def test_what_is_needed_twice_is_needed_once():
    assert reduced([[1, 1], []]) == [[1], []]


@settings(max_examples=40)
@given(acyclic())
def test_a_reduced_graph_reaches_as_far(needs: Needs):
    assert reach(reduced(needs)) == reach(needs)


@settings(max_examples=40)
@given(acyclic())
def test_nothing_of_a_reduced_graph_can_be_spared(needs: Needs):
    kept = reduced(needs)

    for needed in kept:
        for other in needed:
            assert not _reaches(kept, [one for one in needed if one != other], other)


@settings(max_examples=40)
@given(acyclic())
def test_a_reduced_graph_has_no_need_of_its_own(needs: Needs):
    assert all(set(kept) <= set(needed) for kept, needed in zip(reduced(needs), needs, strict=True))


def _reaches(needs: Needs, starts: Sequence[int], goal: int) -> bool:
    return any(start == goal or _reaches(needs, needs[start], goal) for start in starts)
