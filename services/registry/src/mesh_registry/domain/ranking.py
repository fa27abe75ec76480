"""The order in which agents are found, and the reasons for each place in it."""

from dataclasses import dataclass
from math import log2

from mesh_registry.domain.reputation import MAX_STAKE_UNITS, PPM, Standing

STAKE_SHARE = 0.25
HALF_STAKE_UNITS = 100_000_000
"""100 tokens of six decimals: the stake that gives half of what any stake can give."""
BLOCKS_A_DAY = 7_200
"""Of 12 seconds, as Ethereum makes them (EIP-3675). Chain time, so that every replica counts the same."""
HALF_LIFE_DAYS = 180
_TOP = 10**15 - 1
_OFFSET = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Rank:
    """An agent's rank and the factors that it is the product of, each but the stake's between 0 and 1."""

    quality: float
    stake_weight: float
    recency: float
    supporter_weight: float

    @property
    def value(self) -> float:
        """The product."""
        return self.quality * self.stake_weight * self.recency * self.supporter_weight


def stake_weight(stake_units: int) -> float:
    """1 without stake, growing to 1.25: money lends weight and cannot buy a place."""
    return 1 + STAKE_SHARE * stake_units / (stake_units + HALF_STAKE_UNITS)


def supporter_weight(supporter_count: int) -> float:
    """1/2 for nobody, 2/3 for one paying client who was content, growing to 1 with each other one."""
    return (1 + supporter_count) / (2 + supporter_count)


def rank(standing: Standing, stake_units: int, since_block: int, head: int) -> Rank:
    """The rank when block `head` is the newest.

    Args:
        standing: What paid feedback adds up to.
        stake_units: What is at stake, in base units of the token.
        since_block: The block of the last paid praise, or of the registration while there is none. Rank
            halves in 180 days without another.
        head: The newest block.
    """
    return Rank(
        quality=standing.reputation_ppm / PPM,
        stake_weight=stake_weight(stake_units),
        recency=2 ** (-max(0, _day(head) - _day(since_block)) / HALF_LIFE_DAYS),
        supporter_weight=supporter_weight(standing.supporter_count),
    )


def place(standing: Standing, stake_units: int, since_block: int, agent_id: str) -> str:
    """Text that sorts best first: by rank, stake, id. Of fixed width, so text order is number order.

    Ranks all halve at one pace, so their order is the same whenever it is looked at: what is stored is the
    rank's binary logarithm plus the half-lives from block 0 to `since_block`, and never has to be renewed.
    `stake_units` is at most `MAX_STAKE_UNITS`.
    """
    factors = max(1, standing.reputation_ppm) / PPM * stake_weight(stake_units)
    strength = log2(factors * supporter_weight(standing.supporter_count)) + _day(since_block) / HALF_LIFE_DAYS
    key = min(_TOP, round((strength + _OFFSET) * PPM))
    return f"{_TOP - key:015d}{MAX_STAKE_UNITS - stake_units:039d}{agent_id}"


def _day(block: int) -> int:
    return block // BLOCKS_A_DAY
