"""Runs the Solidity tests, gas comparison included, together with everyone else's."""

import json
import re
import subprocess
from pathlib import Path

import pytest

CONTRACTS = Path(__file__).parents[1]
FORGE = CONTRACTS / "forge"
FUZZED = r"^    function (?:testFuzz|invariant|_)\w+\(.*?^    \}"
"""A fuzz test, an invariant, or a private step of one."""


@pytest.mark.again  # `make fuzz` does it for longer
@pytest.mark.timeout(900)
def test_contracts_keep_their_promises():
    done = subprocess.run([FORGE, "test"], capture_output=True, text=True, check=False)  # noqa: S603 (our own file)
    if done.returncode:
        pytest.fail(done.stdout + done.stderr, pytrace=False)


def test_every_function_that_takes_something_is_fuzzed():
    sources = [path.read_text() for path in (CONTRACTS / "test").rglob("*.sol")]
    fuzzed = " ".join(
        body for source in sources for body in re.findall(FUZZED, source, re.DOTALL | re.MULTILINE)
    )

    artifacts = [json.loads(path.read_text()) for path in sorted((CONTRACTS / "artifacts").glob("*.json"))]
    unproven = {
        f"{artifact['contractName']}.{entry['name']}"
        for artifact in artifacts
        for entry in artifact["abi"]
        if entry["type"] == "function" and entry["inputs"]
        if not re.search(rf"\b{entry['name']}\b", fuzzed)
    }

    if unproven:
        pytest.fail(f"not fuzzed: {', '.join(sorted(unproven))}", pytrace=False)
