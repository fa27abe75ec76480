"""Colours that can be read (WCAG 2.2 AA): 4.5 to 1 for text, 3 to 1 for what is drawn, in light and dark."""

import re
from itertools import product
from pathlib import Path

import mesh_console
import pytest

CSS = (Path(mesh_console.__file__).parent / "static" / "console.css").read_text()
PALETTES = [
    dict(re.findall(r"--([\w-]+): (#\w+)", block)) for block in re.findall(r"\{([^{}]*--ink:[^{}]*)\}", CSS)
]
TONES = ("good", "bad", "busy", "wait")
TEXT = 4.5
DRAWN = 3.0


def luminance(colour: str) -> float:
    """Relative luminance as WCAG defines it, 0 for black and 1 for white."""
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    channels = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_black_on_white_is_the_most_there_is():
    assert contrast("#000", "#ffffff") == pytest.approx(21)


def test_there_is_one_palette_for_light_and_one_for_the_dark():
    light, dark, chosen_dark = PALETTES

    assert dark == chosen_dark
    assert light.keys() == dark.keys()
    assert luminance(light["ground"]) > luminance(dark["ground"])


@pytest.mark.parametrize("palette", PALETTES[:2], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("ink", "ground"),
    [
        *product(("ink", "dim", "accent"), ("ground", "card")),
        ("ink", "calm-ground"),
        ("dim", "calm-ground"),
        ("on-accent", "accent"),
    ],
)
def test_words_can_be_read(palette: dict[str, str], ink: str, ground: str):
    assert contrast(palette[ink], palette[ground]) >= TEXT


@pytest.mark.parametrize("palette", PALETTES[:2], ids=["light", "dark"])
@pytest.mark.parametrize("tone", TONES)
def test_a_state_can_be_read_on_its_own_ground_and_seen_on_a_card(palette: dict[str, str], tone: str):
    assert contrast(palette[tone], palette[f"{tone}-ground"]) >= TEXT
    assert contrast(palette[tone], palette["card"]) >= DRAWN


@pytest.mark.parametrize("palette", PALETTES[:2], ids=["light", "dark"])
def test_the_edge_of_a_field_and_what_has_the_focus_are_seen(palette: dict[str, str]):
    assert contrast(palette["dim"], palette["card"]) >= DRAWN
    assert contrast(palette["accent"], palette["card"]) >= DRAWN


def test_what_moves_stands_still_for_who_wants_that():
    assert "@media (prefers-reduced-motion: no-preference)" in CSS
    assert CSS.count("animation") == 1
