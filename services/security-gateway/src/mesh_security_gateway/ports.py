"""What the use cases ask of the world outside, in the domain's own words."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from mesh_shared.canonical import canonical_json

from mesh_security_gateway.domain.grants import Rate
from mesh_security_gateway.domain.headers import Fields
from mesh_security_gateway.domain.injectors import JwtAlgorithm
from mesh_security_gateway.domain.providers import Provider
from mesh_security_gateway.domain.rules import Decision, Question
from mesh_security_gateway.domain.standing import Standing


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Outgoing:
    """A request with its credential in place; it has no representation, so that none is ever printed.

    Only requests of the same `identity` share connections. `certificate` is the PEM of a client certificate
    and its key, the same for all of one identity. `protocols` are what a WebSocket may speak (RFC 6455 §1.9).
    """

    method: str
    url: str
    fields: Fields
    body: AsyncIterator[bytes] | None
    length: int | None
    allow_private: bool
    certificate: str | None = None
    identity: str = ""
    protocols: tuple[str, ...] = ()


class Incoming(Protocol):
    """An upstream's answer, as it comes."""

    status: int
    fields: Fields

    def at_hand(self, limit: int) -> bytes | None:
        """The body, if all of it has come already and is at most `limit` bytes; else it is in `chunks`."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The body. Raises `UpstreamBroken` or `UpstreamTimeout` when it does not come whole."""
        ...

    def close(self) -> None:
        """Drops the connection unless the answer came whole."""
        ...


Message = str | bytes


@dataclass(frozen=True, slots=True)
class Closing:
    """How one side ended a WebSocket (RFC 6455 §7.4)."""

    code: int
    reason: str = ""


class Socket(Protocol):
    """One end of a WebSocket."""

    @property
    def protocol(self) -> str | None:
        """What both ends agreed to speak, if anything."""
        ...

    async def receive(self) -> Message | Closing:
        """The next message, whole; or how that side ended it. Raises a `MeshError` when it just broke off."""
        ...

    async def send(self, message: Message) -> None: ...

    async def close(self, closing: Closing) -> None:
        """Ends it unless it is over."""
        ...


class WaitingSocket(Socket, Protocol):
    """The end of an agent that is still to be told that the upstream agreed."""

    async def accept(self, protocol: str | None) -> None: ...


class Sockets(Protocol):
    async def connect(self, request: Outgoing) -> Socket:
        """Raises what `Upstream.send` raises, and `UpgradeRefused`."""
        ...


class Upstream(Protocol):
    async def send(self, request: Outgoing) -> Incoming:
        """The answer, once its head is here.

        Raises `UpstreamUnreachable`, `UpstreamAddress`, `UpstreamTls`, `UpstreamTimeout`, `UpstreamStatus`
        when only interim answers come, and whatever mesh error the request's own body raised.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Sealing:
    """What a ciphertext is tied to: it opens for no other connection or version, is sent nowhere else, and
    what was fetched with a secret (the use `token`) never passes for the secret.
    """

    connection: str
    version: int
    provider: Provider
    use: str = "secret"

    @cached_property
    def members(self) -> bytes:
        """The end of a list in canonical JSON, made once: it is needed twice for each call."""
        members = [self.use, self.connection, self.version, self.provider.members()]
        return canonical_json(members).removeprefix(b"[")


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A secret under a key of its own, and that key under the key-encryption key `kek_id`."""

    kek_id: str
    wrapped_key: bytes
    ciphertext: bytes


class Kek(Protocol):
    """A key-encryption key. What it wraps is tied to the bytes `bound`."""

    @property
    def id(self) -> str:
        """Names it without telling it: 16 hex digits."""
        ...

    async def wrap(self, key: bytes, bound: bytes) -> bytes:
        """Raises `KekUnavailable`."""
        ...

    async def unwrap(self, wrapped: bytes, bound: bytes) -> bytes:
        """Raises `SecretUnreadable` for what it did not wrap so, and `KekUnavailable`."""
        ...


class Vault(Protocol):
    @property
    def kek_id(self) -> str:
        """Of the key-encryption key that wraps what is sealed now."""
        ...

    async def seal(self, secret: str, sealing: Sealing) -> Envelope:
        """Raises `KekUnavailable`."""
        ...

    async def open(self, envelope: Envelope, sealing: Sealing) -> str:
        """The secret. Raises `SecretUnreadable` when it was sealed otherwise, and `KekUnavailable`."""
        ...

    async def rewrap(self, envelope: Envelope, sealing: Sealing) -> Envelope:
        """The same ciphertext under the key-encryption key of now. Raises what `open` does."""
        ...

    async def prove(self) -> None:
        """Shows that the key-encryption key of now can be used. Raises `KekUnavailable`."""
        ...

    def fingerprint(self, secret: str) -> str:
        """Names the secret without telling it: 16 hex digits, the same for the same secret."""
        ...


class PrivateKeys(Protocol):
    """Uses private keys in PEM."""

    def jwt(self, pem: str, algorithm: JwtAlgorithm, claims: dict[str, Any], key_id: str | None) -> str: ...

    def check_key(self, pem: str, algorithm: JwtAlgorithm) -> None:
        """Raises `SecretUnfit` for a key that is none for the algorithm."""
        ...

    def check_certificate(self, pem: str) -> None:
        """Raises `SecretUnfit` unless `pem` is a chain of certificates and the private key of the first."""
        ...


class AgentRegistry(Protocol):
    """What the chain says, as the registry reads it. Raises `Unavailable` when it does not answer."""

    async def standing(self, agent: str) -> Standing | None:
        """Of the agent with that id; None when there is none."""
        ...

    async def has_signed(self, agent: str, owner: str, text: str, signature: str) -> bool:
        """Whether the agent still belongs to `owner`, who signed `text` by key or in its contract's word."""
        ...


class HeadKey(Protocol):
    """Signs what the record was; `public` are the 32 bytes of its Ed25519 public key."""

    @property
    def public(self) -> bytes: ...

    def sign(self, statement: bytes) -> bytes: ...

    def holds(self, statement: bytes, signature: bytes) -> bool: ...


class Rules(Protocol):
    """Policies, parsed; `hash` is SHA-256 of the text that was published beside the baseline, hex."""

    @property
    def hash(self) -> str: ...

    def decide(self, question: Question) -> Decision: ...


class Compile(Protocol):
    def __call__(self, text: str) -> Rules:
        """Raises `PolicyUnfit` for what is no policies, does not fit the schema, or does more than forbid."""
        ...


class Rates(Protocol):
    async def take(self, key: str, rate: Rate) -> float:
        """0 when there was room for a call, which is then taken; otherwise the seconds until there is.

        It never fails: while the replicas cannot count together, each lets a small share pass.
        """
        ...


class KeyFileUnfit(Exception):
    """A key file that is there and holds no key of its own; nobody may start with it."""


class KeyFile(Protocol):
    """A text that only its owner can read."""

    @property
    def place(self) -> str: ...

    def read(self) -> str | None:
        """The text; None when there is no file. Raises `KeyFileUnfit` for a text that could be guessed."""
        ...

    def create(self, text: str) -> str:
        """Writes `text` unless somebody was first; the text that is there now."""
        ...
