"""Analyses as drawings: what is in them, and that no name gets out of them."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_workspace_analyzer.domain.critical import Basis, CriticalPath, TimedTask, Unit
from mesh_workspace_analyzer.domain.drawing import LONGEST_LABEL, add, label, plain, width, written
from mesh_workspace_analyzer.domain.picture import MOST_DRAWN, picture
from mesh_workspace_analyzer.domain.timeline import MOST_BARS, timeline

SVG = "{http://www.w3.org/2000/svg}"
SHOP = [("web", "cart"), ("cart", "money"), ("web", "money"), ("docs", "ui")]
HOSTILE = ["</text><script>alert(1)</script>", '" onload="alert(1)', "a\0b", "\u202egnp.exe", "]]>", ""]
Make = Callable[..., Any]


def parsed(text: str) -> Element:
    return fromstring(text)  # noqa: S314 - we wrote it


def drawn(made: Any) -> Element:
    return parsed(picture(made.graph, made.analysis))


def of_time(made: Any) -> Element:
    return parsed(timeline(made.analysis))


def nodes(svg: Element) -> dict[str, str]:
    """What each node is called, and how it looks."""
    groups = [group for group in svg.iter(f"{SVG}g") if "node" in group.get("class", "")]
    return {group.findtext(f"{SVG}text", ""): group.get("class", "") for group in groups}


def lines(svg: Element) -> list[str]:
    return sorted(path.get("class", "") for path in svg.findall(f"{SVG}path"))


def words(svg: Element) -> str:
    return svg.findtext(f"{SVG}desc", "")


def test_a_picture_tells_changed_affected_and_other_projects_apart(found: Make):
    svg = drawn(found(SHOP, "cart"))

    assert nodes(svg) == {
        "cart": "node changed",
        "docs": "node",
        "money": "node",
        "ui": "node",
        "web": "node affected",
    }
    assert svg.findtext(f"{SVG}title") == "shop: 2 of 5 projects are affected"


def test_a_dependency_that_follows_from_others_is_not_drawn(found: Make):
    assert lines(drawn(found(SHOP, "cart"))) == ["line affected", "line plain", "line plain"]


def test_a_node_says_why_it_is_affected(found: Make):
    titles = [title.text for title in drawn(found(SHOP, "money")).iter(f"{SVG}title")]

    assert "web · libs/money/x.ts · through money" in titles
    assert "docs" in titles


def test_who_needs_another_is_left_of_it(found: Make):
    svg = drawn(found(SHOP))
    left = {
        group.findtext(f"{SVG}text"): float(group.find(f"{SVG}rect").get("x"))  # pyright: ignore
        for group in svg.findall(f"{SVG}g")
    }

    assert left["web"] < left["cart"] < left["money"]


def test_a_dependency_that_closes_a_circle_is_a_broken_line_backwards(found: Make):
    svg = drawn(found([("a", "b"), ("b", "c"), ("c", "a")]))

    (broken,) = [path for path in svg.findall(f"{SVG}path") if path.get("class") == "line circle"]
    assert (broken.get("marker-start"), broken.get("marker-end")) == ("url(#tip-circle)", None)
    assert "broken: closes a circle" in words(svg)


def test_two_projects_that_need_each_other_have_one_line_with_two_tips(found: Make):
    (line,) = drawn(found([("a", "b"), ("b", "a")])).findall(f"{SVG}path")

    assert (line.get("marker-start"), line.get("marker-end")) == ("url(#tip-circle)", "url(#tip-circle)")


def test_a_project_that_needs_itself_is_drawn_without_a_line(found: Make):
    assert lines(drawn(found([("a", "a")]))) == []


def test_of_many_projects_the_affected_ones_are_drawn(found: Make):
    alone = [f"p{number:03}" for number in range(MOST_DRAWN)]

    svg = drawn(found(SHOP, "cart", alone=alone))

    assert nodes(svg).keys() == {"cart", "web"}
    assert f"and {MOST_DRAWN + 3} more projects" in words(svg)


def test_of_many_affected_projects_those_that_are_nearest_to_the_change_are_drawn(found: Make):
    chain = [(f"p{number:03}", f"p{number + 1:03}") for number in range(MOST_DRAWN + 5)]

    svg = drawn(found(chain, chain[-1][1]))

    assert len(nodes(svg)) == MOST_DRAWN
    assert chain[-1][1] in nodes(svg)
    assert chain[0][0] not in nodes(svg)


def test_of_many_projects_without_a_change_those_that_most_need_are_drawn(found: Make):
    star = [(f"p{number:03}", "core") for number in range(MOST_DRAWN + 5)]

    svg = drawn(found(star))

    assert len(nodes(svg)) == MOST_DRAWN
    assert "core" in nodes(svg)


def test_a_line_ends_where_the_box_of_its_project_begins(found: Make):
    svg = drawn(found([("web", "money")]))
    left = {
        group.findtext(f"{SVG}text"): group.find(f"{SVG}rect").get("x")  # pyright: ignore
        for group in svg.findall(f"{SVG}g")
    }

    (line,) = svg.findall(f"{SVG}path")

    assert line.get("d", "").split()[-2] == left["money"]
    assert line.get("marker-end") == "url(#tip-plain)"


def test_every_tip_that_a_line_has_is_defined(found: Make):
    svg = drawn(found([*SHOP, ("money", "web")], "cart"))
    defined = {f"url(#{marker.get('id')})" for marker in svg.iter(f"{SVG}marker")}

    used = {path.get(end) for path in svg.findall(f"{SVG}path") for end in ("marker-start", "marker-end")}

    assert used - {None} <= defined


def test_equal_analyses_are_drawn_the_same(found: Make):
    one, other = found(SHOP, "cart"), found(SHOP[::-1], "cart")

    assert picture(one.graph, one.analysis) == picture(other.graph, other.analysis)


def test_a_heading_that_is_wider_than_the_drawing_fits(found: Make):
    svg = drawn(found([], alone=["a"]))

    assert float(svg.get("width", "")) > width(words(svg))


def test_a_bar_says_what_its_length_rests_on(found: Make):
    titles = [title.text for title in of_time(found(SHOP)).iter(f"{SVG}title")]

    assert "money:build · 2 s · 1 samples" in titles


def test_a_task_that_takes_no_time_can_be_seen(found: Make):
    shown = bars(of_time(found(SHOP, took={"money": 0, "web": 9000})))

    start, end, _ = shown["money:build"]
    assert end - start == 1.5


def test_an_empty_workspace_is_an_empty_picture(found: Make):
    svg = drawn(found([]))

    assert nodes(svg) == {}
    assert svg.findtext(f"{SVG}title") == "shop: 0 of 0 projects are affected"


def test_everything_is_inside_of_the_frame(found: Make):
    svg = drawn(found(SHOP, "cart"))
    _, _, breadth, height = map(float, svg.get("viewBox", "").split())

    for box in svg.iter(f"{SVG}rect"):
        assert float(box.get("x", "")) + float(box.get("width", "")) < breadth
        assert float(box.get("y", "")) + float(box.get("height", "")) < height


@pytest.mark.parametrize("kind", ["picture", "timeline"])
def test_a_drawing_has_colours_for_dark_rooms_and_loads_nothing(found: Make, kind: str):
    made = found(SHOP, "cart")

    text = picture(made.graph, made.analysis) if kind == "picture" else timeline(made.analysis)

    assert "prefers-color-scheme: dark" in text
    assert re.findall(r"https?://[^\"]+", text) == ["http://www.w3.org/2000/svg"]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_gets_out_of_a_drawing(found: Make, name: str):
    made = found([(name, "money")], name)
    clean = {"script", "onload"}

    for text in (picture(made.graph, made.analysis), timeline(made.analysis)):
        svg = parsed(text)
        assert not clean.intersection(element.tag.removeprefix(SVG) for element in svg.iter())
        assert not clean.intersection(attribute for element in svg.iter() for attribute in element.attrib)


@given(st.text())
def test_any_text_is_one_that_xml_can_hold(text: str):
    root = Element("root")
    add(root, "name", text, value=text)

    (element,) = parsed(written(root))

    assert (element.text or "", element.get("value")) == (plain(text), plain(text))


@given(st.text())
def test_a_label_has_a_length_and_is_never_empty(name: str):
    assert 1 <= len(label(name)) <= LONGEST_LABEL


def test_a_long_label_keeps_its_beginning_and_its_end():
    assert label("@scope/" + "x" * 50 + "-adapter") == "@scope/xxxxxxxxxx…xxxxxxxx-adapter"


def test_wide_letters_take_two_places():
    assert width("漢字") == width("abcd")


def bars(svg: Element) -> dict[str, tuple[float, float, str]]:
    """By task, where its bar begins and ends, and how it looks."""
    found: dict[str, tuple[float, float, str]] = {}
    for group in svg.findall(f"{SVG}g"):
        box = group.find(f"{SVG}rect")
        assert box is not None
        start, wide = float(box.get("x", "")), float(box.get("width", ""))
        found[group.findtext(f"{SVG}text", "")] = start, start + wide, box.get("class", "")
    return found


def test_the_tasks_of_the_path_follow_each_other(found: Make):
    svg = of_time(found(SHOP))

    shown = bars(svg)
    assert shown["money:build"][1] == pytest.approx(shown["cart:build"][0], abs=0.2)
    assert shown["cart:build"][1] == pytest.approx(shown["web:build"][0], abs=0.2)
    assert {shown[f"{name}:build"][2] for name in ("money", "cart", "web")} == {"bar critical"}
    assert svg.findtext(f"{SVG}title") == "shop: the longest wait is 6 s"


def test_what_could_wait_is_grey_with_a_dotted_line_as_long(found: Make):
    svg = of_time(found(SHOP))

    assert bars(svg)["ui:build"][2] == "bar"
    slack = [line for line in svg.iter(f"{SVG}line") if line.get("class") == "slack"]
    dotted = sorted(round(float(line.get("x2", "")) - float(line.get("x1", ""))) for line in slack)
    assert dotted == [0, 0, 0, 253, 253]  # 2 of 6 seconds, 760 pixels


def test_an_estimate_is_pale_and_the_share_that_was_measured_is_told(found: Make):
    svg = of_time(found(SHOP, took={"money": 4000, "web": 500}))

    assert bars(svg)["cart:build"][2] == "bar critical guessed"
    assert "pale: estimated, 40% of the tasks are measured" in words(svg)
    assert "500 ms" in [text.text for text in svg.iter(f"{SVG}text")]


def test_without_durations_tasks_are_counted(found: Make):
    svg = of_time(found(SHOP, took={}))

    assert svg.findtext(f"{SVG}title") == "shop: the longest wait is 3 tasks"


def test_the_tasks_of_a_circle_are_one_after_the_other(found: Make):
    shown = bars(of_time(found([("a", "b"), ("b", "a"), ("web", "a")])))

    assert shown["a:build"][1] == pytest.approx(shown["b:build"][0], abs=0.2)
    assert shown["b:build"][1] == pytest.approx(shown["web:build"][0], abs=0.2)


def test_a_long_path_is_cut_and_says_so(found: Make):
    chain = [(f"p{number:03}", f"p{number + 1:03}") for number in range(MOST_BARS + 6)]

    svg = of_time(found(chain))

    assert len(bars(svg)) == MOST_BARS
    assert "and 7 more tasks" in words(svg)


def test_nothing_to_build_is_an_empty_timeline(found: Make):
    svg = of_time(found([]))

    assert bars(svg) == {}


@given(st.integers(0, 10**12))
def test_a_timeline_has_few_marks_however_long_it_is(found: Make, total: int):
    task = TimedTask(
        id="a", project="a", start=0, length=total, slack=0, basis=Basis.HISTORY, samples=1, p90_ms=None
    )
    path = CriticalPath(
        unit=Unit.MS, tasks=(task,), near=(), total=total, makespans=(), coverage=1.0, count=1
    )

    svg = parsed(timeline(replace(found([]).analysis, critical_path=path)))

    assert 1 <= len([line for line in svg.iter(f"{SVG}line") if line.get("class") == "grid"]) <= 11
