"""Names that the chain only knows by their hash."""

from collections.abc import Iterable
from functools import lru_cache

from eth_utils.crypto import keccak


def agent_id_of(name: str) -> str:
    """The agent's id everywhere: Keccak-256 of the UTF-8 name, `0x` and 64 hex digits."""
    return _hash(name)


def capability_hashes(names: Iterable[str]) -> tuple[str, ...]:
    """The names as the contract takes them: hashed, each once, ascending."""
    return tuple(sorted(map(_capability_hash, set(names))))


def proven(names: Iterable[str], hashes: Iterable[str]) -> list[str]:
    """The `names` whose hash is among `hashes`, sorted: what the metadata claims and the chain confirms."""
    known = frozenset(hashes)
    return sorted({name for name in names if _capability_hash(name) in known})


def did_of(chain_id: int, owner: str) -> str:
    """The DID of an agent that names none: its owner's (did:pkh over CAIP-10)."""
    return f"did:pkh:eip155:{chain_id}:{owner}"


@lru_cache(4096)
def _capability_hash(name: str) -> str:
    """Agents have names in common, and every listing asks for some."""
    return _hash(name)


def _hash(text: str) -> str:
    return "0x" + keccak(text=text).hex()
