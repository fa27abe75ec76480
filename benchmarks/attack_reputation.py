"""What it takes to lie to the registry's ranking: honest agents, and one that does bad work and attacks.

python benchmarks/attack_reputation.py [--write]

`--write` puts the table into docs/reputation.md. One seed for everything: it is the same on every machine.
"""

import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mesh_registry.domain import ranking
from mesh_registry.domain.reputation import ACCEPTED_PPM, MAX_STAKE_UNITS, PPM, Standing, reputation_ppm

PAGE = Path(__file__).parents[1] / "docs" / "reputation.md"
BEGIN, END = "<!-- attacks -->\n", "<!-- end of attacks -->\n"
SEED = 371
HONEST, JOBS, CLIENTS = 40, 20, 200
BAD_QUALITY, NOISE = 0.3, 0.1
ATTACKER = "attacker"


@dataclass(frozen=True, slots=True)
class Rating:
    """What `client` said of one job, paid through an escrow or not, which was refunded or not."""

    client: str
    score: float
    is_paid: bool = True
    is_refunded: bool = False

    @property
    def counts(self) -> bool:
        is_praise = self.score * PPM >= ACCEPTED_PPM
        return self.is_paid and not (self.is_refunded and is_praise)


@dataclass(frozen=True, slots=True)
class Agent:
    ratings: Sequence[Rating]
    stake_units: int = 0

    @property
    def standing(self) -> Standing:
        counted = [rating for rating in self.ratings if rating.counts]
        total_ppm = sum(round(rating.score * PPM) for rating in counted)
        content = {rating.client for rating in counted if rating.score * PPM >= ACCEPTED_PPM}
        return Standing(reputation_ppm(total_ppm, len(counted)), len(counted), 0, len(content))

    @property
    def rank(self) -> float:
        return ranking.rank(self.standing, self.stake_units, 0, 0).value


def jobs(dice: random.Random, quality: float) -> list[Rating]:
    """Honest ratings of twenty paid jobs; work under 0.8 is refunded, as the coordinator does."""
    scores = [min(1.0, max(0.0, dice.gauss(quality, NOISE))) for _ in range(JOBS)]
    return [
        Rating(f"client {dice.randrange(CLIENTS)}", s, is_refunded=s * PPM < ACCEPTED_PPM) for s in scores
    ]


def praise(count: int, accounts: int, *, is_paid: bool = True, is_refunded: bool = False) -> list[Rating]:
    """The attacker's own accounts give it the best score."""
    return [Rating(f"own {n % accounts}", 1.0, is_paid, is_refunded) for n in range(count)]


Attack = Callable[[list[Rating]], Agent]
ATTACKS: Sequence[tuple[str, int, int, Attack]] = (
    ("none: honest ratings of bad work", 0, 0, Agent),
    (
        "1,000 ratings that nobody paid for",
        0,
        1000,
        lambda bad: Agent(bad + praise(1000, 1000, is_paid=False)),
    ),
    ("100 own escrows, refunded to itself", 0, 1, lambda bad: Agent(bad + praise(100, 1, is_refunded=True))),
    ("the largest stake there can be", 0, 0, lambda bad: Agent(bad, MAX_STAKE_UNITS)),
    ("100 own escrows, released, one account", 100, 1, lambda bad: Agent(bad + praise(100, 1))),
    ("10 own escrows, released, 10 accounts", 10, 10, lambda bad: Agent(bad + praise(10, 10))),
    ("100 own escrows, released, 100 accounts", 100, 100, lambda bad: Agent(bad + praise(100, 100))),
    ("a new name after the bad work", 0, 0, lambda bad: Agent([])),
    ("a new name and 10 own escrows of 10 accounts", 10, 10, lambda bad: Agent(praise(10, 10))),
)


def table() -> str:
    """The attacks, what each costs, and how far each gets."""
    dice = random.Random(SEED)  # noqa: S311 - a simulation
    honest = [Agent(jobs(dice, dice.uniform(0.5, 0.98))) for _ in range(HONEST)]
    bad = jobs(dice, BAD_QUALITY)
    lines = [
        "| attack | escrows it pays the fee of | accounts | reputation | rank | place of 41 |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, escrows, accounts, attack in ATTACKS:
        agent = attack(bad)
        place = 1 + sum(other.rank > agent.rank for other in honest)
        reputation = agent.standing.reputation_ppm / PPM
        lines.append(f"| {name} | {escrows} | {accounts} | {reputation:.3f} | {agent.rank:.3f} | {place} |")
    return "\n".join([*lines, "", _slander(honest)]) + "\n"


def _slander(honest: Sequence[Agent]) -> str:
    """What a competitor does to the best agent by paying it and blaming it."""
    best = max(honest, key=lambda agent: agent.rank)
    blamed = Agent([*best.ratings, *(Rating(ATTACKER, 0.0, is_refunded=True) for _ in range(5))])
    place = 1 + sum(other.rank > blamed.rank for other in honest if other is not best)
    return (
        f"Slander: five jobs of the best agent, paid by a competitor, rated 0 and refunded, "
        f"take it from {best.rank:.3f} to {blamed.rank:.3f}, from place 1 to {place}."
    )


def main() -> None:
    print(table())
    if "--write" in sys.argv:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(before + BEGIN + table() + END + rest.partition(END)[2])


if __name__ == "__main__":
    main()
