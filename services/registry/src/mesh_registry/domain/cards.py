"""A stranger's A2A card: what may be believed of it, and what becomes of it here."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, cast
from urllib.parse import urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey
from joserfc.jws import JWSRegistry
from mesh_shared.a2a.card import AgentCard
from mesh_shared.canonical import jcs, read_json
from mesh_shared.wire import places
from pydantic import ValidationError

from mesh_registry.domain.addresses import may_be_public
from mesh_registry.domain.metadata import AgentMetadata, is_deeper
from mesh_registry.domain.texts import Flag, unseen_in
from mesh_registry.errors import CardUnfit, TextUnfit

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
MAX_SIGNATURES = 8
ALGORITHMS = ["ES256", "EdDSA", "Ed25519"]
_REGISTRY = JWSRegistry(algorithms=ALGORITHMS)
KEYS_PATH = "/.well-known/jwks.json"
CARD_PATH = "/.well-known/agent-card.json"
_CAPABILITY = re.compile(r"[a-z0-9][a-z0-9._/-]{0,127}")


class Verdict(StrEnum):
    """What a card's signatures are worth. VALID is by a key that the card's own origin publishes."""

    UNSIGNED = "unsigned"
    VALID = "valid"
    INVALID = "invalid"
    UNTRUSTED_KEY = "untrusted-key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A card as it was found at `url`; `key` is the RFC 7638 thumbprint of the key that signed it."""

    url: str
    card: dict[str, Any]
    verdict: Verdict
    key: str | None
    warnings: list[Flag]
    seen_at: datetime


def read(data: bytes, *, allow_private: bool) -> tuple[dict[str, Any], AgentCard]:
    """The card as it was sent, and as we understand it.

    Raises `CardUnfit` for what is no card or names addresses that are none, `TextUnfit` for texts with
    characters that nobody sees.
    """
    try:
        said = read_json(data)
        if is_deeper(said, MAX_DEPTH):
            raise CardUnfit("The card is nested too deep.")
        card = AgentCard.model_validate(said)
    except ValidationError as error:
        raise CardUnfit(f"This is no A2A 1.0 card: {', '.join(places(error)[:10])}.") from None
    except ValueError:
        raise CardUnfit("The card is not JSON that means one thing only.") from None
    if (unseen := unseen_in(said)) is not None:
        raise TextUnfit(unseen)
    for interface in card.supportedInterfaces:
        _require_address(interface.url, allow_private=allow_private)
    return said, card


def _require_address(url: str, *, allow_private: bool) -> None:
    """Refuses templates, other schemes, credentials, and hosts that only we can reach."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        is_plain = parts.scheme in ("http", "https") and parts.username is None and parts.port != 0
    except ValueError:
        raise CardUnfit("An interface has no address that can be called.") from None
    if not (is_plain and host) or re.search(r"[{}\s\\]", url):
        raise CardUnfit("An interface has no address that can be called.")
    if not (allow_private or may_be_public(host)):
        raise CardUnfit("An interface has an address that is not public.")


def metadata_of(card: AgentCard, capabilities: Sequence[str] | None) -> AgentMetadata:
    """What the registry keeps of the card; without `capabilities` its skills' ids and tags are these.

    Raises `CardUnfit` when nothing is left that the agent can do.
    """
    names = capabilities or list(dict.fromkeys(_claims(card)))[:32]
    at = urlsplit(card.supportedInterfaces[0].url)
    if not names:
        raise CardUnfit("No skill has an id or a tag that is the name of a capability: name some.")
    try:
        return AgentMetadata(
            name=card.name,
            description=card.description,
            endpoint=f"{at.scheme}://{at.netloc.lower()}",
            capabilities=list(names),
            toolDefinitions=[],
            reputationHistory=[],
            protocols=["a2a"],
        )
    except ValidationError as error:
        members = sorted({str(fault["loc"][0]) for fault in error.errors()})
        raise CardUnfit(f"The registry cannot keep this of the card: {', '.join(members)}.") from None


def _claims(card: AgentCard) -> Iterator[str]:
    for skill in card.skills:
        for name in (skill.id, *skill.tags):
            if _CAPABILITY.fullmatch(name.lower()):
                yield name.lower()


def keys_url(said: dict[str, Any], url: str) -> str | None:
    """Where the keys are that may sign the card found at `url`; None when it has no signature.

    Keys count when the card's own origin publishes them: a `jku` elsewhere is a claim of whoever wrote it.
    """
    if not _signatures(said):
        return None
    named = (_header(signature).get("jku") for signature in _signatures(said))
    own = [jku for jku in named if isinstance(jku, str) and origin(jku) == origin(url)]
    return own[0] if own else f"{origin(url)}{KEYS_PATH}"


def card_url(url: str) -> str:
    """Where the card is that `url` leads to: without a path, the well-known one of that origin."""
    has_path = "/" in url.partition("://")[2].removesuffix("/")
    return url if has_path else f"{url.removesuffix('/')}{CARD_PATH}"


def origin(url: str) -> str:
    """Scheme, host and port; empty for what is no address."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return ""
    if not parts.hostname:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{port}"


