"""Outcomes a caller can act on."""

from collections.abc import Mapping
from http import HTTPStatus
from uuid import UUID

from mesh_shared.errors import Conflict, MeshError, NotFound


class AgentNotFound(NotFound, title="Agent not found"):
    """The index has no agent with that id."""

    def __init__(self) -> None:
        super().__init__("There is no such agent, or it is not indexed yet.")


class OperationNotFound(NotFound, title="Operation not found"):
    def __init__(self) -> None:
        super().__init__("There is no such operation.")


class MetadataInvalid(Conflict, title="Metadata invalid"):
    """The document is not what an agent's metadata must be."""


class ToolUnfit(Conflict, title="Tool unfit"):
    """The parameters of a tool are larger than 8 KiB or nested more than 32 levels deep."""


class TextUnfit(Conflict, title="Text unfit"):
    """A text has a character that nobody sees: a control, a bidirectional override, a zero-width space."""

    def __init__(self, character: str) -> None:
        super().__init__(
            f"A text of the metadata contains {character}, which nobody sees.", character=character
        )


class StakeTooLarge(Conflict, title="Stake too large"):
    """The contract counts stakes in 128 bits."""

    def __init__(self) -> None:
        super().__init__("A stake must be less than 2**128 base units.")


class RegistrationRefused(Conflict, title="Registration refused"):
    """The contract does not take the registration. Nothing was registered and no gas was spent."""

    def __init__(self, detail: str = "The contract refuses this registration.", **members: object) -> None:
        super().__init__(detail, **members)


class AgentExists(RegistrationRefused, title="Agent exists"):
    """The id belongs to another registration."""

    def __init__(self) -> None:
        super().__init__("This id belongs to another registration.")


class SignatureDoesNotMatch(RegistrationRefused, title="Signature does not match"):
    """The owner did not sign exactly this registration with its present nonce."""

    def __init__(self) -> None:
        super().__init__(
            "The owner did not sign this registration with its present nonce: "
            "ask POST /v1/registrations for what to sign."
        )


class NonceUsed(RegistrationRefused, title="Nonce used"):
    """Another message of the owner took the nonce that was signed."""

    def __init__(self) -> None:
        super().__init__("Another message of the owner took this nonce: sign again.")


class DeadlinePassed(RegistrationRefused, title="Deadline passed"):
    """The moment up to which the signature was valid has passed."""

    def __init__(self) -> None:
        super().__init__("The signature's deadline has passed: sign again.")


class AllowanceTooLow(RegistrationRefused, title="Allowance too low"):
    """The owner allows the registry less than the stake."""

    def __init__(self) -> None:
        super().__init__("The owner's allowance does not cover the stake: send a permit with it.")


class BalanceTooLow(RegistrationRefused, title="Balance too low"):
    """The owner has less than the stake."""

    def __init__(self) -> None:
        super().__init__("The owner's balance does not cover the stake.")


class OwnerCannotReceive(RegistrationRefused, title="Owner cannot receive"):
    """The owner is a contract that does not take ERC-721 tokens."""

    def __init__(self) -> None:
        super().__init__("The owner is a contract that does not accept the agent's token.")


class RegistrationReverted(RegistrationRefused, title="Registration reverted"):
    """The transaction was mined without effect: something changed after it was sent."""

    def __init__(self) -> None:
        super().__init__("The transaction was mined without effect.")


class SigningDelayed(MeshError, status=HTTPStatus.SERVICE_UNAVAILABLE, title="Signing delayed"):
    """The registration is accepted and kept; its transaction has no hash yet."""

    def __init__(self, operation_id: UUID) -> None:
        super().__init__(
            "Accepted, but not sent yet. Follow the operation or repeat the request: it is one registration.",
            operationId=str(operation_id),
        )

    def headers(self) -> Mapping[str, str]:
        return {"Retry-After": "2"}
