"""Outcomes a caller can act on."""

from collections.abc import Sequence
from dataclasses import asdict

from mesh_shared.errors import Conflict, FieldError, MeshError, NotFound, Unavailable


class RunNotFound(NotFound, title="Run not found"):
    """No run has that id."""

    def __init__(self) -> None:
        super().__init__("There is no run with that id.")


class StepNotFound(NotFound, title="Step not found"):
    """The run's plan has no such step."""

    def __init__(self) -> None:
        super().__init__("The run's plan has no step with that id.")


class RunOpen(Conflict, title="Run has not ended"):
    """Only what has ended can be forked: what still runs has no result to keep yet."""

    def __init__(self) -> None:
        super().__init__("The run has not ended yet; cancel it, or wait for its end.")


class AgentNotFound(NotFound, title="Agent not found"):
    """The registry lists no agent with that id."""

    def __init__(self) -> None:
        super().__init__("The registry lists no agent with that id.")


class ApprovalNotFound(NotFound, title="Approval not found"):
    """The run asks nobody under that id."""

    def __init__(self) -> None:
        super().__init__("The run has no approval with that id.")


class ApprovalDecided(Conflict, title="Approval is decided"):
    """Somebody has decided otherwise already."""

    def __init__(self, decision: str) -> None:
        super().__init__(f"It was decided already: {decision}.", decision=decision)


class ApprovalExpired(Conflict, title="Approval has expired"):
    """The run was cancelled, or the time to decide was over, before anybody decided."""

    def __init__(self) -> None:
        super().__init__("The run stops, or the time was over: nothing is left to decide.")


class AuctionClosed(Conflict, title="No bids are taken"):
    """The step takes no bids: not yet, not any more, or never."""

    def __init__(self) -> None:
        super().__init__("The step takes no bids now.")


class NotInvited(Conflict, title="Agent not invited"):
    """The agent is not among the step's candidates."""

    def __init__(self) -> None:
        super().__init__("The agent is not among those who may be hired for the step.")


class BidTooHigh(Conflict, title="Bid too high"):
    """The step may not cost so much."""

    def __init__(self, limit_units: int) -> None:
        super().__init__(f"The step may cost at most {limit_units} base units.", limit=str(limit_units))


class BidNotSigned(Conflict, title="Bid not signed"):
    """The signature is not that of the agent's owner over this bid."""

    def __init__(self) -> None:
        super().__init__("The signature is not that of the agent's owner over this bid.")


class EscrowNotFound(NotFound, title="Escrow not found"):
    """Neither the chain nor this coordinator has an escrow with that id."""

    def __init__(self) -> None:
        super().__init__("Neither the chain nor this coordinator knows that escrow.")


class InvalidPlan(Conflict, title="Plan not valid"):
    """The requirements contradict themselves; `errors` points at each place. Nothing was run."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__(
            f"{len(errors)} place(s) of the plan make no sense.", errors=[asdict(e) for e in errors]
        )


class NoRequirementRecognised(Conflict, title="No requirement recognised"):
    """No rule finds a capability in the text of the task. Name the requirements explicitly."""

    def __init__(self, known: Sequence[str]) -> None:
        super().__init__(
            "No rule recognises what this task needs: send `requirements`.", recognised=list(known)
        )


class NoAcceptableAgent(Conflict, title="No acceptable agent"):
    """No agent can be hired for these steps; `POST /v1/plans` says why for each candidate."""

    def __init__(self, steps: Sequence[str]) -> None:
        super().__init__(f"Nobody can be hired for: {', '.join(steps)}.", steps=list(steps))


class BudgetNotFound(NotFound, title="Budget not found"):
    """The caller has no budget of that name."""

    def __init__(self) -> None:
        super().__init__("You have no budget of that name.")


class BudgetExists(Conflict, title="Budget exists"):
    """The caller has a budget of that name, with another limit."""

    def __init__(self, limit_units: int) -> None:
        super().__init__("You have a budget of that name with another limit.", limit=str(limit_units))


class BudgetTooSmall(Conflict, title="Budget too small"):
    """The chosen agents ask for more than the budget."""

    def __init__(self, *, price_units: int, budget_units: int) -> None:
        super().__init__(
            f"The plan costs {price_units} base units, the budget is {budget_units}.",
            price=str(price_units),
            budget=str(budget_units),
        )


class BudgetAboveLimit(Conflict, title="Budget above the limit"):
    """The operator lets no run spend that much."""

    def __init__(self, limit_units: int) -> None:
        super().__init__(f"A run may spend at most {limit_units} base units.", limit=str(limit_units))


class RunEnded(Conflict, title="Run has ended"):
    """What has ended cannot be cancelled, paused or resumed."""

    def __init__(self, status: str) -> None:
        super().__init__(f"The run has ended already: {status}.", run_status=status)


class PaymentPending(Unavailable, title="Payment is not settled yet"):
    """The payment is on its way to the chain; the same request again waits for it and pays nothing more."""

    def __init__(self) -> None:
        MeshError.__init__(self, "The payment is on its way; send the same request again.")
