"""Who is asked about results that the checks alone do not decide, agreed on before any money is locked."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Validators:
    """Agents that score a result, each for nothing, within `timeout_s` seconds.

    The best `count` of those that offer `capability` are asked, or of `agents`, when some are named by their
    ids. Their median counts once `quorum` of them have answered.
    """

    capability: str
    agents: tuple[str, ...] = ()
    count: int = 3
    quorum: int = 2
    timeout_s: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """Who says what becomes of a score between 0.6 and 0.8: validators, then a person within `deadline_s`.

    When nobody has said anything, `pays_by_default` decides.
    """

    validators: Validators | None = None
    asks_person: bool = False
    deadline_s: int = 86_400
    pays_by_default: bool = False

    @property
    def lasts_s(self) -> int:
        """Most seconds from the delivery to the decision."""
        asking_s = self.validators.timeout_s if self.validators else 0
        return asking_s + (self.deadline_s if self.asks_person else 0)
