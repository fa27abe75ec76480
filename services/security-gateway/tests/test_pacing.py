"""How often a grant may be used: one rule, in this process and in Redis."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_cli import parts
from mesh_security_gateway.adapters.rates import RedisRates
from mesh_security_gateway.domain.grants import Rate
from mesh_security_gateway.domain.pacing import admit, alone
from redis.asyncio import Redis

MINUTE = Rate(calls=3, per_s=60)


def test_so_many_calls_pass_in_a_row_and_then_one_each_interval():
    due, waits = 0.0, list[float]()
    for now in (100, 100, 100, 100, 119.9, 120, 120, 140):
        due, early = admit(due, now, MINUTE)
        waits.append(round(early, 6))

    assert waits == [0, 0, 0, 20, 0.1, 0, 20, 0]


def test_a_call_that_is_refused_makes_the_next_no_later():
    due = 0.0
    for _ in range(3):
        due, _ = admit(due, 0, MINUTE)
    refused = [admit(due, 1, MINUTE) for _ in range(100)]

    assert {after for after, _ in refused} == {due}


@given(
    st.builds(Rate, calls=st.integers(1, 50), per_s=st.integers(1, 100)),
    st.lists(st.floats(0, 20, allow_nan=False), max_size=200),
)
def test_no_window_ever_sees_twice_the_rate(rate: Rate, pauses: list[float]):
    due, now, passed = 0.0, 1000.0, list[float]()
    for pause in pauses:
        now += pause
        due, early = admit(due, now, rate)
        if early == 0:
            passed.append(now)

    for start in passed:
        within = sum(start <= moment < start + rate.per_s for moment in passed)
        assert within < 2 * rate.calls + 1


@given(st.builds(Rate, calls=st.integers(1, 1000), per_s=st.integers(1, 100)), st.floats(0, 50))
def test_whoever_waits_as_long_as_it_was_told_gets_through(rate: Rate, pause: float):
    due, early = 0.0, 0.0
    while early == 0:
        due, early = admit(due, pause, rate)

    _, again = admit(due, pause + early + 1e-6, rate)

    assert again == 0


def test_alone_a_replica_lets_a_tenth_pass_and_one_at_least():
    assert alone(Rate(calls=100, per_s=60)) == Rate(calls=10, per_s=60)
    assert alone(Rate(calls=3, per_s=60)) == Rate(calls=1, per_s=60)


@pytest.fixture
def key() -> str:
    return str(uuid4())


async def test_replicas_count_together(redis_url: str, key: str):
    one, two = Redis.from_url(redis_url), Redis.from_url(redis_url)
    rates = [RedisRates(one), RedisRates(two)]

    waits = await asyncio.gather(*(rates[n % 2].take(key, Rate(calls=10, per_s=600)) for n in range(50)))
    kept_for = await one.pttl(f"mesh:gateway:rate:{key}")
    await one.aclose()
    await two.aclose()

    assert sum(wait == 0 for wait in waits) == 10
    assert all(0 < wait <= 60 for wait in waits if wait)
    assert 0 < kept_for <= 601_000


async def test_redis_counts_as_the_rule_does(redis_url: str, key: str):
    redis = Redis.from_url(redis_url)
    rates, rate = RedisRates(redis), Rate(calls=4, per_s=2)

    burst = [await rates.take(key, rate) for _ in range(5)]
    async with asyncio.timeout(30):
        while await rates.take(key, rate) > 0:
            await asyncio.sleep(0.02)
    next_one = await rates.take(key, rate)
    await redis.aclose()

    assert burst[:4] == [0] * 4
    assert 0.2 < burst[4] <= 0.5
    assert 0 < next_one <= 0.5


async def test_without_redis_little_passes_and_nothing_waits(tmp_path: Path, key: str):
    port = parts.free_port()
    process = parts.redis(port, tmp_path)
    redis = Redis.from_url(f"redis://127.0.0.1:{port}/0", socket_timeout=1)
    rates, rate = RedisRates(redis), Rate(calls=30, per_s=600)
    with_redis = [await rates.take(key, rate) for _ in range(5)]
    process.stop()

    without = [await rates.take(key, rate) for _ in range(10)]
    await redis.aclose()

    assert with_redis == [0] * 5
    assert sum(wait == 0 for wait in without) == 3
