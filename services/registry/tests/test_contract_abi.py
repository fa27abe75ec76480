"""What this service believes of the contracts is what was compiled."""

import json
from pathlib import Path
from typing import Any

import pytest
from mesh_registry.adapters import chain_events, contracts
from mesh_registry.app import READ
from mesh_shared.chain.abi import Event, Function
from mesh_shared.chain.rpc import Rpc

ARTIFACTS = Path(__file__).parents[3] / "contracts" / "artifacts"
FUNCTIONS = {
    "AgentRegistry": [
        contracts.REGISTER_AGENT,
        contracts.REGISTER_FOR,
        contracts.REGISTER_FOR_WITH_PERMIT,
        contracts.UPDATE_AGENT,
        contracts.UPDATE_AGENT_FOR,
        contracts.SET_ACTIVE,
        contracts.SET_ACTIVE_FOR,
        contracts.STAKE,
        contracts.STAKE_FOR,
        contracts.STAKE_FOR_WITH_PERMIT,
        contracts.REQUEST_UNSTAKE,
        contracts.REQUEST_UNSTAKE_FOR,
        contracts.WITHDRAW,
        contracts.NONCES,
        contracts.EIP712_DOMAIN,
    ],
    "MeshToken": [contracts.NONCES, contracts.EIP712_DOMAIN, contracts.APPROVE],
}


def entries(contract: str, kind: str) -> list[dict[str, Any]]:
    abi = json.loads((ARTIFACTS / f"{contract}.json").read_text())["abi"]
    return [entry for entry in abi if entry["type"] == kind]


def kind_of(parameter: dict[str, Any]) -> str:
    if not parameter["type"].startswith("tuple"):
        return parameter["type"]
    inner = ",".join(kind_of(part) for part in parameter["components"])
    return f"({inner}){parameter['type'].removeprefix('tuple')}"


def signature(entry: dict[str, Any]) -> str:
    return f"{entry['name']}({','.join(kind_of(parameter) for parameter in entry['inputs'])})"


@pytest.mark.parametrize(
    ("contract", "function"),
    [(contract, function) for contract, functions in FUNCTIONS.items() for function in functions],
    ids=lambda value: value.name if isinstance(value, Function) else value,
)
def test_every_function_that_is_called_exists_and_returns_what_is_read(contract: str, function: Function):
    (entry,) = [entry for entry in entries(contract, "function") if signature(entry) == function.signature]

    assert [kind_of(output) for output in entry["outputs"]] == list(function.outputs)


@pytest.mark.parametrize("event", [event for event, _ in chain_events.READERS], ids=lambda event: event.name)
def test_every_event_that_is_read_has_the_declared_shape(event: Event):
    known = [entry for name in READ for entry in entries(name, "event")]
    (entry,) = [entry for entry in known if signature(entry) == event.signature]

    shape = [kind_of(field) + " indexed" * field["indexed"] for field in entry["inputs"]]
    assert shape == list(event.fields.values())


def test_no_event_of_the_contracts_means_two_things():
    topics = [event.topic for event, _ in chain_events.READERS]

    assert len(set(topics)) == len(topics)


@pytest.mark.parametrize("refusal", contracts.REFUSALS)
def test_every_refusal_that_is_understood_can_happen(refusal: str):
    known = [entry for name in ("AgentRegistry", "MeshToken") for entry in entries(name, "error")]

    assert refusal in {signature(entry) for entry in known}


def test_a_refusal_that_is_not_understood_is_still_a_refusal():
    anywhere = contracts.OnChainContracts(Rpc("http://127.0.0.1:1", 1), "0x" + "11" * 20, "0x" + "22" * 20)

    refusals = [anywhere.refusal(reason) for reason in ("0x12345678", "execution reverted", "")]

    assert [refusal.code() for refusal in refusals] == ["operation-refused"] * 3
