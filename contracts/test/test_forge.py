"""Runs the Solidity tests, gas comparison included, together with everyone else's."""

import subprocess
from pathlib import Path

import pytest

FORGE = Path(__file__).parents[1] / "forge"


@pytest.mark.timeout(900)
def test_contracts_keep_their_promises():
    done = subprocess.run([FORGE, "test"], capture_output=True, text=True, check=False)  # noqa: S603 (our own file)
    if done.returncode:
        pytest.fail(done.stdout + done.stderr, pytrace=False)
