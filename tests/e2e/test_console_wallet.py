"""Signing in to the console by a wallet of the browser: an EIP-1193 provider with a real key behind it."""

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak
from mesh_cli.demo.stage import Stage
from mesh_cli.parts import CHAIN_ID
from mesh_shared.chain.abi import Function
from playwright.async_api import Page, expect

pytestmark = [pytest.mark.xdist_group("mesh"), pytest.mark.again]

REGISTER = Function("registerAgent", ["bytes32", "string", "string", "uint256", "bytes32[]"], ["uint256"])
OWNER: LocalAccount = Account.from_key(keccak(text="the owner of console/owned"))
AGENT = "0x" + keccak(text="console/owned").hex()
REFUSED = {"code": 4001, "message": "User rejected the request."}
PROVIDER = """
const wallet = {
  async request({ method, params }) {
    const { result, error } = JSON.parse(await window.answer(method, JSON.stringify(params ?? [])));
    if (error) throw Object.assign(new Error(error.message), error);
    return result;
  },
};
"""
INJECTED = PROVIDER + "window.ethereum = wallet;"
ANNOUNCED = (
    PROVIDER
    + """
const info = { uuid: "1", name: "<b>Fox</b>", icon: "data:,", rdns: "test.fox" };
const detail = Object.freeze({ info, provider: wallet });
addEventListener("eip6963:requestProvider", () =>
  dispatchEvent(new CustomEvent("eip6963:announceProvider", { detail })));
"""
)


@dataclass
class Wallet:
    """What a person has in their browser; `refused` are the methods that they say no to."""

    account: LocalAccount = OWNER
    chain_id: int = CHAIN_ID
    refused: set[str] = field(default_factory=set[str])
    signed: list[str] = field(default_factory=list[str])

    def answer(self, method: str, params: str) -> str:
        if method in self.refused:
            return json.dumps({"error": REFUSED})
        return json.dumps({"result": self._result(method, json.loads(params))})

    def _result(self, method: str, params: list[str]) -> Any:
        match method:
            case "eth_requestAccounts":
                return [self.account.address.lower()]
            case "eth_chainId":
                return hex(self.chain_id)
            case _:
                assert (method, params[1]) == ("personal_sign", self.account.address)
                self.signed.append(bytes.fromhex(params[0].removeprefix("0x")).decode())
                return self.account.sign_message(encode_defunct(hexstr=params[0])).signature.to_0x_hex()

    async def put_into(self, page: Page, script: str) -> None:
        await page.expose_function("answer", self.answer)
        await page.add_init_script(script)


@pytest.fixture
async def agent(stage: Stage) -> str:
    """An agent that `OWNER` has registered on the chain, and that the gateway knows."""
    await stage.rpc.request("anvil_setBalance", OWNER.address, hex(10**18))
    await stage.rpc.request("anvil_impersonateAccount", OWNER.address)
    data = REGISTER.encode(bytes.fromhex(AGENT[2:]), "did:x:y", "none", 0, [])
    call = {"from": OWNER.address, "to": stage.contracts.address("AgentRegistry"), "data": "0x" + data.hex()}
    await stage.rpc.request("eth_sendTransaction", call | {"gas": hex(10**6)})

    async def is_known() -> bool | None:
        answer = await stage.http.post(f"{stage.mesh.url('security-gateway')}/v1/agents/{AGENT}/challenge")
        return answer.is_success or None

    await stage.until("the registry shows the agent", is_known)
    return AGENT


async def asked_to_sign(window: Page, agent: str) -> None:
    """The window, where the text is shown that is to be signed."""
    await window.goto("/login?next=/gateway")
    await window.get_by_label("Agent id").fill(agent)
    await window.get_by_role("button", name="Ask for a text").click()


async def is_in(window: Page, agent: str) -> None:
    await expect(window.locator(".subject")).to_have_text(f"{agent[:8]}…{agent[-4:]}")
    await expect(window.get_by_role("heading", level=1, name="Gateway")).to_be_visible()


@pytest.mark.parametrize(
    ("script", "button"),
    [(INJECTED, "Sign with the wallet of this browser"), (ANNOUNCED, "Sign with <b>Fox</b>")],
    ids=["window.ethereum", "announced"],
)
async def test_an_owner_signs_in_with_the_wallet_of_the_browser(
    window: Page, agent: str, errors: list[str], script: str, button: str
):
    wallet = Wallet()
    await wallet.put_into(window, script)
    await asked_to_sign(window, agent)

    await window.get_by_role("button", name=button, exact=True).click()

    await is_in(window, agent)
    assert [text.split()[0] for text in wallet.signed] == [urlsplit(window.url).netloc]  # as wallets demand
    assert errors == []


async def test_a_signature_of_elsewhere_is_pasted_where_there_is_no_wallet(window: Page, agent: str):
    await asked_to_sign(window, agent)
    await expect(window.get_by_role("status")).to_contain_text("There is no wallet in this browser.")
    message = await window.locator("[data-message]").text_content()
    signed = OWNER.sign_message(encode_defunct(text=message or "")).signature
    await window.get_by_label("Signature").fill(signed.to_0x_hex())
    await window.get_by_role("button", name="Sign in").click()

    await is_in(window, agent)


@pytest.mark.parametrize(
    ("wallet", "word"),
    [
        (Wallet(refused={"eth_requestAccounts"}), "You refused in your wallet. Nothing was signed"),
        (Wallet(refused={"personal_sign"}), "You refused in your wallet. Nothing was signed"),
        (Wallet(chain_id=1), f"Your wallet is on chain 1, and the agent on chain {CHAIN_ID}."),
        (Wallet(account=Account.create()), f"and the agent is owned by {OWNER.address}."),
    ],
    ids=["no account", "no signature", "another chain", "another account"],
)
async def test_what_the_wallet_does_not_do_is_said_and_can_be_tried_again(
    window: Page, agent: str, errors: list[str], wallet: Wallet, word: str
):
    await wallet.put_into(window, INJECTED)
    await asked_to_sign(window, agent)
    button = window.get_by_role("button", name="Sign with")
    await button.click()
    await expect(window.get_by_role("status")).to_contain_text(word)
    wallet.refused, wallet.chain_id, wallet.account = set(), CHAIN_ID, OWNER

    await button.click()

    await is_in(window, agent)
    assert errors == []
