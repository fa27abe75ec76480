"""How long a decision takes: Cedar with the baseline, and one subject with one and with 2,000 grants.

    python benchmarks/bench_policies.py

Prints microseconds a decision, the best of rounds, for the first and for the last of the grants and for a
path that none of them covers, and the time to read the grants anew after a change.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count as count_up
from uuid import UUID

from mesh_security_gateway.adapters.cedar import CedarRules
from mesh_security_gateway.domain.grants import Grant
from mesh_security_gateway.domain.holding import Holding
from mesh_security_gateway.domain.rules import Target
from mesh_security_gateway.service.deciding import Call, Slice

ROUNDS, TIMES = 30, 200
TARGET = Target(name="github", owner="admin", origin="https://api.github.com", is_private=False)


def grants(count: int) -> list[Grant]:
    return [
        Grant(
            id=UUID(int=n),
            subject="agent-7",
            connection="github",
            methods=("GET", "POST"),
            paths=(f"/repos/owner-{n}/**", f"/users/{n}"),
            expires_at=None,
            is_revoked=False,
        )
        for n in range(count)
    ]


def microseconds(run: Callable[[], object]) -> float:
    def once() -> float:
        began = time.perf_counter()
        for _ in range(TIMES):
            run()
        return (time.perf_counter() - began) / TIMES * 1e6

    return min(once() for _ in range(ROUNDS))


def measure(count: int) -> None:
    rules, given = CedarRules.compile(""), grants(count)
    held = Slice(revision=(0, 0), target=TARGET, holding=Holding(given, 0), rules=rules)
    for what, path in (("first", "/repos/owner-0/a"), ("last", f"/users/{count - 1}"), ("none", "/orgs")):
        call = Call(subject="agent-7", method="GET", path=path, query_keys=(), now=1.0)
        seconds = count_up()
        anew = microseconds(lambda call=call, s=seconds: held.decide(replace(call, now=next(s))))
        again = microseconds(lambda call=call: held.decide(call))
        by = ", ".join(held.decide(call).policies)
        print(f"{count:5} grants, {what:5}: {anew:7.1f} µs, again within the second {again:5.1f} µs, by {by}")
    began = time.perf_counter()
    Holding(given, 0)
    print(f"{count:5} grants, read anew: {(time.perf_counter() - began) * 1e3:.1f} ms")


if __name__ == "__main__":
    for count in (1, 2000):
        measure(count)
