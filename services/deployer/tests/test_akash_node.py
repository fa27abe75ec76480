"""A node that lies, and what both lines of Akash say of the same things."""

import asyncio
import base64
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from akash import FEES, OWNER
from arenas import WORKLOAD, migrated
from fastapi import FastAPI, HTTPException, Request, Response
from mesh_deployer.adapters.akash.chain import VALID_BLOCKS, Chain, Overtaken, Refused
from mesh_deployer.adapters.akash.gateway import ProviderGateway
from mesh_deployer.adapters.akash.market import AkashMarketplace
from mesh_deployer.adapters.akash.views import DeploymentAnswer, LeaseAnswer
from mesh_deployer.adapters.akash.wire import FIRST, PRESENT
from mesh_deployer.domain.market import CloseReason
from mesh_deployer.ports import Order
from mesh_shared.errors import Unavailable
from mesh_shared.http import client
from mesh_shared.testing import served
from present import Node as PresentNode
from present import applied

ACCOUNT = {"account": {"account_number": "4", "sequence": "9"}}
LATEST = {"block": {"header": {"height": "12", "chain_id": "there"}}}
CLOSE = FIRST.close_deployment(OWNER.address, 1)


@dataclass
class Node:
    """A node that answers as it is told to, by the end of a path; it counts what it was sent."""

    answers: dict[str, tuple[int, Any]]
    sent: int = 0

    async def answer(self, request: Request) -> Response:
        self.sent += request.method == "POST" and request.url.path.endswith("/txs")
        ends = (end for end in self.answers if request.url.path.endswith(end) or end == "*")
        status, body = self.answers[next(ends)]
        text = body if isinstance(body, str) else json.dumps(body)
        return Response(text, status, media_type="application/json")


@pytest.fixture
async def node() -> Node:
    return Node({})


@pytest.fixture
async def chain(node: Node) -> AsyncIterator[Chain]:
    app = FastAPI()
    app.add_api_route("/{path:path}", node.answer, methods=["GET", "POST"], response_model=None)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as http:
        yield Chain(http, "http://node.test", FIRST, OWNER, FEES)


QUESTIONS: dict[str, Callable[[Chain], Awaitable[object]]] = {
    "head": lambda chain: chain.head(),
    "deployment": lambda chain: chain.deployment(1),
    "orders": lambda chain: chain.orders(1),
    "bids": lambda chain: chain.bids(1, 1, 1),
    "leases": lambda chain: chain.leases(1),
    "providers": lambda chain: chain.providers(),
    "provider": lambda chain: chain.provider("akash1x"),
    "certificates": lambda chain: chain.certificates("akash1x"),
    "send": lambda chain: chain.send(CLOSE),
}
LIES: list[tuple[int, Any]] = [
    (200, "<html>It works!</html>"),
    (200, []),
    (200, {}),
    (200, {"block": 7, "deployments": {}, "orders": "", "bids": 0, "leases": None, "providers": 1}),
    (200, {"deployments": [{}], "orders": [{}], "bids": [[]], "leases": [{"lease": {}}], "provider": {}}),
    (200, {"deployments": [{"deployment": {}, "groups": [], "escrow_account": {"state": {}}}]}),
    (500, {"message": "panic"}),
    (404, ""),
]


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: f"{lie[0]} {str(lie[1])[:40]}")
@pytest.mark.parametrize("question", QUESTIONS)
async def test_a_node_that_talks_nonsense_is_unavailable_and_nothing_is_sent(
    chain: Chain, node: Node, question: str, lie: tuple[int, Any]
):
    node.answers = {"*": lie}

    with pytest.raises(Unavailable):
        await QUESTIONS[question](chain)

    assert node.sent == 0


async def test_what_a_simulation_refuses_is_not_sent(chain: Chain, node: Node):
    refusal = (400, {"code": 3, "message": "Deployment closed"})
    node.answers = {f"accounts/{OWNER.address}": (200, ACCOUNT), "latest": (200, LATEST), "simulate": refusal}

    with pytest.raises(Refused, match="Deployment closed"):
        await chain.send(CLOSE)

    assert node.sent == 0


@pytest.mark.parametrize("where", ["simulate", "txs"])
async def test_another_transaction_of_the_account_is_told_from_a_refusal(
    chain: Chain, node: Node, where: str
):
    overtaken = {
        "simulate": (400, {"message": "account sequence mismatch, expected 10, got 9: incorrect sequence"}),
        "txs": (200, {"tx_response": {"code": 32, "raw_log": "account sequence mismatch"}}),
    }
    node.answers = {
        f"accounts/{OWNER.address}": (200, ACCOUNT),
        "latest": (200, LATEST),
        where: overtaken[where],
        "simulate": overtaken["simulate"] if where == "simulate" else (200, {"gas_info": {"gas_used": "1"}}),
    }

    with pytest.raises(Overtaken):
        await chain.send(CLOSE)


@pytest.mark.parametrize(("code", "raises"), [(0, None), (11, Refused)])
async def test_only_what_is_in_a_block_and_succeeded_there_is_done(
    chain: Chain, node: Node, code: int, raises: type[Exception] | None
):
    answers = {
        f"accounts/{OWNER.address}": ACCOUNT,
        "latest": LATEST,
        "simulate": {"gas_info": {"gas_used": "1"}},
        "txs": {"tx_response": {"code": 0}},
        "*": {"tx_response": {"code": code, "raw_log": "out of gas"}},
    }
    node.answers = {path: (200, body) for path, body in answers.items()}

    if raises is None:
        await chain.send(CLOSE)
    else:
        with pytest.raises(raises, match="out of gas"):
            await chain.send(CLOSE)
    assert node.sent == 1