def verdict(said: dict[str, Any], url: str, keys: bytes | None) -> tuple[Verdict, str | None]:
    """What the signatures are worth, and the thumbprint of the key that made a valid one.

    `keys` is the JWK set that the card's origin publishes, as it was sent; None when there is none.
    """
    signatures = _signatures(said)
    if not signatures:
        return Verdict.UNSIGNED, None
    outcomes = [_judged(said, signature, url, _known(keys)) for signature in signatures]
    for outcome in outcomes:
        if outcome[0] is Verdict.VALID:
            return outcome
    is_invalid = any(outcome[0] is Verdict.INVALID for outcome in outcomes)
    return Verdict.INVALID if is_invalid else Verdict.UNTRUSTED_KEY, None


def _judged(
    said: dict[str, Any], signature: dict[str, Any], url: str, known: Sequence[ECKey | OKPKey]
) -> tuple[Verdict, str | None]:
    header = _header(signature)
    if header.get("alg") not in ALGORITHMS or "crit" in header:
        return Verdict.INVALID, None
    jku, kid = header.get("jku"), header.get("kid")
    candidates = [key for key in known if kid is None or key.kid == kid]
    if not candidates or (jku is not None and origin(str(jku)) != origin(url)):
        return Verdict.UNTRUSTED_KEY, None
    for key in candidates:
        if any(_holds(signature, payload, key) for payload in _payloads(said)):
            return Verdict.VALID, key.thumbprint()
    return Verdict.INVALID, None


def _payloads(said: dict[str, Any]) -> list[bytes]:
    """The canonical card without signatures: as it is, and as the a2a-sdk signs it, without what is empty.

    Members that A2A requires are not empty here, so both say the same.
    """
    unsigned = {name: value for name, value in said.items() if name != "signatures"}
    return [jcs(unsigned), jcs(_filled(unsigned))]


def _filled(value: object) -> Any:
    match value:
        case dict():
            items = ((name, _filled(item)) for name, item in cast("dict[str, object]", value).items())
            return {name: item for name, item in items if item not in ("", [], {}, None)}
        case list():
            items = (_filled(item) for item in cast("list[object]", value))
            return [item for item in items if item not in ("", [], {}, None)]
        case _:
            return value


def _holds(signature: dict[str, Any], payload: bytes, key: ECKey | OKPKey) -> bool:
    protected = str(signature.get("protected")).encode()
    body = urlsafe_b64encode(payload).rstrip(b"=")
    try:
        # Not by the library's own reader: it refuses `jku: null`, which the a2a-sdk writes.
        algorithm = _REGISTRY.get_alg(str(_header(signature)["alg"]))
        algorithm.check_key(key)
        return algorithm.verify(protected + b"." + body, _decoded(signature.get("signature")), key)
    except (JoseError, ValueError):
        return False


def _known(keys: bytes | None) -> list[ECKey | OKPKey]:
    """The public keys of a JWK set that can sign cards; none in what is no set."""
    try:
        said = read_json(keys or b"")
    except ValueError:
        return []
    items = cast("dict[str, object]", said).get("keys") if isinstance(said, dict) else None
    found = map(_key, cast("list[object]", items)) if isinstance(items, list) else ()
    return [key for key in found if key is not None]


def _key(item: object) -> ECKey | OKPKey | None:
    """One key of a set; None for a kind or curve unknown here, which spoils no other (RFC 7517 §5)."""
    try:
        key = JWKRegistry.import_key(cast("dict[str, Any]", item))
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return key if isinstance(key, ECKey | OKPKey) else None


def _signatures(said: dict[str, Any]) -> list[dict[str, Any]]:
    return list(said.get("signatures") or [])[:MAX_SIGNATURES]


def _header(signature: dict[str, Any]) -> dict[str, Any]:
    """The protected header; empty when it is none."""
    try:
        header = read_json(_decoded(signature.get("protected")))
    except ValueError:
        return {}
    return cast("dict[str, Any]", header) if isinstance(header, dict) else {}


def _decoded(text: object) -> bytes:
    """Base64url without padding (RFC 7515 §2)."""
    return urlsafe_b64decode(str(text) + "=" * (-len(str(text)) % 4))
