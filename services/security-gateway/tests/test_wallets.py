"""An agent comes in by its owner's signature, and goes when the chain says so."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from mesh_security_gateway.domain.challenges import LASTS_S, Asker
from mesh_security_gateway.errors import WalletRefused

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from conftest import MakeApp, Operator, Origin, Seen

AGENT = "0x" + "5a" * 32
SITE = "https://console.example"
OURS = "http://127.0.0.1:8374"


@dataclass
class Ledger:
    """A registry's two answers about one agent, and how often it was asked."""

    account: LocalAccount = field(default_factory=Account.create)
    active: bool = True
    stake: int = 100
    is_down: bool = False
    looks: int = 0

    def say(self, seen: Seen) -> list[bytes]:
        if self.is_down:
            return seen.answer(status="503 Service Unavailable")
        if AGENT not in seen.target:
            return seen.answer(status="404 Not Found")
        return seen.answer(json.dumps(self._signature(seen) if seen.body else self._agent()).encode())

    def _agent(self) -> dict[str, Any]:
        self.looks += 1
        return {"owner": self.account.address, "active": self.active, "stakeAmount": str(self.stake)}

    def _signature(self, seen: Seen) -> dict[str, Any]:
        asked = json.loads(seen.body)
        text = encode_defunct(text=asked["text"])
        signer = Account.recover_message(text, signature=asked["signature"])
        return {"owner": self.account.address, "signed": signer == self.account.address}


@dataclass
class Owner:
    """Somebody with a wallet who lets an agent in."""

    http: httpx.AsyncClient
    account: LocalAccount

    async def ask(self, **site: str) -> dict[str, Any]:
        answer = await self.http.post(f"/v1/agents/{AGENT}/challenge", params=site)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        signed = self.account.sign_message(encode_defunct(text=asked["message"])).signature.hex()
        return {"agent_id": AGENT, "nonce": asked["nonce"], "signature": f"0x{signed}"}

    async def open(self, proof: dict[str, Any], **more: Any) -> httpx.Response:
        return await self.http.post("/v1/sessions", json={"proof": proof} | more)

    async def come_in(self) -> dict[str, str]:
        answer = await self.open(self.answer(await self.ask()))
        assert answer.status_code == 201, answer.text
        return {"Authorization": f"Bearer {answer.json()['token']}"}


@pytest.fixture
def ledger(origin: Origin) -> Ledger:
    """The registry is at the same address as the upstream; what is no path of its own is the upstream's."""
    ledger = Ledger()
    origin.says = lambda seen: ledger.say(seen) if "/v1/agents/" in seen.target else seen.answer()
    return ledger


@pytest.fixture
async def operator(
    make_app: MakeApp, operate: Callable[..., Any], origin: Origin, ledger: Ledger
) -> AsyncIterator[Operator]:
    """The operator of a gateway that has a registry and lets the agent use a connection.

    The gateway's own session with the registry is opened over HTTP at itself, where a test in one process has
    no server: it needs none for a registry that does not look at it.
    """
    app = make_app(registry_url=origin.url, least_stake_units=50, sites=(SITE,))
    async with operate(app) as operator:
        platform = app.state.platform
        platform.sessions.http, platform.sessions.gateway_url = operator.http, ""
        await operator.connect(origin.url)
        await operator.grant(AGENT)
        yield operator


@pytest.fixture
def owner(operator: Operator, ledger: Ledger) -> Owner:
    return Owner(operator.http, ledger.account)


async def call(operator: Operator, headers: dict[str, str]) -> httpx.Response:
    return await operator.http.get("/v1/proxy/github/user", headers=headers)


def calls(origin: Origin) -> int:
    return sum(seen.target == "/user" for seen in origin.seen)


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def pass_time(operator: Operator, seconds: float) -> None:
    """What the gateway knows of the chain is that much older."""
    kept = operator.app.state.service.wallets.watching.kept
    for agent, (asked_at, standing) in kept.items():
        kept[agent] = (asked_at - seconds, standing)


