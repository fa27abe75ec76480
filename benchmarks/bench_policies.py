"""How long a decision takes: Cedar with the baseline and one subject with one and with 2,000 grants.

    python benchmarks/bench_policies.py

Prints microseconds of CPU a decision, the best of rounds, so that little depends on who else is busy: one
that was made before; one that never was, because a published policy reads the time and each is of another
second; and the time to read the grants anew.
"""

import time
from collections.abc import Callable
from itertools import count as count_up
from uuid import UUID

from mesh_security_gateway.adapters.cedar import CedarRules
from mesh_security_gateway.domain.grants import Grant
from mesh_security_gateway.domain.holding import Holding
from mesh_security_gateway.domain.rules import Target
from mesh_security_gateway.service.deciding import Call, Slice
from msgspec import structs

ROUNDS, TIMES = 30, 200
TARGET = Target(name="github", owner="admin", origin="https://api.github.com", is_private=False)

READS_TIME = '@id("then") forbid (principal, action, resource) when { context.now == 0 };'
READS_ALL = (
    '@id("all") forbid (principal, action, resource) when '
    '{ context.now == 0 || context.path == "/" || context.query_keys.contains("x") || context.leased };'
)
NAMES = {"": "baseline", READS_TIME: "a policy on the time", READS_ALL: "a policy on everything"}


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
        began = time.thread_time()
        for _ in range(TIMES):
            run()
        return (time.thread_time() - began) / TIMES * 1e6

    return min(once() for _ in range(ROUNDS))


def measure(count: int) -> None:
    given = grants(count)
    holding = Holding(given, 0)
    for text in ("", READS_TIME, READS_ALL):
        held = Slice(revision=(0, 0), target=TARGET, holding=holding, rules=CedarRules.compile(text))
        for what, path in (("first", "/repos/owner-0/a"), ("last", f"/users/{count - 1}"), ("none", "/orgs")):
            call = Call(subject="agent-7", method="GET", path=path, query_keys=("q",), now=1.0)
            seconds = count_up()
            each = microseconds(
                lambda call=call, s=seconds, h=held: h.decide(structs.replace(call, now=next(s)))
            )
            again = microseconds(lambda call=call, h=held: h.decide(call))
            by = ", ".join(held.decide(call).policies)
            print(
                f"{count:5} grants, {NAMES[text]:26} {what:5}: new {each:6.1f} µs, {again:5.1f} again: {by}"
            )
    began = time.perf_counter()
    Holding(given, 0)
    print(f"{count:5} grants, read anew: {(time.perf_counter() - began) * 1e3:.1f} ms")


if __name__ == "__main__":
    for count in (1, 2000):
        measure(count)
