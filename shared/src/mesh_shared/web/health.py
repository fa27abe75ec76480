"""Liveness without I/O, readiness that names what is down."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from mesh_shared.errors import Unavailable
from mesh_shared.web import problems

Check = Callable[[], Awaitable[object]]

LIMIT_S = 1.0
ATTEMPTS = 2
"""A process that was itself held up for a second has learnt nothing of the others."""
FRESH_S = 0.5

router = APIRouter(tags=["meta"])


@dataclass(slots=True)
class Checks:
    """The dependencies of one service; each is asked at most every half second."""

    _checks: dict[str, Check] = field(default_factory=dict[str, Check])
    _down: tuple[str, ...] = ()
    _asked_at: float = -FRESH_S
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def add(self, name: str, check: Check) -> None:
        """`check` raises, or takes longer than a second twice, when the dependency `name` is down."""
        self._checks[name] = check

    def names(self) -> tuple[str, ...]:
        return tuple(self._checks)

    def last(self) -> dict[str, bool]:
        """What the last look found, without looking again."""
        return {name: name not in self._down for name in self._checks}

    async def down(self) -> tuple[str, ...]:
        """Names of the dependencies that do not answer; empty when all is well."""
        async with self._turn:
            if time.monotonic() - self._asked_at > FRESH_S:
                answers = await asyncio.gather(*(self._is_up(check) for check in self._checks.values()))
                self._down = tuple(name for name, up in zip(self._checks, answers, strict=True) if not up)
                self._asked_at = time.monotonic()
            return self._down

    @staticmethod
    async def _is_up(check: Check) -> bool:
        for _ in range(ATTEMPTS):
            asked_at = time.monotonic()
            try:
                async with asyncio.timeout(LIMIT_S):
                    await check()
            except TimeoutError:
                continue  # whatever the time says: uvloop's milliseconds may be over a little sooner
            except Exception:  # noqa: BLE001 - however a dependency fails, it is down
                if time.monotonic() - asked_at < LIMIT_S:
                    return False
            else:
                return True
        return False


class Alive(BaseModel):
    status: Literal["alive"] = "alive"


class Ready(BaseModel):
    status: Literal["ready"] = "ready"
    checks: list[str]


@router.get("/livez", operation_id="get_liveness", summary="Is it alive?")
async def livez() -> Alive:
    """Answers while the process can answer; asks nothing else."""
    return Alive()


@router.get(
    "/readyz",
    operation_id="get_readiness",
    summary="Is it ready, and what is down?",
    response_model=Ready,
    responses={503: {"model": problems.Problem}},
)
async def readyz(request: Request) -> Response:
    """200 when every dependency answers, else 503 naming those that fail or are silent for two seconds."""
    checks: Checks = request.app.state.platform.checks
    if down := await checks.down():
        return problems.render(request.url.path, Unavailable(*down))
    return JSONResponse(Ready(checks=list(checks.names())).model_dump(), HTTPStatus.OK)
