"""Names that the chain only knows by their hash."""

from collections.abc import Iterable

from eth_utils.crypto import keccak


def agent_id_of(name: str) -> str:
    """The agent's id everywhere: Keccak-256 of the UTF-8 name, `0x` and 64 hex digits."""
    return _hash(name)


def capability_hashes(names: Iterable[str]) -> tuple[str, ...]:
    """The names as the contract takes them: hashed, each once, ascending."""
    return tuple(sorted({_hash(name) for name in names}))


def proven(names: Iterable[str], hashes: Iterable[str]) -> list[str]:
    """The `names` whose hash is among `hashes`, sorted: what the metadata claims and the chain confirms."""
    known = frozenset(hashes)
    return sorted({name for name in names if _hash(name) in known})


def did_of(chain_id: int, owner: str) -> str:
    """The DID of an agent that names none: its owner's (did:pkh over CAIP-10)."""
    return f"did:pkh:eip155:{chain_id}:{owner}"


def _hash(text: str) -> str:
    return "0x" + keccak(text=text).hex()