async def test_a_transaction_that_is_in_no_block_in_time_is_given_up(chain: Chain, node: Node):
    """It is void then; whoever asked looks whether it was done after all."""
    node.answers = {
        f"accounts/{OWNER.address}": (200, ACCOUNT),
        "latest": (200, LATEST),
        "simulate": (200, {"gas_info": {"gas_used": "1"}}),
        "txs": (200, {"tx_response": {"code": 0}}),
        "*": (404, {"message": "tx not found"}),
    }

    with pytest.raises(Unavailable):
        await _until_void(asyncio.ensure_future(chain.send(CLOSE)), node)


async def _until_void(sending: asyncio.Task[None], node: Node) -> None:
    """The chain grows past the height until which it may be in a block."""
    while not node.sent:
        await asyncio.sleep(0)
    node.answers["latest"] = (200, {"block": {"header": {"height": "40", "chain_id": "there"}}})
    await sending


class LostAnswers(PresentNode):
    """A node that takes the first transaction, does not answer, and includes it when it is told to."""

    kept: str = ""

    async def _broadcast(self, request: Request) -> dict[str, Any]:
        if self.kept:
            return await super()._broadcast(request)
        self.kept = (await request.json())["tx_bytes"]
        raise HTTPException(504)

    def deliver(self) -> None:
        """The block with it."""
        applied(self.ledger, base64.b64decode(self.kept))
        self.accounts[OWNER.address][1] += 1


@asynccontextmanager
async def opened_and_not_heard_of(
    folder: Path,
) -> AsyncGenerator[tuple[AkashMarketplace, LostAnswers, Order], None]:
    """A market whose node took the transaction that opens an order, and did not answer."""
    node = LostAnswers()
    async with (
        served(node.app) as api,
        migrated(f"sqlite+aiosqlite:///{folder}/m.db") as database,
        client() as http,
    ):
        gateway = ProviderGateway(OWNER, allow_private=True)
        chain = Chain(http, api, PRESENT, OWNER, FEES)
        market = AkashMarketplace(database=database, chain=chain, gateway=gateway)
        wanted = Order(id=uuid4(), workload=WORKLOAD, requirements={}, deposit_uact=500_000)
        with pytest.raises(Unavailable):
            await market.create(wanted)
        yield market, node, wanted


async def test_an_order_that_may_still_come_through_is_not_called_closed(tmp_path: Path):
    """Closed too early, its deposit would be lost."""
    async with opened_and_not_heard_of(tmp_path) as (market, node, wanted):
        with pytest.raises(Unavailable):
            await market.close(wanted.id)
        node.deliver()

        closed = await market.close(wanted.id)

    (deployment,) = node.ledger.deployments.values()
    assert (deployment.state, closed.spent_uact) == ("closed", 0)
    assert closed.reason is CloseReason.OWNER


async def test_an_order_that_can_come_through_no_more_is_closed(tmp_path: Path):
    async with opened_and_not_heard_of(tmp_path) as (market, node, wanted):
        node.ledger.height += VALID_BLOCKS

        closed = await market.close(wanted.id)

    assert (closed.spent_uact, node.ledger.deployments) == (0, {})


FIRST_LINE = {
    "deployment": {
        "deployment_id": {"owner": "akash1x", "dseq": "7"},
        "state": "active",
        "version": "BwcH",
        "created_at": "3",
    },
    "groups": [{"group_id": {"owner": "akash1x", "dseq": "7", "gseq": 1}, "state": "open"}],
    "escrow_account": {
        "state": "open",
        "balance": {"denom": "uact", "amount": "499.250000000000000000"},
        "transferred": {"denom": "uact", "amount": "0.750000000000000000"},
        "funds": {"denom": "uact", "amount": "0.000000000000000000"},
        "settled_at": "9",
    },
}
PRESENT_LINE = {
    "deployment": {
        "id": {"owner": "akash1x", "dseq": "7"},
        "state": "active",
        "hash": "BwcH",
        "created_at": "3",
    },
    "groups": [{"id": {"owner": "akash1x", "dseq": "7", "gseq": 1}, "state": "open"}],
    "escrow_account": {
        "id": {"scope": "deployment", "xid": "akash1x/7"},
        "state": {
            "owner": "akash1x",
            "state": "open",
            "transferred": [{"denom": "uact", "amount": "0.750000000000000000"}],
            "settled_at": "9",
            "funds": [{"denom": "uact", "amount": "499.250000000000000000"}],
            "deposits": [],
        },
    },
}


@pytest.mark.parametrize("said", [FIRST_LINE, PRESENT_LINE], ids=[FIRST.name, PRESENT.name])
def test_both_lines_say_the_same_of_a_deployment(said: dict[str, Any]):
    answer = DeploymentAnswer.model_validate(said)

    assert (answer.deployment.state, answer.deployment.version) == ("active", b"\7\7\7")
    assert (answer.groups[0].id.dseq, answer.groups[0].state) == (7, "open")
    escrow = answer.escrow_account
    assert (escrow.state, escrow.deposited, escrow.transferred) == ("open", 500, Decimal("0.75"))


def test_the_present_line_says_why_a_lease_was_closed():
    said = {
        "id": {"owner": "akash1x", "dseq": "7", "gseq": 1, "oseq": 1, "provider": "akash1y", "bseq": 0},
        "state": "closed",
        "price": {"denom": "uact", "amount": "7.250000000000000000"},
        "created_at": "5",
        "closed_on": "9",
        "reason": "lease_closed_reason_unstable",
    }

    assert LeaseAnswer.model_validate({"lease": said}).lease.reason == "lease_closed_reason_unstable"
