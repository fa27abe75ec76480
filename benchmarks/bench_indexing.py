"""How fast the registry catches up on a recorded log, and how much memory that takes.

python benchmarks/bench_indexing.py [agents]

A node that has nothing but the log answers over HTTP from a process of its own. Six events an agent: URI, id,
capabilities, owner, a rating and its proof.
"""

import asyncio
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self

from mesh_shared import lean  # noqa: F401 # pyright: ignore[reportUnusedImport] - as in a service

# isort: split
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from mesh_registry import app  # noqa: F401 # pyright: ignore[reportUnusedImport] - its memory counts
from mesh_registry.adapters import chain_events
from mesh_registry.adapters.chain_log import NodeLog
from mesh_registry.repository.ledger import Ledger
from mesh_registry.repository.tables import Base
from mesh_registry.service.indexing import Indexer
from mesh_shared.bell import Bell
from mesh_shared.chain.abi import Event
from mesh_shared.chain.rpc import Rpc
from mesh_shared.content import cid
from mesh_shared.database import engine
from mesh_shared.events.outbox import Foundation

LEAST_EVENTS_PER_S = 5_000
MOST_MIB = 300
EVENTS = 6
AGENTS_A_BLOCK = 20
CONTRACT, OWNER, CLIENT = "0x" + "aa" * 20, "0x" + "11" * 20, "0x" + "c1" * 20
CHAIN_ID = 371


class Made(NamedTuple):
    """What differs from agent to agent. Of one width each, so that one log becomes another by replacing."""

    token: bytes
    uri: str
    did: str
    key: bytes
    escrow: bytes

    @classmethod
    def of(cls, token: int) -> Self:
        where = f"ipfs://{cid.of(str(token).encode())}"
        key, escrow = keccak(text=f"agent/{token}"), keccak(text=f"escrow/{token}")
        return cls(token.to_bytes(32, "big"), where, f"did:x:{token:09}", key, escrow)

    @property
    def texts(self) -> list[str]:
        """As they stand in a log."""
        return [(one.encode() if isinstance(one, str) else one).hex() for one in self]


FIRST = Made.of(987_654_321)
PLACE = {"blockNumber": "<n>", "blockHash": "<hash>", "blockTimestamp": "<n>", "transactionHash": "<tx>"}


def said(made: Made) -> Iterator[tuple[Event, Mapping[str, Any]]]:
    """What the contracts say of an agent."""
    about, none = {"agentId": int.from_bytes(made.token)}, bytes(32)
    client = {"clientAddress": CLIENT, "feedbackIndex": 1}
    named = {"agentKey": made.key, "owner": OWNER, "did": made.did, "ipfsHash": made.uri, "stake": 0}
    hashes = [keccak(text=f"capability/{n}") for n in range(5)]
    score = {"value": 90, "valueDecimals": 0, "tag1": "quality", "tag2": "", "indexedTag1": none}
    yield chain_events.REGISTERED, about | {"agentURI": made.uri, "owner": OWNER}
    yield chain_events.AGENT_REGISTERED, about | named
    yield chain_events.CAPABILITIES_SET, about | {"version": 1, "capabilities": hashes}
    yield chain_events.TRANSFER, about | {"from": "0x" + "00" * 20, "to": OWNER}
    link = {"endpoint": "", "feedbackURI": "", "feedbackHash": none}
    yield chain_events.NEW_FEEDBACK, about | client | score | link
    yield chain_events.FEEDBACK_PROOF, about | client | {"escrowId": made.escrow}


def recorded(event: Event, values: Mapping[str, Any]) -> str:
    """One entry of `eth_getLogs`, its place left open."""
    kinds = {name: kind.removesuffix(" indexed") for name, kind in event.fields.items()}
    plain = [name for name, kind in event.fields.items() if not kind.endswith("indexed")]
    topics = [
        values[name] if kinds[name] == "string" else encode([kinds[name]], [values[name]])
        for name in kinds
        if name not in plain
    ]
    data = encode([kinds[name] for name in plain], [values[name] for name in plain])
    log = {
        "address": CONTRACT,
        "topics": ["0x" + topic.hex() for topic in (event.topic, *topics)],
        "data": "0x" + data.hex(),
        "logIndex": "<index>",
    }
    return json.dumps(log | PLACE)