async def test_an_owner_signs_and_its_agent_calls(operator: Operator, owner: Owner, ledger: Ledger):
    asked = await owner.ask()
    session = (await owner.open(owner.answer(asked))).json()
    called = await call(operator, {"Authorization": f"Bearer {session['token']}"})

    key = operator.app.state.service.keys.signing_key
    claims = jwt.decode(session["token"], key, algorithms=["EdDSA"]).claims
    entries = (await operator.get("/v1/audit", agent=AGENT)).json()["items"]
    assert (session["subject"], session["scopes"], called.status_code) == (AGENT, ["gateway:proxy"], 200)
    assert (claims["aud"], claims["wallets"]) == (["security-gateway"], {AGENT: ledger.account.address})
    assert [entry["action"] for entry in entries] == ["proxy", "proxy", "wallet-session-opened"]
    assert entries[-1]["holder"] == ledger.account.address


async def test_the_question_says_who_asks_whom_for_what(owner: Owner, ledger: Ledger):
    asked = await owner.ask()

    lines = asked["message"].split("\n")
    assert lines[0] == "127.0.0.1:8374 wants you to sign in with your Ethereum account:"
    assert lines[1] == asked["owner"] == ledger.account.address
    assert {f"URI: {OURS}/v1/sessions", "Chain ID: 31337", f"Nonce: {asked['nonce']}"} <= {*lines}
    assert lines[-1] == f"- {OURS}/v1/agents/{AGENT}"
    assert 0 < asked["expires_at"] - time.time() <= LASTS_S


