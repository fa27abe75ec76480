"""What our clients believe of the contracts, held against the compiled contracts themselves."""

import json
from typing import Any

import pytest
from mesh_cli.demo import cast, stage
from mesh_cli.demo.chapters import money
from mesh_cli.parts import ROOT
from mesh_coordinator.adapters import chain as coordinator_chain
from mesh_registry.adapters import chain_events, contracts
from mesh_shared.chain.abi import Event, Function

MODULES = (coordinator_chain, chain_events, contracts, cast, stage, money)
DECLARED = {
    f"{module.__name__}.{name}": value
    for module in MODULES
    for name, value in vars(module).items()
    if isinstance(value, Function | Event)
}


def entries() -> list[dict[str, Any]]:
    artifacts = sorted((ROOT / "contracts" / "artifacts").glob("*.json"))
    return [entry for path in artifacts for entry in json.loads(path.read_text())["abi"]]


def type_of(parameter: dict[str, Any]) -> str:
    """The canonical type; a struct is the tuple of its members (Solidity ABI specification)."""
    if not parameter["type"].startswith("tuple"):
        return parameter["type"]
    inner = ",".join(type_of(member) for member in parameter["components"])
    return f"({inner}){parameter['type'].removeprefix('tuple')}"


OF_WALLETS = {("isValidSignature", ("bytes32", "bytes"), ("bytes4",))}
"""What a contract that is somebody's wallet answers (ERC-1271); none of ours is one."""
FUNCTIONS = OF_WALLETS | {
    (entry["name"], tuple(map(type_of, entry["inputs"])), tuple(map(type_of, entry["outputs"])))
    for entry in entries()
    if entry["type"] == "function"
}
EVENTS = {
    (
        entry["name"],
        tuple(type_of(field) + (" indexed" if field["indexed"] else "") for field in entry["inputs"]),
    )
    for entry in entries()
    if entry["type"] == "event"
}


@pytest.mark.parametrize("name", [name for name, value in DECLARED.items() if isinstance(value, Function)])
def test_a_declared_function_is_one_of_the_contracts(name: str):
    function = DECLARED[name]

    assert isinstance(function, Function)
    found = {outputs for known, inputs, outputs in FUNCTIONS if (known, inputs) == named(function)}
    assert found, function.signature
    assert not function.outputs or tuple(function.outputs) in found


@pytest.mark.parametrize("name", [name for name, value in DECLARED.items() if isinstance(value, Event)])
def test_a_declared_event_is_one_of_the_contracts(name: str):
    event = DECLARED[name]

    assert isinstance(event, Event)
    assert (event.name, tuple(event.fields.values())) in EVENTS


def named(function: Function) -> tuple[str, tuple[str, ...]]:
    return function.name, tuple(function.inputs)
