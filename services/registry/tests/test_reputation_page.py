"""The published attacks are those of the formulas in use."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]
ROW = re.compile(r"^\| (.+?) \| \d+ \| \d+ \| ([0-9.]+) \| ([0-9.]+) \| (\d+) \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def simulation() -> ModuleType:
    spec = importlib.util.spec_from_file_location("attack", ROOT / "benchmarks" / "attack_reputation.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def places(simulation: ModuleType) -> dict[str, int]:
    return {name: int(place) for name, _, _, place in ROW.findall(simulation.table())}


def test_the_page_shows_what_the_simulation_says_now(simulation: ModuleType):
    assert simulation.table() in (ROOT / "docs" / "reputation.md").read_text()


@pytest.mark.parametrize(
    "attack",
    [
        "1,000 ratings that nobody paid for",
        "100 own escrows, refunded to itself",
        "the largest stake there can be",
    ],
)
def test_what_costs_no_fee_gains_nothing(places: dict[str, int], attack: str):
    assert places[attack] == places["none: honest ratings of bad work"]


def test_many_accounts_gain_more_than_one_with_as_many_escrows(places: dict[str, int]):
    one, many = (
        places[f"100 own escrows, released, {accounts}"] for accounts in ("one account", "100 accounts")
    )

    assert many < one
