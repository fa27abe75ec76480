"""Money follows quality: paid, or refunded and remembered, and all of it accounted for on the chain."""

from dataclasses import dataclass
from typing import Any

from mesh_shared.chain import keys
from mesh_shared.chain.abi import Function

from mesh_cli.demo.cast import Player
from mesh_cli.demo.chapters import agents
from mesh_cli.demo.stage import Stage, promise

TOTAL_SUPPLY = Function("totalSupply", [], ["uint256"])
RELEASE_ABOVE = 0.8


@dataclass(frozen=True, slots=True)
class Ledger:
    """What every account of the story holds, in base units, and how much there is in all."""

    held: dict[str, int]
    supply_units: int

    @property
    def is_whole(self) -> bool:
        """True when the accounts together hold every unit that exists."""
        return sum(self.held.values()) == self.supply_units


async def ledger(stage: Stage, players: list[Player]) -> Ledger:
    """All balances now, read from the chain."""
    payer = keys.load_or_create(stage.mesh.home("coordinator") / "chain.key").address
    accounts = {"coordinator (payer)": payer}
    accounts |= {player.name: player.wallet for player in players}
    accounts |= {
        "in escrow": stage.contracts.address("MeshEscrow"),
        "at stake": stage.contracts.address("AgentRegistry"),
    }
    held = {name: await stage.balance_units(account) for name, account in accounts.items()}
    (supply,) = await stage.rpc.call(stage.contracts.address("MeshToken"), TOTAL_SUPPLY)
    return Ledger(held, supply)


async def tell(stage: Stage, players: list[Player], before: Ledger, run: dict[str, Any]) -> None:
    """Paid attempts were settled by their scores, nothing is lost, and the poor agent ranks last."""
    figures = stage.chapter("money", "Money follows quality")
    attempts = [attempt for step in run["steps"] for attempt in step["attempts"] if attempt["escrow_id"]]
    figures["escrows"] = [await _settled(stage, attempt) for attempt in attempts]
    outcomes = {attempt["outcome"] for attempt in attempts}
    promise(outcomes == {"success", "refunded"}, f"The paid attempts ended with {outcomes} only.")
    after = await ledger(stage, players)
    _add_up(stage, before, after, attempts)
    figures["balances"] = {"before": before.held, "after": after.held, "supply": after.supply_units}
    figures["ranking"] = await _ranking(stage, attempts)
    figures["single_call"] = await _single_call(stage)


async def _settled(stage: Stage, attempt: dict[str, Any]) -> dict[str, Any]:
    """The escrow of an attempt as the chain has it, which must be what its score demands."""
    escrow = (await stage.ask("GET", "coordinator", f"/v1/escrows/{attempt['escrow_id']}")).body
    score = attempt["quality"]["score"]
    due = "released" if score > RELEASE_ABOVE else "refunded"
    promise(escrow["state"] == due, f"{attempt['agent']} scored {score} and its escrow is {escrow['state']}.")
    stage.say(
        f"{attempt['agent']:8} {attempt['action']:17} score {score:.2f}  {due} {attempt['price']:>6} units  "
        f"escrow {attempt['escrow_id'][:12]}…"
    )
    return {"agent": attempt["agent"], "score": score, "state": due, "amount": attempt["price"]}


def _add_up(stage: Stage, before: Ledger, after: Ledger, attempts: list[dict[str, Any]]) -> None:
    table = stage.table("account", "before", "after", "change")
    for name, units in after.held.items():
        table.add_row(name, str(before.held[name]), str(units), f"{units - before.held[name]:+d}")
    stage.draw(table)
    paid = sum(int(attempt["price"]) for attempt in attempts if attempt["outcome"] == "success")
    spent = before.held["coordinator (payer)"] - after.held["coordinator (payer)"]
    promise(before.is_whole and after.is_whole, "Some units are in none of these accounts.")
    promise(spent == paid, f"The payer spent {spent} units for work worth {paid}.")
    promise(after.held["in escrow"] == 0, f"{after.held['in escrow']} units are still in escrow.")
    stage.say(f"it adds up: {after.supply_units} units before and after, {paid} changed hands")


async def _ranking(stage: Stage, attempts: list[dict[str, Any]]) -> list[str]:
    """The next discovery, once the registry has read the ratings from the chain: the poor agent is last."""
    ratings = len({attempt["escrow_id"] for attempt in attempts})
    poor = next(attempt["agent"] for attempt in attempts if attempt["outcome"] == "refunded")

    async def rated() -> bool | None:
        page = await stage.ask("GET", "registry", "/v1/agents", params={"limit": 100})
        return sum(agent["feedbackCount"] for agent in page.body["items"]) >= ratings or None

    await stage.until("the ratings reach the registry's index", rated)
    found = await agents.discover(stage)
    agents.show(stage, found)
    promise(found[-1]["name"] == poor, f"{poor} delivered poor work and does not rank last.")
    stage.say(f"{poor} delivered poor work and ranks last now; what it lost is on the chain for all to read")
    return [agent["name"] for agent in found]


async def _single_call(stage: Stage) -> dict[str, Any]:
    body = {
        "capability": agents.CAPABILITY,
        "parameters": {"text": "Agents met. They agreed on a price. Everyone was paid."},
        "quality": {"assertions": [{"at": "/summary", "op": "minLength", "value": 20}]},
        "max_price": "50000",
    }
    answer = await stage.ask("POST", "coordinator", "/v1/execute", key="demo-execute", json=body)
    quality, outcome = answer.body["quality"]["score"], answer.body["economicOutcome"]
    promise(outcome == "success", f"The next paid call was {outcome}: it was given to a poor agent again.")
    stage.say(
        f"POST /v1/execute: the next call goes to a good agent, quality {quality:.2f}, {outcome}", answer.ms
    )
    return {"quality": quality, "economicOutcome": outcome}
