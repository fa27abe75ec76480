"""Real Docker engines as tests leave them: with nothing of a deployer that has stopped."""

from contextlib import closing
from pathlib import Path
from threading import Lock

from fastapi import FastAPI
from mesh_deployer.adapters.containers import Containers, connect
from mesh_deployer.adapters.engine import Engine


def engine_of(app: FastAPI) -> Engine | None:
    """Where a deployer that has run ran its containers; none of one that never started."""
    deployer = getattr(app.state, "service", None)
    return deployer and deployer.markets["docker"].engine


def cleared(engine: Engine) -> None:
    """Removes what is left there: an engine has addresses for some thirty networks only."""
    engine._threads.shutdown(wait=True)  # a step that was given up may still be at work
    kind, _, path = engine.url.partition("://")
    if kind == "unix" and not Path(path).exists():
        return
    with closing(connect(engine.url)) as docker:
        containers = Containers(docker, engine.owner, Lock())
        for order in containers.held():
            containers.remove(order)
