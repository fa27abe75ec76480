"""An engine that is not there, hangs, lies or lacks something: told apart without a real one.

The stand-in speaks as much of Docker's API as the question needs, over a socket as the engine has one.
"""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import warnings
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response
from mesh_deployer.adapters.docker import DockerMarketplace
from mesh_deployer.adapters.engine import Engine
from mesh_deployer.domain.sdl import compile_sdl
from mesh_deployer.domain.workload import Workload
from mesh_deployer.errors import DockerNotAvailable, ImageNotPresent, ManifestRefused, NotOnDocker
from mesh_deployer.schemas.sdl import HELLO
from mesh_shared.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator
    from pathlib import Path

    from stage import Stage


@dataclass
class StandIn:
    """A machine with so many CPUs and so much memory, and the images it has."""

    cpus: int = 4
    memory: int = 8 * 2**30
    images: tuple[str, ...] = ("debian:trixie-slim",)
    failing: dict[str, Response] = field(default_factory=dict[str, Response])
    asked: list[str] = field(default_factory=list[str])

    def app(self) -> FastAPI:
        app = FastAPI()
        app.add_api_route(
            "/{path:path}", self._answer, methods=["GET", "POST", "DELETE"], response_model=None
        )
        return app

    async def _answer(self, path: str) -> Response:
        verb = path.partition("/")[2] if path.startswith("v1.") else path
        self.asked.append(verb)
        for what, failure in self.failing.items():
            if verb.startswith(what):
                return failure
        match verb.split("/"):
            case ["version"]:
                return JSONResponse({"ApiVersion": "1.41", "Version": "stand-in"})
            case ["info"]:
                return JSONResponse({"NCPU": self.cpus, "MemTotal": self.memory})
            case ["images", *name, "json"]:
                return self._image("/".join(name))
            case ["networks" | "containers", *_]:
                return JSONResponse([])
            case _:
                return JSONResponse({"message": "page not found"}, 404)

    def _image(self, name: str) -> Response:
        if name in self.images:
            return JSONResponse({"Id": "sha256:0", "RepoTags": [name]})
        return JSONResponse({"message": f"No such image: {name}"}, 404)


@asynccontextmanager
async def listening(app: FastAPI, socket: Path) -> AsyncGenerator[None, None]:
    server = uvicorn.Server(uvicorn.Config(app, uds=str(socket), log_config=None))
    task = asyncio.create_task(server.serve())
    async with asyncio.timeout(10):
        while not server.started:
            await asyncio.sleep(0.01)
    yield
    server.should_exit = True
    await task


@pytest.fixture
def stand_in() -> StandIn:
    return StandIn()


@pytest.fixture
async def market(sqlite_stage: Stage, stand_in: StandIn, tmp_path: Path) -> AsyncIterator[DockerMarketplace]:
    """The Docker backend on the stand-in."""
    socket = tmp_path / "docker.sock"
    engine = Engine(f"unix://{socket}", owner="us")
    async with listening(stand_in.app(), socket):
        yield DockerMarketplace(sqlite_stage.simulated, engine)
        engine.close()


@pytest.fixture
def elsewhere(sqlite_stage: Stage) -> Iterator[Callable[[str], DockerMarketplace]]:
    """The Docker backend on any address."""
    engines: list[Engine] = []

    def at(url: str) -> DockerMarketplace:
        engines.append(Engine(url, owner="us"))
        return DockerMarketplace(sqlite_stage.simulated, engines[-1], check_s=1)

    yield at
    for engine in engines:
        engine.close()
    # the SDK leaves the socket of a connection that failed to the garbage collector
    with warnings.catch_warnings(action="ignore"):
        gc.collect(1)  # a whole collection takes half a second here, and these sockets are young


def workload(*changes: tuple[str, str]) -> Workload:
    sdl = HELLO
    for old, new in changes:
        assert old in sdl
        sdl = sdl.replace(old, new)
    return Workload(compile_sdl(sdl).groups)


async def test_an_engine_that_has_everything_says_what_running_there_means(market: DockerMarketplace):
    meaning = await market.capabilities(workload())

    assert meaning == (
        "The container really runs on the local Docker engine; bids, price and lease are simulated."
    )


async def test_images_that_it_lacks_are_named_and_not_pulled(market: DockerMarketplace, stand_in: StandIn):
    stand_in.images = ()

    with pytest.raises(ImageNotPresent) as refusal:
        await market.capabilities(workload())

    assert refusal.value.members == {"images": ["debian:trixie-slim"]}
    assert not [verb for verb in stand_in.asked if verb.startswith("images/create")]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("units: 100m", "units: 5"), "more than the machine's 4 CPUs"),
        (("size: 128Mi", "size: 9Gi"), "more than the machine's 8589934592 bytes"),
        (("size: 128Mi", "size: 5Mi"), "nothing with less than 6291456 bytes"),
        (("count: 1", "count: 21"), "at most 20 containers, not 21"),
    ],
)
async def test_what_the_machine_has_not_is_said(
    market: DockerMarketplace, change: tuple[str, str], reason: str
):
    with pytest.raises(NotOnDocker) as refusal:
        await market.capabilities(workload(change))

    assert reason in refusal.value.detail


