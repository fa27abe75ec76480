"""What is searched for, and why each agent is found where it is."""

from typing import Annotated, Self

from mesh_shared.wire import Capability, Units, WireModel
from pydantic import BaseModel, Field, StringConstraints

from mesh_registry.domain.agents import Agent, Listing, Match
from mesh_registry.domain.chain import Status
from mesh_registry.domain.metadata import Protocol
from mesh_registry.domain.reputation import PPM
from mesh_registry.domain.search import Criteria, Mode

MOST_NAMES = 8
Prefix = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9._/-]{0,126}[./]$"),
    Field(
        description="Beginning of a capability, up to and with a `.` or `/`.", examples=["text.", "data/csv/"]
    ),
]
Text = Annotated[
    str,
    StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00]*$"),
    Field(description="What the agent should be about.", examples=["condense a long article"]),
]
MIN_REPUTATION = "What quality to expect at least, with 95 % certainty."
MAX_PRICE = "Base units. Met by the cheapest tool for each capability and prefix asked for, or of all."
STATUS = "At least this sure."
MODE = "How `text` is matched: all its words, its meaning, or both fused with the rank."


class SearchRequest(WireModel):
    """Everything that is given must be met. Without `text` the best come first, with it the nearest."""

    capabilities: list[Capability] = Field(
        default=[], max_length=MOST_NAMES, description="All of them.", examples=[["text.summarize"]]
    )
    prefix: Prefix | None = Field(default=None, examples=["text."])
    text: Text | None = Field(default=None, examples=["condense a long article"])
    mode: Mode = Field(default=Mode.FUSED, strict=False, description=MODE)
    protocols: list[Protocol] = Field(
        default=[], max_length=MOST_NAMES, description="All of them.", examples=[["mesh"]]
    )
    maxPrice: Units | None = Field(default=None, description=MAX_PRICE, examples=["250000"])
    minReputation: float = Field(default=0, ge=0, le=1, description=MIN_REPUTATION, examples=[0.4])
    status: Status = Field(default=Status.PENDING, strict=False, description=STATUS)

    def criteria(self) -> Criteria:
        return Criteria(
            capabilities=self.capabilities,
            prefix=self.prefix,
            protocols=self.protocols,
            max_price_units=None if self.maxPrice is None else int(self.maxPrice),
            min_reputation_ppm=round(self.minReputation * PPM),
            status=self.status,
            text=self.text,
            mode=self.mode,
        )


class MatchView(BaseModel):
    """Where the agent stands among those that the text finds; a rank is null where it is not among them."""

    score: float = Field(description="Sum of 1 / (60 + rank) over the lists.", examples=[0.032787])
    wordsRank: int | None = Field(description="Among those that have all the words.", examples=[1])
    meaningRank: int | None = Field(description="Among those nearest in meaning.", examples=[1])

    @classmethod
    def of(cls, match: Match) -> Self:
        return cls(score=match.score_ppm / PPM, wordsRank=match.words_rank, meaningRank=match.meaning_rank)


class WhyView(BaseModel):
    """Why the agent is found where it is: `rank` is the product of the four factors."""

    rank: float = Field(examples=[0.280469])
    quality: float = Field(description="The reputation.", examples=[0.420104])
    stakeWeight: float = Field(description="1 without stake, less than 1.25 with any.", examples=[1.0])
    recency: float = Field(
        description="1 on the day of the last paid praise, or of the registration; halves in 180 days of "
        "7,200 blocks.",
        examples=[1.0],
    )
    supporterWeight: float = Field(
        description="(1 + n) / (2 + n) for n distinct clients who paid and were content.", examples=[0.666667]
    )
    supporters: int = Field(description="That n.", examples=[1])
    match: MatchView | None = Field(description="Null when no text was searched for.")
    summary: str = Field(
        examples=["Quality of 0.42 at least, as no paid work was rated yet; nothing at stake."]
    )

    @classmethod
    def of(cls, listing: Listing) -> Self:
        rank = listing.rank
        return cls(
            rank=round(rank.value, 6),
            quality=rank.quality,
            stakeWeight=round(rank.stake_weight, 6),
            recency=round(rank.recency, 6),
            supporterWeight=round(rank.supporter_weight, 6),
            supporters=listing.agent.standing.supporter_count,
            match=listing.match and MatchView.of(listing.match),
            summary=_summary(listing.agent, listing.match),
        )


def _summary(agent: Agent, match: Match | None) -> str:
    standing = agent.standing
    scores, clients = _many(standing.feedback_count, "paid score"), standing.supporter_count
    basis = f"by {scores}, {_many(clients, 'content client')}"
    proof = basis if standing.feedback_count else "as no paid work was rated yet"
    stake = f"{agent.stake_units} units at stake" if agent.stake_units else "nothing at stake"
    quality = f"Quality of {standing.reputation_ppm / PPM:.2f} at least, {proof}; {stake}."
    return quality if match is None else f"{_matched(match)} {quality}"


def _matched(match: Match) -> str:
    words = match.words_rank and f"number {match.words_rank} by words"
    meaning = match.meaning_rank and f"number {match.meaning_rank} by meaning"
    return f"Found as {' and '.join(found for found in (words, meaning) if found)}."


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