def block_of(number: int, tokens: range, patterns: Sequence[str]) -> str:
    """The logs of a block, with commas between."""
    logs: list[str] = []
    for token in tokens:
        made = list(zip(FIRST.texts, Made.of(token).texts, strict=True))
        for log in patterns:
            text, index = log, len(logs)
            for old, new in made:
                text = text.replace(old, new)
            text = text.replace("<index>", hex(index)).replace("<tx>", f"0x{number:032x}{index:032x}")
            logs.append(text)
    return ",".join(logs).replace("<n>", hex(number)).replace("<hash>", hash_of(number))


def hash_of(number: int) -> str:
    return f"0x{number:064x}"


def serve(agents: int, address: Any) -> None:
    """A node that has a log and nothing else."""
    blocks, patterns = [""], [recorded(*log) for log in said(FIRST)]
    for first in range(1, agents + 1, AGENTS_A_BLOCK):
        tokens = range(first, min(first + AGENTS_A_BLOCK, agents + 1))
        blocks.append(block_of(len(blocks), tokens, patterns))

    def answer(call: dict[str, Any]) -> str:
        match call["method"], call["params"]:
            case "eth_getLogs", [wanted]:
                stretch = blocks[int(wanted["fromBlock"], 16) : int(wanted["toBlock"], 16) + 1]
                result = f"[{','.join(block for block in stretch if block)}]"
            case "eth_getBlockByNumber", [number, _]:
                block = int(number, 16)
                hashes = {"hash": hash_of(block), "parentHash": hash_of(block - 1)}
                result = json.dumps({"number": number, **hashes}) if block < len(blocks) else "null"
            case "eth_blockNumber", _:
                result = json.dumps(hex(len(blocks) - 1))
            case _:
                result = json.dumps(hex(CHAIN_ID))
        return f'{{"jsonrpc":"2.0","id":{call["id"]},"result":{result}}}'

    class Node(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked: Any = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            text = answer(asked) if "id" in asked else f"[{','.join(map(answer, asked))}]"
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Node)
    address.send(server.server_address[1])
    server.serve_forever()


async def catch_up(port: int, agents: int) -> float:
    """Seconds until an empty index has everything."""
    with tempfile.TemporaryDirectory() as folder:
        database = engine.connect(f"sqlite+aiosqlite:///{folder}/index.db")
        async with database.engine.begin() as connection:
            for tables in (Base, Foundation):
                await connection.run_sync(tables.metadata.create_all)
        rpc = Rpc(f"http://127.0.0.1:{port}", CHAIN_ID)
        index = Indexer(database, NodeLog(rpc, [CONTRACT]), 1, Bell(), poll_s=0.01)
        last = (agents + AGENTS_A_BLOCK - 1) // AGENTS_A_BLOCK
        started = time.perf_counter()
        while await head(database) < last:
            await index.turn()
        took = time.perf_counter() - started
        await rpc.close()
        await database.engine.dispose()
    return took


async def head(database: engine.Database) -> int:
    async with database.read() as session:
        newest = await Ledger(session).head()
    return 0 if newest is None else newest.number


def main() -> None:
    agents = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    ours, its = multiprocessing.Pipe()
    node = multiprocessing.Process(target=serve, args=(agents, its), daemon=True)
    node.start()
    took = asyncio.run(catch_up(ours.recv(), agents))
    node.terminate()
    speed = agents * EVENTS / took
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{agents * EVENTS} events of {agents} agents in {took:.1f} s")
    print(f"{speed:6.0f} events/s, {speed / LEAST_EVENTS_PER_S:4.2f} times the least of {LEAST_EVENTS_PER_S}")
    print(f"{peak_mib:6.0f} MiB at the most, {peak_mib / MOST_MIB:4.2f} of {MOST_MIB} MiB")


if __name__ == "__main__":
    main()
