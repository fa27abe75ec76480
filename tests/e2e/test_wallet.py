"""What an owner does on the chain is felt by sessions that are open: the promise of 30 seconds, measured."""

import time
from typing import Any

import httpx
import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_utils.crypto import keccak
from mesh_cli.demo.stage import Stage
from mesh_shared.chain.abi import Function

pytestmark = pytest.mark.xdist_group("mesh")

NAME = "wallet/owner"
AGENT = "0x" + keccak(text=NAME).hex()
REGISTER = Function("registerAgent", ["bytes32", "string", "string", "uint256", "bytes32[]"], ["uint256"])
SET_ACTIVE = Function("setActive", ["bytes32", "bool", "uint64"])
BARRED = (403, "agent-barred")


async def send(stage: Stage, sender: str, function: Function, *values: Any) -> None:
    data = "0x" + function.encode(*values).hex()
    call = {"from": sender, "to": stage.contracts.address("AgentRegistry"), "data": data, "gas": hex(10**6)}
    await stage.rpc.request("eth_sendTransaction", call)


async def called(stage: Stage, token: str) -> tuple[int, str]:
    url = f"{stage.mesh.url('security-gateway')}/v1/proxy/none/"
    answer = await stage.http.get(url, headers={"Authorization": f"Bearer {token}"})
    return answer.status_code, answer.json()["code"]


@pytest.mark.timeout(120)
async def test_an_agent_that_is_switched_off_on_the_chain_is_out_within_half_a_minute(stage: Stage):
    stage.patience_s = 40
    owner = Account.create()
    await stage.rpc.request("anvil_setBalance", owner.address, hex(10**18))
    await stage.rpc.request("anvil_impersonateAccount", owner.address)
    await send(stage, owner.address, REGISTER, bytes.fromhex(AGENT[2:]), "did:x:y", "none", 0, [])
    gateway = stage.mesh.url("security-gateway")

    async def asked() -> dict[str, Any] | None:
        answer = await stage.http.post(f"{gateway}/v1/agents/{AGENT}/challenge")
        return answer.json() if answer.is_success else None

    async def is_barred() -> float | None:
        return time.monotonic() if await called(stage, token) == BARRED else None

    question = await stage.until("the registry shows the agent", asked)
    signed = owner.sign_message(encode_defunct(text=question["message"])).signature.hex()
    proof = {"agent_id": AGENT, "nonce": question["nonce"], "signature": f"0x{signed}"}
    session: httpx.Response = await stage.http.post(f"{gateway}/v1/sessions", json={"proof": proof})
    token = session.json()["token"]
    before = await called(stage, token)
    await send(stage, owner.address, SET_ACTIVE, bytes.fromhex(AGENT[2:]), False, 1)
    off_at = time.monotonic()

    assert before == (404, "connection-not-found")
    assert await stage.until("the agent is barred", is_barred) - off_at < 30
