"""Implements `ports.Rates`: one count for all replicas in Redis, and a tenth for each while that is down."""

import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from mesh_security_gateway.domain.grants import Rate
from mesh_security_gateway.domain.pacing import admit, alone

PAUSE_S = 2.0
"""How long Redis is not asked again after it failed: a call need not wait for it each time."""
MOST_KEPT = 10_000

# `domain.pacing.admit` by Redis' own clock, in microseconds, so that replicas need not agree on theirs.
_ADMIT = """
local t = redis.call('TIME')
local now, interval, period = t[1] * 1000000 + t[2], ARGV[2] * 1000000 / ARGV[1], ARGV[2] * 1000000
local due = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
local early = due - now - (period - interval)
if early > 0 then return math.ceil(early) end
local next = due + interval
redis.call('SET', KEYS[1], string.format('%.0f', next), 'PX', math.ceil((next - now) / 1000) + 1)
return 0
"""
_MICROSECONDS = 1_000_000


@dataclass(slots=True)
class RedisRates:
    """Counts calls by a key; see `ports.Rates`."""

    redis: Redis
    _down_until: float = 0.0
    _due: OrderedDict[str, float] = field(default_factory=OrderedDict[str, float])

    async def take(self, key: str, rate: Rate) -> float:
        """0 when there was room for a call, which is then taken; otherwise the seconds until there is."""
        if time.monotonic() >= self._down_until:
            try:
                return await self._take(key, rate)
            except (RedisError, OSError, TimeoutError):
                self._down_until = time.monotonic() + PAUSE_S
        return self._take_alone(key, alone(rate))

    async def _take(self, key: str, rate: Rate) -> float:
        client = cast("Any", self.redis)  # its stubs do not say what a script answers
        early = await client.execute_command(
            "EVAL", _ADMIT, 1, f"mesh:gateway:rate:{key}", rate.calls, rate.per_s
        )
        return early / _MICROSECONDS

    def _take_alone(self, key: str, rate: Rate) -> float:
        due, early = admit(self._due.pop(key, 0.0), time.monotonic(), rate)
        self._due[key] = due
        while len(self._due) > MOST_KEPT:
            self._due.popitem(last=False)
        return early
