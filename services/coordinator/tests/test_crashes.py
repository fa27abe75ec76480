"""kill -9 wherever it hurts: every run ends, every escrow once, no unit is lost, no agent works twice."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest
from eth_account import Account
from eth_utils.crypto import keccak
from mesh_coordinator.adapters.purse import TokenPurse
from mesh_coordinator.app import TOKEN_DOMAIN
from mesh_coordinator.ports import Demand
from mesh_shared.agents.plugin import Action, Callback, Message, Plugin, Runtime, State, Turn, succeeded
from mesh_shared.background import beside
from mesh_shared.wire import WireModel
from mesh_shared.x402.wire import REQUIRED, SIGNATURE
from mortals import Coordinator, mortal, settings
from pydantic import ConfigDict
from shops import PRICE, Shop, open_shop

if TYPE_CHECKING:
    from chains import Chain
    from towns import Body, Town

POINTS = {"sqlite": 12, "postgresql": 8}
SEEDS = [371, *(pytest.param(seed, marks=pytest.mark.nightly) for seed in range(10))]
"""Of the points at which it is killed: the same twenty each time, and two hundred by night."""
OPEN_AT_ONCE = 3
LIFETIME_S = 300
PURSE_UNITS = 1_000_000
RUN_PRICE = 7
VALIDATORS = ("judge", "jury")
ANNOUNCED = {
    "opened": "EscrowOpened(bytes32,address,address,address,uint256,address,bytes32,bytes32)",
    "released": "EscrowReleased(bytes32,address,uint256,uint256,uint16)",
    "refunded": "EscrowRefunded(bytes32,address,uint256,uint16)",
}
BODY: dict[str, Any] = {
    "task": "t",
    "requirements": [
        {"id": "good", "capability": "good"},
        {"id": "retried", "capability": "contested", "quality": {"expectedOutcome": {"by": "better"}}},
        {
            "id": "reviewed",
            "capability": "grey",
            "quality": {
                "assertions": [
                    {"at": "/by", "op": "exists", "weight": 7},
                    {"at": "/more", "op": "exists", "weight": 3},
                ],
                "review": {"validators": {"capability": "review", "count": 2}},
            },
        },
        {"id": "small", "capability": "small", "max_price": "50", "payment": "ledger"},
        {"id": "ahead", "capability": "shop", "max_price": "50"},
        {
            "id": "report",
            "capability": "free",
            "parameters": {"seen": {"$ref": "#/steps/good/result"}},
            "needs": ["good", "retried"],
        },
    ],
}


class Asked(WireModel):
    model_config = ConfigDict(extra="allow")


def plugin(name: str, capability: str, effects: Counter[tuple[str, str, str]], **more: Any) -> Plugin:
    """An agent whose work leaves a trace each time that it is done."""

    async def work(
        runtime: Runtime[Any], message: Message, state: State, asked: Asked, say: Callback
    ) -> bool:
        effects[state["run_id"], state["step_id"], name] += 1
        await say(succeeded("Done.", {"by": name} | more))
        return True

    turns = (Turn(role="user", text="Work."), Turn(role="agent", text="Done.", action="WORK"))
    action = Action(
        name="WORK",
        description="Works.",
        parameters=Asked,
        handler=work,
        examples=[turns],
        scope="actions:invoke",
        capabilities=(capability,),
    )
    return Plugin(name=name, description="Works.", actions=[action])


@dataclass(slots=True)
class Customer:
    """Keeps a few runs open, whatever becomes of the coordinator, and pays for each (x402)."""

    http: httpx.AsyncClient
    purse: TokenPurse
    payments: dict[str, str] = field(default_factory=dict[str, str])
    """What was signed for each order; sent again until there is a run for it."""
    started: dict[str, str] = field(default_factory=dict[str, str])
    """Run ids by idempotency key, as they were answered."""

    async def order_on(self) -> None:
        while True:
            with suppress(httpx.TransportError):  # it is dead, or not up yet
                await self._order()
            await asyncio.sleep(0.05)

    async def _order(self) -> None:
        listed = await self.http.get("/v1/runs", params={"status": "running"})
        if listed.status_code != HTTPStatus.OK or len(listed.json()["items"]) >= OPEN_AT_ONCE:
            return
        await self._start(f"order-{len(self.started)}")

    async def _start(self, key: str) -> None:
        paid = {SIGNATURE: self.payments[key]} if key in self.payments else {}
        answer = await self.http.post("/v1/runs", json=BODY, headers={"Idempotency-Key": key} | paid)
        if answer.is_success:
            self.started[key] = answer.json()["id"]
        elif answer.status_code == HTTPStatus.PAYMENT_REQUIRED:
            demand, nonce = Demand(answer.headers[REQUIRED]), "0x" + uuid4().hex * 2
            signed = self.purse.sign(demand, most_units=RUN_PRICE, nonce=nonce)
            assert signed is not None
            self.payments[key] = signed.header

    async def settle_up(self) -> None:
        """Has a run for everything that was paid."""
        async with asyncio.timeout(60):
            while missing := self.payments.keys() - self.started.keys():
                with suppress(httpx.TransportError):
                    await self._start(missing.pop())
                await asyncio.sleep(0.05)

    async def all_paid_out(self) -> dict[str, int]:
        """What is on each account once nobody is owed anything."""
        async with asyncio.timeout(60):
            while True:
                listed = (await self.http.get("/v1/ledger/accounts")).json()["items"]
                found = {item["name"]: int(item["balance"]) for item in listed if item["balance"] != "0"}
                if found.keys() == {"payer", "chain"}:
                    return found
                await asyncio.sleep(0.1)

    async def all_ended(self) -> list[Body]:
        """Every run that was ever accepted, when none is open any more."""
        async with asyncio.timeout(60):
            while True:
                with suppress(httpx.TransportError):
                    listed = await self.http.get("/v1/runs", params={"limit": 100})
                    if listed.is_success and all(r["status"] != "running" for r in listed.json()["items"]):
                        ids = [run["id"] for run in listed.json()["items"]]
                        return [(await self.http.get(f"/v1/runs/{id}")).json() for id in ids]
                await asyncio.sleep(0.1)

    async def all_told(self, runs: int) -> list[Body]:
        """Every fact, when the end of so many runs is among them: it is public a moment after the commit."""
        async with asyncio.timeout(60):
            while True:
                facts = (await self.http.get("/v1/events", params={"limit": 1000})).json()["items"]
                if sum(fact["type"] == "coordinator.run-completed.v1" for fact in facts) >= runs:
                    return facts
                await asyncio.sleep(0.1)


@pytest.fixture
def environment(database_url: str, state_dir: Path, redis_url: str, town: Town) -> dict[str, str]:
    return settings(database_url, state_dir, redis_url, town) | {"MESH_RUN_PRICE": str(RUN_PRICE)}


async def announced(chain: Chain, event: str) -> Counter[str]:
    """How often the contract announced this of each escrow."""
    topic = "0x" + keccak(text=ANNOUNCED[event]).hex()
    asked = {"fromBlock": "0x0", "address": chain.deployed.address("MeshEscrow"), "topics": [topic]}
    logs = await chain.rpc.request("eth_getLogs", asked)
    return Counter(log["topics"][1] for log in logs)


Effects = Counter[tuple[str, str, str]]


@pytest.fixture
async def effects(town: Town) -> Effects:
    """How often each agent did its work, by run, step and agent."""
    effects: Effects = Counter()
    await town.settle_down("solid", plugin("solid", "good", effects), price=1_000)
    await town.settle_down("worse", plugin("worse", "contested", effects), price=700, reputation=0.9)
    await town.settle_down("better", plugin("better", "contested", effects), price=900, reputation=0.1)
    await town.settle_down("clerk", plugin("clerk", "free", effects), price=0)
    await town.settle_down("petty", plugin("petty", "small", effects), price=30)
    await town.settle_down("fair", plugin("fair", "grey", effects), price=600)
    for name in VALIDATORS:
        await town.settle_down(name, plugin(name, "review", effects, score=0.9), price=0)
    return effects


@pytest.fixture
async def shop(town: Town) -> Shop:
    """Gives us time to live again before the payment lapses."""
    return await open_shop(town, "shop", max_timeout_seconds=300)


@pytest.fixture
async def purse(chain: Chain) -> TokenPurse:
    """The customer's."""
    purse = TokenPurse(chain.rpc, chain.deployed.address("MeshToken"), TOKEN_DOMAIN, Account.create())
    await chain.enrich(purse.account.address, PURSE_UNITS)
    return purse


