"""Wallets: accounts with a key, and contracts that say what their signature is."""

from mesh_registry.domain.signatures import signer
from mesh_registry.errors import SignatureDoesNotMatch
from mesh_registry.ports import Contracts


async def has_signed(contracts: Contracts, account: str, digest: bytes, signature: bytes) -> bool:
    """Whether `account` signed `digest`. Raises `ChainUnavailable`.

    The key is asked before the contract, as contracts/src/libraries/Signatures.sol does.
    """
    return signer(digest, signature) == account or await contracts.accepts(account, digest, signature)


async def require_signature(contracts: Contracts, account: str, digest: bytes, signature: bytes) -> None:
    """Lets pass what `account` signed. Raises `SignatureDoesNotMatch`, `ChainUnavailable`."""
    if not await has_signed(contracts, account, digest, signature):
        raise SignatureDoesNotMatch
