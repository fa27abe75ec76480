"""What can come back from a chain."""

from http import HTTPStatus

from mesh_shared.errors import MeshError, Unavailable


class ChainUnavailable(Unavailable, title="Chain not available"):
    """No answer from the node; what was accepted is kept and goes on when it returns."""

    def __init__(self) -> None:
        super().__init__("chain")


class RpcError(Exception):
    """The node answered with a JSON-RPC error. `data` is revert data when it was an execution error."""

    def __init__(self, code: int, message: str, data: str | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.data = data

    @property
    def is_revert(self) -> bool:
        # EIP-1474 gives reverts code 3; Anvil and others use it too.
        return self.code == 3 or "revert" in self.message.lower()  # noqa: PLR2004 - see above


class TransactionRejected(
    MeshError, status=HTTPStatus.CONFLICT, title="Transaction rejected by the contract"
):
    """The contract refuses this call; nothing was sent and nothing changed."""


class TransactionReplaced(MeshError, status=HTTPStatus.CONFLICT, title="Transaction replaced"):
    """Another transaction took its nonce, and nothing is known of an effect."""


class TransactionReverted(MeshError, status=HTTPStatus.CONFLICT, title="Transaction reverted"):
    """The transaction was mined and had no effect."""