@dataclass(slots=True)
class Aftermath:
    """What is left when the last life has brought everything to its end."""

    customer: Customer
    runs: list[Body]
    accounts: dict[str, int]
    facts: list[Body]

    @property
    def attempts(self) -> list[tuple[str, str, Body]]:
        """Run, step and attempt."""
        steps = [(run["id"], step) for run in self.runs for step in run["steps"]]
        return [(id, step["id"], attempt) for id, step in steps for attempt in step["attempts"]]

    @property
    def work(self) -> list[tuple[str, str, str]]:
        """What was done once each, reviews included."""
        done = [(run, step, one["agent"]) for run, step, one in self.attempts if one["agent"] != "shop"]
        return done + [(run["id"], "reviewed", name) for run in self.runs for name in VALIDATORS]

    @property
    def escrows(self) -> dict[str, Body]:
        """Attempts by escrow."""
        return {attempt["escrow_id"]: attempt for _, _, attempt in self.attempts if attempt["escrow_id"]}


async def survived(coordinator: Coordinator, customer: Customer, points: int, seed: int) -> Aftermath:
    """Kills the coordinator at so many points while orders come in, and lets it finish."""
    dice = random.Random(seed)  # noqa: S311 - the same points each time
    async with beside(customer.order_on()):
        for _ in range(points):
            life = await coordinator.begin(dies_after=dice.randint(10, 300))
            assert await asyncio.to_thread(life.wait, LIFETIME_S) == -signal.SIGKILL
    await coordinator.begin(dies_after=None)
    await customer.settle_up()
    runs = await customer.all_ended()
    accounts = await customer.all_paid_out()
    return Aftermath(customer, runs, accounts, await customer.all_told(len(runs)))


