"""What the use cases ask of the chain. The content store's port is `mesh_shared.content.store`."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from mesh_shared.chain.journal import Call

from mesh_registry.domain.chain import Block, Occurrence
from mesh_registry.domain.intents import Change, Registration, SignedChange
from mesh_registry.domain.signing import Authorization, SigningTerms
from mesh_registry.errors import OperationRefused


class ChainLog(Protocol):
    """What the contracts have said so far. All of it raises `ChainUnavailable` when nobody answers."""

    async def head(self) -> int:
        """The number of the newest block."""
        ...

    async def blocks(self, numbers: Iterable[int]) -> Sequence[Block | None]:
        """The blocks of these numbers in order; None for one that the chain does not have (any more)."""
        ...

    async def occurrences(self, first: int, last: int) -> Sequence[Occurrence]:
        """What was said from block `first` to `last`, in order. Raises `RpcError` for too much at once."""
        ...


class CardSource(Protocol):
    """Documents at addresses that strangers gave us."""

    async def fetch(self, url: str, limit_bytes: int) -> bytes:
        """What is at `url`. Raises `CardUnavailable`."""
        ...


class IdentityOwners(Protocol):
    """Who has an identity of did:ethr."""

    @property
    def chain_id(self) -> int: ...

    async def owner_of(self, identity: str) -> str | None:
        """The owner; None when nobody keeps a list on this chain. Raises `ChainUnavailable`."""
        ...


class Contracts(Protocol):
    """The agent registry and the token of its stakes."""

    @property
    def chain_id(self) -> int: ...

    @property
    def registry(self) -> str:
        """The registry's address."""
        ...

    async def registration_terms(self, owner: str) -> SigningTerms:
        """What the registry wants in `owner`'s next signature. Raises `ChainUnavailable`."""
        ...

    async def permit_terms(self, owner: str) -> SigningTerms:
        """What the token wants in `owner`'s next permit. Raises `ChainUnavailable`."""
        ...

    def register(self, registration: Registration) -> Call:
        """Registers an agent of whoever sends this."""
        ...

    def register_for(self, registration: Registration, authorization: Authorization, nonce: int) -> Call:
        """Registers an agent of the owner who signed."""
        ...

    def change(self, change: Change) -> Call:
        """Changes an agent of whoever sends this; for a withdrawal, anybody's."""
        ...

    def change_for(self, change: SignedChange, authorization: Authorization, nonce: int) -> Call:
        """Changes an agent of the owner who signed."""
        ...

    def approve(self) -> Call:
        """Lets the registry take any stake from whoever sends this."""
        ...

    async def accepts(self, account: str, digest: bytes, signature: bytes) -> bool:
        """Whether the contract at `account` calls this its signature (ERC-1271).

        Raises `ChainUnavailable`.
        """
        ...

    def refusal(self, reason: str) -> OperationRefused:
        """The outcome behind what the journal keeps of a call that was not made: mostly revert data."""
        ...
