"""Every row of the threat model names tests, and they are there."""

import re

import pytest
from source_tree import ROOT

ROWS = 24
_ROW = re.compile(r"^\| *(\d+) \|.*\|(.*)\|$", re.MULTILINE)
_LINK = re.compile(r"\[(\w+)\]\(([^)]+)\)")
THREATS = dict(_ROW.findall((ROOT / "SECURITY.md").read_text()))


def test_there_are_twenty_four_threats():
    assert [*map(int, THREATS)] == [*range(1, ROWS + 1)]


@pytest.mark.parametrize("row", THREATS)
def test_every_threat_is_met_by_a_test_that_is_there(row: str):
    links = _LINK.findall(THREATS[row])

    assert links
    missing = [name for name, path in links if f"def test_{name}(" not in (ROOT / path).read_text()]
    assert not missing