async def test_all_replicas_together_must_fit_into_memory_but_may_share_cpus(market: DockerMarketplace):
    shared = workload(("units: 100m", "units: 4"), ("count: 1", "count: 20"))
    full = workload(("size: 128Mi", "size: 1Gi"), ("count: 1", "count: 9"))

    assert await market.capabilities(shared)
    with pytest.raises(NotOnDocker):
        await market.capabilities(full)


@pytest.mark.parametrize(
    "failure",
    [
        Response("not json", 200),
        Response("{}", 500),
        Response("{}", 403),
        JSONResponse({"message": "busy"}, 503),
        Response("", 301, {"Location": "http://127.0.0.1:9/"}),
    ],
    ids=["nonsense", "broken", "forbidden", "busy", "elsewhere"],
)
async def test_an_engine_that_talks_nonsense_is_not_available(
    market: DockerMarketplace, stand_in: StandIn, failure: Response
):
    stand_in.failing = {"info": failure}

    with pytest.raises(DockerNotAvailable):
        await market.capabilities(workload())


async def test_an_engine_that_fails_once_is_asked_again(market: DockerMarketplace, stand_in: StandIn):
    stand_in.failing = {"info": Response("{}", 500)}
    with pytest.raises(DockerNotAvailable):
        await market.capabilities(workload())

    stand_in.failing = {}

    assert await market.capabilities(workload())


async def test_a_question_about_an_order_to_a_broken_engine_is_unavailable_and_changes_nothing(
    market: DockerMarketplace, stand_in: StandIn
):
    stand_in.failing = {"networks": Response("{}", 500), "containers": Response("{}", 500)}

    with pytest.raises(Unavailable):
        await market.close(uuid4())
    with pytest.raises(Unavailable):
        await market.held()


async def test_what_the_engine_calls_a_bad_request_is_a_refusal_and_what_it_trips_over_is_not(
    market: DockerMarketplace, stand_in: StandIn
):
    order_id = uuid4()
    stand_in.failing = {"networks/create": JSONResponse({"message": "invalid subnet"}, 400)}
    with pytest.raises(ManifestRefused, match="invalid subnet"):
        await market.engine.ask(lambda containers: containers.run(order_id, workload()))

    stand_in.failing = {"networks/create": JSONResponse({"message": "out of addresses"}, 500)}

    with pytest.raises(Unavailable):
        await market.engine.ask(lambda containers: containers.run(order_id, workload()))


async def test_an_engine_without_addresses_for_another_network_says_so_at_once(
    market: DockerMarketplace, stand_in: StandIn
):
    """As Docker 20.10 does; later ones call it a bad request."""
    full = "could not find an available, non-overlapping IPv4 address pool among the defaults"
    stand_in.failing = {"networks/create": JSONResponse({"message": full}, 404)}

    with pytest.raises(ManifestRefused, match="address pool"):
        await market.engine.ask(lambda containers: containers.run(uuid4(), workload()))


async def test_an_order_of_which_nothing_is_there_has_ended(market: DockerMarketplace):
    condition = await market.engine.ask(lambda containers: containers.condition(uuid4()))

    assert (condition.phase, condition.note) == ("exited", "Its containers are gone.")


@pytest.mark.parametrize("url", ["unix:///nowhere/docker.sock", "tcp://127.0.0.1:9", "http://127.0.0.1:9"])
async def test_where_nobody_listens_there_is_no_engine(
    elsewhere: Callable[[str], DockerMarketplace], url: str
):
    market = elsewhere(url)

    with pytest.raises(DockerNotAvailable):
        await market.capabilities(workload())


async def test_a_socket_file_without_a_listener_is_no_engine(
    elsewhere: Callable[[str], DockerMarketplace], tmp_path: Path
):
    (tmp_path / "stale.sock").touch()
    market = elsewhere(f"unix://{tmp_path}/stale.sock")

    with pytest.raises(DockerNotAvailable):
        await market.capabilities(workload())


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def babbling(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-not-docker\r\n")
    await writer.drain()
    writer.close()


@asynccontextmanager
async def peer(talk: Talk, socket: Path) -> AsyncGenerator[str, None]:
    """Somebody who listens there and is no engine; yields the address."""
    writers: list[asyncio.StreamWriter] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await talk(reader, writer)

    server = await asyncio.start_unix_server(accept, socket)
    yield f"unix://{socket}"
    server.close()
    for writer in writers:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@pytest.mark.parametrize("talk", [silent, babbling])
async def test_whoever_else_listens_there_is_no_engine_and_holds_nobody_up(
    elsewhere: Callable[[str], DockerMarketplace], tmp_path: Path, talk: Talk
):
    async with peer(talk, tmp_path / "peer.sock") as url, asyncio.timeout(10):
        market = elsewhere(url)
        with pytest.raises(DockerNotAvailable):
            await market.capabilities(workload())


async def test_questions_that_hang_do_not_keep_others_from_being_told(
    elsewhere: Callable[[str], DockerMarketplace], tmp_path: Path
):
    """More of them than an engine has threads."""
    async with peer(silent, tmp_path / "peer.sock") as url, asyncio.timeout(10):
        market = elsewhere(url)
        asking = (market.capabilities(workload()) for _ in range(20))
        answers = await asyncio.gather(*asking, return_exceptions=True)

    assert {type(answer) for answer in answers} == {DockerNotAvailable}


def test_nothing_of_docker_is_loaded_before_an_engine_is_needed():
    """The SDK weighs 7 MB and a quarter of a second in every deployer that only simulates."""
    program = "import sys, mesh_deployer.app; sys.exit('docker' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0
