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


class CardUnavailable(Conflict, title="Card unavailable"):
    """The card's address is not public, leads elsewhere, or answers with no card of at most 256 KiB."""


class CardUnfit(Conflict, title="Card unfit"):
    """The document is no A2A 1.0 agent card, or names addresses that cannot be called."""


class CardNotFound(NotFound, title="Card not found"):
    """The agent was not registered by a card."""

    def __init__(self) -> None:
        super().__init__("This agent was not registered by a card.")


class ExportNotFound(NotFound, title="Export not found"):
    """The agent's document is not known (yet), or the agent does not speak what the export is about."""


class ServerNotFound(NotFound, title="Server not found"):
    """No agent that speaks MCP has this name, or not in this version."""

    def __init__(self) -> None:
        super().__init__("There is no such server, or no such version of it.")


class DidNotResolved(NotFound, title="DID not resolved"):
    """Nothing that can be believed stands behind this DID."""


class MetadataInvalid(Conflict, title="Metadata invalid"):
    """The document is not what an agent's metadata must be."""


class ToolUnfit(Conflict, title="Tool unfit"):
    """The parameters of a tool are larger than 32 KiB or nested more than 32 levels deep."""


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


class OperationRefused(Conflict, title="Operation refused"):
    """The contract does not take it. Nothing was changed."""

    def __init__(self, detail: str = "The contract refuses this.", **members: object) -> None:
        super().__init__(detail, **members)


class AgentExists(OperationRefused, title="Agent exists"):
    """The id belongs to another registration."""

    def __init__(self) -> None:
        super().__init__("This id belongs to another registration.")


class SignatureDoesNotMatch(OperationRefused, title="Signature does not match"):
    """The owner did not sign exactly this with its present nonce."""

    def __init__(self) -> None:
        super().__init__(
            "The owner did not sign exactly this with its present nonce: ask anew for what to sign."
        )


class NonceUsed(OperationRefused, title="Nonce used"):
    """Another message of the owner took the nonce that was signed."""

    def __init__(self) -> None:
        super().__init__("Another message of the owner took this nonce: sign again.")


class DeadlinePassed(OperationRefused, title="Deadline passed"):
    """The moment up to which the signature was valid has passed."""

    def __init__(self) -> None:
        super().__init__("The signature's deadline has passed: sign again.")


class AllowanceTooLow(OperationRefused, title="Allowance too low"):
    """The owner allows the registry less than the stake."""

    def __init__(self) -> None:
        super().__init__("The owner's allowance does not cover the stake: send a permit with it.")


class BalanceTooLow(OperationRefused, title="Balance too low"):
    """The owner has less than the stake."""

    def __init__(self) -> None:
        super().__init__("The owner's balance does not cover the stake.")


class OwnerCannotReceive(OperationRefused, title="Owner cannot receive"):
    """The owner is a contract that does not take ERC-721 tokens."""

    def __init__(self) -> None:
        super().__init__("The owner is a contract that does not accept the agent's token.")


class OwnerMustSign(OperationRefused, title="Owner must sign"):
    """The agent does not belong to the operator: its owner has to prove itself and to sign."""

    def __init__(self) -> None:
        super().__init__("The agent has another owner: ask POST /v1/wallet-challenges for what it signs.")


class ChallengeClosed(OperationRefused, title="Challenge closed"):
    """The challenge was answered, has expired, was never given, or is about another change."""

    def __init__(self) -> None:
        super().__init__("No such challenge is open for this change: ask POST /v1/wallet-challenges again.")


class VersionMismatch(OperationRefused, title="Version mismatch"):
    """The agent is at another version, or another change of this version was accepted."""

    def __init__(self) -> None:
        super().__init__("The agent changed since you read it, or is about to: read it again.")


class StakeTooLow(OperationRefused, title="Stake too low"):
    """The agent has less stake than is to be released."""

    def __init__(self) -> None:
        super().__init__("The agent has less stake than that.")


class CoolingDown(OperationRefused, title="Cooling down"):
    """The stake on its way out cannot be withdrawn yet."""

    def __init__(self) -> None:
        super().__init__("The released stake has not cooled down yet.")


class NothingToWithdraw(OperationRefused, title="Nothing to withdraw"):
    """Nothing is on its way out, or a proposed slash freezes all of it."""

    def __init__(self) -> None:
        super().__init__("No stake is on its way out, or a proposed slash freezes it.")


class TokenTakesFee(OperationRefused, title="Token takes fee"):
    """The stake's token moved another amount than asked."""

    def __init__(self) -> None:
        super().__init__("The stake's token moved another amount than it was asked for.")


class OperationReverted(OperationRefused, title="Operation reverted"):
    """The transaction was mined without effect: something changed after it was sent."""

    def __init__(self) -> None:
        super().__init__("The transaction was mined without effect.")


class TransactionReplaced(OperationRefused, title="Transaction replaced"):
    """Another transaction of the operator took the nonce, for good; nothing was done."""

    def __init__(self) -> None:
        super().__init__("Another transaction of the operator took the nonce: ask again, nothing was done.")


class SigningDelayed(MeshError, status=HTTPStatus.SERVICE_UNAVAILABLE, title="Signing delayed"):
    """The operation is accepted and kept; its transaction has no hash yet."""

    def __init__(self, operation_id: UUID) -> None:
        self.operation_id = operation_id
        super().__init__(
            "Accepted, but not sent yet. Follow the operation or repeat the request: it is one operation.",
            operationId=str(operation_id),
        )

    def headers(self) -> Mapping[str, str]:
        return {"Retry-After": "2"}
