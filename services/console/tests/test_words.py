"""Facts read the same on every page."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_console.domain import position, words

SERVICES = ("one", "two", "three")


@pytest.mark.parametrize(
    ("amount", "text"),
    [("1000000", "1\u202f000\u202f000"), ("12.5", "12.5"), (None, "—"), (1234, "1\u202f234"), ("n/a", "n/a")],
)
def test_thousands_stand_apart(amount: str | int | None, text: str):
    assert words.grouped(amount) == text


@pytest.mark.parametrize(
    ("at", "text"),
    [
        ("2026-11-26T23:00:00+01:00", "2026-11-26 22:00:00"),
        (0, "1970-01-01 00:00:00"),
        (None, "—"),
        ("soon", "soon"),
    ],
)
def test_moments_are_in_utc(at: str | int | None, text: str):
    assert words.when(at) == text


def test_a_long_name_is_told_by_its_ends():
    assert words.short("0x" + "ab" * 32) == "0xababab…abab"
    assert words.short("short") == "short"
    assert words.short(None) == "—"


def test_a_share_is_in_percent():
    assert (words.percent(0.805), words.percent(None)) == ("80 %", "—")


@pytest.mark.parametrize(
    ("word", "tone", "icon"),
    [("succeeded", "good", "✓"), ("failed", "bad", "✕"), ("running", "busy", "●"), ("pending", "wait", "◔")],
)
def test_a_state_has_a_colour_and_a_sign(word: str, tone: str, icon: str):
    assert (words.tone(word), words.icon(word)) == (tone, icon)


def test_a_word_that_nobody_knows_is_calm():
    assert (words.tone("unheard-of"), words.icon("unheard-of")) == ("calm", "·")


def test_json_for_people_keeps_every_sign():
    assert words.pretty({"é": [1]}) == '{\n  "é": [\n    1\n  ]\n}'


@given(st.lists(st.integers(0, position.MOST), min_size=3, max_size=3))
def test_a_position_is_read_as_it_was_written(numbers: list[int]):
    after: dict[str, int] = dict(zip(SERVICES, numbers, strict=True))

    assert position.read(position.written(after, SERVICES), SERVICES) == after


@pytest.mark.parametrize(
    "text", ["", "1.2", "1.2.3.4", "1.2.x", "1.2.-3", "1.2.²", f"1.2.{2**53}", "1.2." + "9" * 99]
)
def test_any_other_text_is_no_position(text: str):
    assert position.read(text, SERVICES) is None