async def test_an_answer_opens_one_session(operator: Operator, owner: Owner):
    proof = owner.answer(await owner.ask())

    answers = [await owner.open(proof) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [201, 401, 401]


async def test_whatever_is_not_the_owners_answer_is_refused_alike(operator: Operator, owner: Owner):
    asked = await owner.ask()
    good, thief = owner.answer(asked), Owner(owner.http, Account.create())
    attempts = [
        thief.answer(asked),
        owner.answer(asked | {"message": asked["message"].replace("127.0.0.1:8374", "evil.example")}),
        good | {"nonce": "00" * 28},
        good | {"nonce": asked["nonce"][:-1] + ("0" if asked["nonce"][-1] != "0" else "1")},
    ]

    refused = [await owner.open(attempt) for attempt in attempts]

    assert {(*code(answer), answer.json()["detail"]) for answer in refused} == {
        (401, "wallet-refused", "That is no answer of the agent's owner.")
    }
    assert (await owner.open(good)).status_code == 201


@pytest.mark.parametrize(
    "change",
    [{"active": False}, {"stake": 49}, {"account": Account.create()}],
    ids=["switched off", "slashed", "sold"],
)
async def test_what_happens_on_the_chain_ends_a_session_that_is_open(
    operator: Operator,
    owner: Owner,
    ledger: Ledger,
    origin: Origin,
    change: dict[str, Any],
):
    agent = await owner.come_in()
    before = await call(operator, agent)
    for name, value in change.items():
        setattr(ledger, name, value)

    pass_time(operator, 10)
    after = await call(operator, agent)

    assert (before.status_code, code(after), calls(origin)) == (200, (403, "agent-barred"), 1)


async def test_who_acts_for_a_barred_agent_or_is_one_is_barred_with_it(
    operator: Operator, owner: Owner, ledger: Ledger
):
    agent, user = await owner.come_in(), await operator.agent("user")

    async def delegated(actor: dict[str, str], subject: dict[str, str], **more: Any) -> httpx.Response:
        body = {"subject_token": subject["Authorization"].removeprefix("Bearer ")} | more
        return await operator.http.post("/v1/delegations", json=body, headers=actor)

    tokens = [(await delegated(user, agent)).json()["token"], (await delegated(agent, user)).json()["token"]]
    elsewhere = await delegated(user, agent, audiences=["registry"])
    ledger.active = False
    pass_time(operator, 10)
    answers = [await call(operator, {"Authorization": f"Bearer {token}"}) for token in tokens]

    assert code(elsewhere) == (403, "audience-exceeded")
    assert [code(answer) for answer in answers] == [(403, "agent-barred")] * 2


async def test_without_the_registry_nobody_comes_in_and_nothing_goes_out(
    operator: Operator, owner: Owner, ledger: Ledger, origin: Origin
):
    agent = await owner.come_in()
    ledger.is_down = True
    pass_time(operator, 10)

    called = await call(operator, agent)
    asked = await owner.http.post(f"/v1/agents/{AGENT}/challenge")
    by_key = await call(operator, await operator.agent(AGENT))

    assert [called.json()["down"], asked.json()["down"]] == [["registry"]] * 2
    assert (called.status_code, asked.status_code) == (503, 503)
    assert (by_key.status_code, calls(origin)) == (200, 1)


async def test_many_calls_ask_the_registry_once(operator: Operator, owner: Owner, ledger: Ledger):
    agent = await owner.come_in()

    for _ in range(5):
        await call(operator, agent)

    assert ledger.looks == 1


async def test_more_than_a_wallet_gives_is_refused(owner: Owner, operator: Operator):
    proof = owner.answer(await owner.ask())

    scopes = await owner.open(proof, scopes=["gateway:proxy", "mesh:admin"])
    elsewhere = await owner.open(proof, audiences=["registry"])

    assert (code(scopes), scopes.json()["missing"]) == ((403, "scopes-exceeded"), ["mesh:admin"])
    assert code(elsewhere) == (403, "audience-exceeded")
    assert (await owner.open(proof)).status_code == 201


async def test_a_text_for_a_page_names_its_site_and_opens_a_session_all_the_same(owner: Owner):
    asked = await owner.ask(site=SITE)

    assert asked["message"].startswith("console.example wants you to sign in")
    assert (await owner.open(owner.answer(asked))).status_code == 201


async def test_a_site_that_the_operator_has_not_named_gets_no_text(operator: Operator):
    answer = await operator.http.post(
        f"/v1/agents/{AGENT}/challenge", params={"site": "https://evil.example"}
    )

    assert code(answer) == (403, "site-not-allowed")


async def test_an_agent_that_nobody_knows_is_not_asked(operator: Operator):
    answer = await operator.http.post(f"/v1/agents/0x{'00' * 32}/challenge")

    assert code(answer) == (404, "agent-not-found")


async def test_whoever_is_turned_away_is_told_where_it_says_how_to_come_in(operator: Operator):
    refused = await operator.http.get("/v1/proxy/github/user")
    upstream = await operator.http.post("/v1/sessions")

    hint = f'resource_metadata="{OURS}/.well-known/oauth-protected-resource"'
    assert refused.headers["www-authenticate"] == f'Bearer realm="mesh", {hint}'
    assert upstream.headers["www-authenticate"].endswith(hint)
    assert (await operator.http.get("/.well-known/oauth-protected-resource")).status_code == 200


OWNERS = st.from_regex(r"\A0x[0-9a-f]{40}\Z")
AGENTS = st.from_regex(r"\A0x[0-9a-f]{64}\Z")
SITES = frozenset({SITE, "http://127.0.0.1:8376"})
ASKER = Asker(url="https://gateway.example", chain_id=1, pepper=b"p" * 32, sites=SITES)


@given(
    agent=AGENTS,
    owner=OWNERS,
    now=st.integers(0, 2**32 - LASTS_S - 1),
    later=st.integers(0, LASTS_S - 1),
    site=st.sampled_from(["", *sorted(SITES)]),
)
def test_a_nonce_is_known_again_for_five_minutes(agent: str, owner: str, now: int, later: int, site: str):
    asked = ASKER.ask(agent, owner, now, b"randomly", site)

    assert ASKER.asked(agent, owner, asked.nonce, now + later) == asked
    with pytest.raises(WalletRefused):
        ASKER.asked(agent, owner, asked.nonce, now + LASTS_S)


@given(agent=AGENTS, owner=OWNERS, place=st.integers(0, 55), digit=st.sampled_from("0123456789abcdef"))
def test_no_nonce_is_good_for_anything_but_what_was_asked(agent: str, owner: str, place: int, digit: str):
    nonce = ASKER.ask(AGENT, "0x" + "11" * 20, 1000, b"randomly").nonce
    other = nonce[:place] + digit + nonce[place + 1 :]

    if (agent, owner, other) != (AGENT, "0x" + "11" * 20, nonce):
        with pytest.raises(WalletRefused):
            ASKER.asked(agent, owner, other, 1000)
    stranger = Asker(url=ASKER.url, chain_id=1, pepper=b"q" * 32)
    with pytest.raises(WalletRefused):
        stranger.asked(AGENT, "0x" + "11" * 20, nonce, 1000)
