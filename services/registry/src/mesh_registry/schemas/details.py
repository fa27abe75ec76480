"""An agent with what others vouch for."""

from typing import Self

from pydantic import BaseModel, Field

from mesh_registry.schemas.agents import AgentView
from mesh_registry.schemas.cards import CardVerdict
from mesh_registry.service.showing import Profile


class ValidationSummary(BaseModel):
    """How validators answered; they do not move the rank."""

    answeredCount: int = Field(examples=[1])
    averageResponse: float | None = Field(
        description="0 to 100; null before the first answer.", examples=[100]
    )


class AgentDetail(AgentView):
    """One agent. `card` is null when it was registered by something else, or is no more what it said."""

    card: CardVerdict | None
    validation: ValidationSummary

    @classmethod
    def about(cls, profile: Profile) -> Self:
        return cls(
            **dict(AgentView.of(profile.listing)),
            card=profile.card and CardVerdict.on(profile.card),
            validation=ValidationSummary(answeredCount=profile.answered, averageResponse=profile.average),
        )
