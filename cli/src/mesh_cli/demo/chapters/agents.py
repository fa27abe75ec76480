"""Strangers register, and are found with what they say of themselves."""

import re
from typing import Any

from eth_utils.crypto import keccak
from mesh_shared.content import cid

from mesh_cli.demo import cast
from mesh_cli.demo.cast import STAKE_UNITS, Player
from mesh_cli.demo.stage import Stage, promise

CAPABILITY = "text.summarize"
TRANSACTION_HASH = re.compile(r"0x[0-9a-fA-F]{64}")


async def tell(stage: Stage) -> list[Player]:
    """Three agents are on the chain with their stake, and discovery finds them with checked metadata."""
    figures = stage.chapter("agents", "Three agents register and are found")
    players = await cast.hire(stage)
    figures["registered"] = [await _registered(stage, player) for player in players]
    found = await discover(stage)
    promise(
        {agent["agentId"] for agent in found} >= {agent_id(player) for player in players},
        f"Discovery by {CAPABILITY} does not find all three.",
    )
    for agent in found:
        await _check_metadata(stage, agent)
    stage.say(f"{len(found)} metadata blobs re-hashed: their bytes give the CIDs that are on the chain")
    show(stage, found)
    figures["found"] = [_summary(agent) for agent in found]
    return players


def agent_id(player: Player) -> str:
    """What the registry must make of the player's name: its Keccak-256."""
    return f"0x{keccak(text=player.id).hex()}"


async def discover(stage: Stage) -> list[dict[str, Any]]:
    """The agents that can summarize, as discovery sorts them. They must be sorted by reputation."""
    answer = await stage.ask("GET", "registry", "/v1/agents", params={"capability": CAPABILITY})
    found = answer.body["items"]
    reputations = [agent["reputation"] for agent in found]
    promise(reputations == sorted(reputations, reverse=True), "Discovery does not give the best first.")
    stage.say(f"GET /v1/agents?capability={CAPABILITY}: {len(found)} agents, best first", answer.ms)
    return found


def show(stage: Stage, found: list[dict[str, Any]]) -> None:
    """The agents as a table."""
    table = stage.table("agent", "reputation", "paid ratings", "stake", "price")
    for agent in found:
        prices = {tool["price"] for tool in agent["toolDefinitions"]}
        ratings, reputation = str(agent["feedbackCount"]), f"{agent['reputation']:.3f}"
        table.add_row(agent["name"], reputation, ratings, agent["stakeAmount"], ", ".join(sorted(prices)))
    stage.draw(table)


async def _registered(stage: Stage, player: Player) -> dict[str, Any]:
    operation = await cast.registration(player)
    sent = operation["transactionHash"]
    promise(bool(TRANSACTION_HASH.fullmatch(sent)), f"{sent} is no transaction hash.")
    promise(
        operation["agentId"] == agent_id(player), f"{player.id} did not get keccak of its name as its id."
    )
    receipt: dict[str, str] = await stage.rpc.request("eth_getTransactionReceipt", sent)
    promise(bool(receipt) and receipt["status"] == "0x1", f"The chain did not take {sent}.")
    agent = (await stage.ask("GET", "registry", f"/v1/agents/{operation['agentId']}")).body
    promise(agent["stakeAmount"] == str(STAKE_UNITS), f"{player.id} has {agent['stakeAmount']} at stake.")
    stage.say(
        f"{player.id} signed, the registry relayed: {sent[:18]}… in block {int(receipt['blockNumber'], 16)}, "
        f"{STAKE_UNITS} units staked"
    )
    return {"name": player.id, "agentId": operation["agentId"], "transactionHash": sent}


async def _check_metadata(stage: Stage, agent: dict[str, Any]) -> None:
    data = (await stage.ask("GET", "registry", f"/v1/content/{agent['metadataCid']}")).body
    blob = data if isinstance(data, bytes) else b""
    promise(
        str(cid.of(blob)) == agent["metadataCid"], f"The metadata of {agent['name']} is not what it says."
    )


def _summary(agent: dict[str, Any]) -> dict[str, Any]:
    return {name: agent[name] for name in ("name", "reputation", "stakeAmount", "metadataCid")}
