"""What a lease of the Console's writes and runs: its proxy, lies and silence of providers, and the token."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import consoled
import pytest
from akash import OWNER
from arenas import SEVERAL
from asking import leased, running, written
from console import PRICES, Broken
from consoled import ConsoleArena
from hosts import FAILURE, RESULT, STDERR, STDOUT, granted_scopes
from mesh_deployer.adapters.akash.shell import MAX_BYTES
from mesh_deployer.adapters.console.proxy import ProviderProxy
from mesh_deployer.errors import CommandRefused, NotOffered, ServiceUnknown
from mesh_shared.errors import Unavailable
from proxy import CLOSED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from uuid import UUID

    from mesh_deployer.ports import Output

CUT_OFF = json.dumps(CLOSED)
LINE = json.dumps({"type": "websocket", "message": json.dumps({"name": "web-0", "message": "Serving."})})
TOKEN = "POST /v1/create-jwt-token"
LIES = [
    "<html>It works!</html>",
    "[]",
    json.dumps({"type": "websocket", "message": {"type": "Buffer", "data": [256]}}),
    json.dumps({"type": "websocket", "message": {"type": "Buffer", "data": "?"}}),
    json.dumps({"type": "websocket", "message": "Received error from provider websocket", "error": "x"}),
    json.dumps({"type": "websocket", "error": "tokenExpired"}),
    json.dumps(CLOSED | {"code": 1008, "reason": "invalidCertificate.fingerprintMismatch"}),
    json.dumps({"type": "websocket", "message": "x" * 2**20}),
]


def said(code: int, content: bytes) -> str:
    """What a provider's shell says, as the proxy hands it on."""
    return json.dumps({"type": "websocket", "message": {"type": "Buffer", "data": [code, *content]}})


def ended(exit_code: int) -> str:
    return said(RESULT, json.dumps({"exit_code": exit_code}).encode())


@pytest.fixture
async def at_work(tmp_path: Path) -> AsyncIterator[tuple[ConsoleArena, UUID]]:
    """The arena, and an order that runs in it."""
    async with consoled.consoled(f"sqlite+aiosqlite:///{tmp_path}/c.db") as arena:
        wanted = arena.order()
        await leased(arena, wanted)
        await running(arena.market, wanted.id)
        yield arena, wanted.id


async def run(at_work: tuple[ConsoleArena, UUID], *says: str | None) -> Output:
    """A command at a provider that says this."""
    arena, order_id = at_work
    arena.server.proxy.says = list(says)
    return await arena.market.exec(order_id, "web", ["true"])


async def test_a_proxy_or_a_provider_that_talks_nonsense_is_unavailable(at_work: tuple[ConsoleArena, UUID]):
    arena, order_id = at_work
    for lie in LIES:
        with pytest.raises(Unavailable):
            await run(at_work, lie)
        with pytest.raises(Unavailable):
            await written(arena.market, order_id)


async def test_a_log_that_nobody_follows_has_ended_when_nothing_comes(at_work: tuple[ConsoleArena, UUID]):
    arena, order_id = at_work
    arena.server.proxy.says = [LINE, None]

    (line,) = await written(arena.market, order_id)

    assert (line.service, line.text, line.gseq) == ("web", "Serving.", 1)


async def test_a_log_that_is_followed_ends_when_its_provider_closes_it(at_work: tuple[ConsoleArena, UUID]):
    arena, order_id = at_work
    arena.server.proxy.says = [LINE, LINE, CUT_OFF]

    lines = [line.text async for line in arena.market.logs(order_id, tail=2, follow=True)]

    assert lines == ["Serving.", "Serving."]


async def test_a_command_has_its_two_outputs_and_its_code(at_work: tuple[ConsoleArena, UUID]):
    output = await run(at_work, said(STDERR, b"no "), said(STDOUT, b"a\xff"), said(STDERR, b"way"), ended(7))

    assert (output.exit_code, output.stdout, output.stderr) == (7, "a\N{REPLACEMENT CHARACTER}", "no way")
    assert not output.is_cut


async def test_of_what_a_command_writes_the_beginning_is_kept(at_work: tuple[ConsoleArena, UUID]):
    output = await run(at_work, said(STDOUT, b"a"), *[said(STDERR, b"b" * 40_000)] * 2, CUT_OFF)

    assert (output.is_cut, output.exit_code, output.stdout) == (True, -1, "a")
    assert len(output.stderr) == MAX_BYTES - 1


async def test_a_command_of_which_nobody_says_how_it_ended_has_not_run(at_work: tuple[ConsoleArena, UUID]):
    with pytest.raises(Unavailable):
        await run(at_work, said(STDOUT, b"a"), CUT_OFF)
    with pytest.raises(Unavailable):
        await run(at_work, said(FAILURE, b""), ended(0))


async def test_a_command_that_its_provider_refuses_has_not_ended_well(at_work: tuple[ConsoleArena, UUID]):
    refusal = json.dumps({"exit_code": 0, "message": "no such service exists with that name"}).encode()

    with pytest.raises(CommandRefused, match="no such service"):
        await run(at_work, said(RESULT, refusal))


async def test_a_command_that_a_provider_would_cut_short_is_not_sent(at_work: tuple[ConsoleArena, UUID]):
    arena, order_id = at_work

    with pytest.raises(NotOffered):
        await arena.market.exec(order_id, "web", ["rm", "-r", "", "page"])


async def test_commands_run_where_the_operator_lets_them_and_a_service_is_there(
    at_work: tuple[ConsoleArena, UUID],
):
    arena, order_id = at_work

    with pytest.raises(NotOffered):
        await replace(arena.market, may_exec=False).exec(order_id, "web", ["true"])
    with pytest.raises(ServiceUnknown):
        await arena.market.exec(order_id, "nobody", ["true"])
    assert TOKEN not in arena.server.asked


async def test_without_a_token_or_a_proxy_there_is_nothing_to_read(at_work: tuple[ConsoleArena, UUID]):
    arena, order_id = at_work
    nowhere = replace(arena.market, proxy=ProviderProxy("ws://127.0.0.1:1"))
    for broken in (Broken(403, {}), Broken(400, {"message": "No."}), Broken(201, {"data": {"token": 7}})):
        arena.server.broken[TOKEN] = broken
        with pytest.raises(Unavailable):
            await written(arena.market, order_id)
    arena.server.broken["GET /v1/providers"] = Broken(200, [])

    with pytest.raises(Unavailable):
        await written(arena.market, order_id)
    with pytest.raises(Unavailable):
        await written(nowhere, order_id)


async def test_a_token_is_for_one_provider_and_one_kind_of_call(at_work: tuple[ConsoleArena, UUID]):
    arena, _ = at_work
    provider, *_ = PRICES

    token = await arena.market.console.token(provider, "logs")

    assert granted_scopes(token, OWNER.public_key, provider) == ["logs"]


async def test_a_command_runs_in_the_first_placement_that_has_the_service(tmp_path: Path):
    async with consoled.consoled(f"sqlite+aiosqlite:///{tmp_path}/c.db") as arena:
        wanted = arena.order(workload=SEVERAL)
        await arena.market.create(wanted)
        cheapest = {bid.gseq: bid for bid in reversed((await arena.all_bids(wanted.id)).bids)}
        await arena.market.accept(wanted.id, [cheapest[1], cheapest[2]])
        await running(arena.market, wanted.id, SEVERAL)

        output = await arena.market.exec(wanted.id, "web", ["printenv", "GREETING"])

    assert (output.exit_code, output.stdout) == (0, "hello\n")