@pytest.mark.parametrize("seed", SEEDS)
async def test_killed_again_and_again_everything_still_happens_once(
    seed: int,
    environment: dict[str, str],
    client: dict[str, str],
    town: Town,
    chain: Chain,
    payer: str,
    effects: Effects,
    purse: TokenPurse,
    shop: Shop,
    tmp_path: Path,
):
    in_escrow_before = await chain.units("MeshEscrow")
    url = f"http://127.0.0.1:{environment['MESH_PORT']}"
    points = POINTS["sqlite" if "sqlite" in environment["MESH_DATABASE_URL"] else "postgresql"]

    async with (
        mortal(environment, tmp_path) as coordinator,
        httpx.AsyncClient(base_url=url, headers=client, timeout=5) as http,
    ):
        left = await survived(coordinator, Customer(http, purse), points, seed)

    count = len(left.runs)
    assert [gap for run in left.runs for gap in run["gaps"]] == []
    assert {run["status"] for run in left.runs} == {"succeeded"}
    assert set(left.customer.started.values()) == {run["id"] for run in left.runs}
    assert await chain.units(purse.account.address) == PURSE_UNITS - RUN_PRICE * count
    assert await chain.units(payer) == PURSE_UNITS - (2_530 + PRICE - RUN_PRICE) * count
    assert await chain.units(shop.wallet) == PRICE * count
    assert len(set(shop.payments)) == count
    assert await chain.units("MeshEscrow") == in_escrow_before
    earned = {name: await chain.units(agent.wallet.address) for name, agent in town.agents.items()}
    prices = {"solid": 1_000, "better": 900, "fair": 600, "petty": 30}
    assert earned == {name: prices.get(name, 0) * count for name in town.agents}
    assert left.accounts == {"payer": -30 * count, "chain": 30 * count}
    ratings = {name: await chain.ratings(agent.token_id) for name, agent in town.agents.items()}
    expected = {"solid": (count, 100), "worse": (count, 0), "better": (count, 100), "fair": (count, 90)}
    assert ratings == expected | dict.fromkeys(("clerk", "petty", "shop", *VALIDATORS), (0, 0))
    assert effects == Counter(left.work)
    await each_escrow_ended_once(chain, left)
    each_fact_was_told_once(left)


async def each_escrow_ended_once(chain: Chain, left: Aftermath) -> None:
    opened, released, refunded = [await announced(chain, event) for event in ANNOUNCED]
    assert len(left.escrows) == 4 * len(left.runs)
    for id, attempt in left.escrows.items():
        ending = (1, 0) if attempt["outcome"] == "success" else (0, 1)
        assert (opened[id], released[id], refunded[id]) == (1, *ending)


def each_fact_was_told_once(left: Aftermath) -> None:
    told = Counter(fact["type"].removeprefix("coordinator.").removesuffix(".v1") for fact in left.facts)
    assert told["run-started"] == told["run-completed"] == len(left.runs)
    assert told["escrow-opened"] == told["escrow-released"] + told["escrow-refunded"] == len(left.escrows)
    assert [fact["sequence"] for fact in left.facts] == list(range(1, len(left.facts) + 1))
