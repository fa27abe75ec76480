"""Signs a request with an HMAC over a text that the provider describes.

The names in a template: `{method}`, `{path}`, `{query}`, `{target}` (path and query), `{host}`,
`{timestamp}`, `{key_id}`, `{body}`, and the digests of the body in hex, `{body_sha256}` and `{body_sha512}`.
"""

import hashlib
import hmac
import re
from base64 import b64encode
from datetime import UTC, datetime

from mesh_security_gateway.domain.injection import Credentialed, Draft
from mesh_security_gateway.domain.injectors import RequestHmac
from mesh_security_gateway.domain.secret_forms import signing_key
from mesh_security_gateway.errors import ProviderUnfit

_NAME = re.compile(r"\{([^{}]*)\}")
_NAMES = frozenset(
    {
        "method",
        "path",
        "query",
        "target",
        "host",
        "timestamp",
        "key_id",
        "body",
        "body_sha256",
        "body_sha512",
    }
)


def check(spec: RequestHmac) -> None:
    """Raises `ProviderUnfit` for a template with a name that there is not, or without the time it sends."""
    names = set(_NAME.findall(spec.template))
    if not names <= _NAMES:
        raise ProviderUnfit("The template names something that a request does not have.")
    if spec.timestamp_header and "timestamp" not in names:
        raise ProviderUnfit("A timestamp that is sent and not signed proves nothing.")


def sign(spec: RequestHmac, secret: str, draft: Draft, now: float) -> Credentialed:
    """`draft` with its signature; `now` in Unix seconds. The key and the signature must not come back."""
    id, key = signing_key(spec, secret)
    stamp = _timestamp(spec, now)
    digest = hmac.digest(key.encode(), _text(spec.template, draft, stamp, id), spec.algorithm)
    signature = digest.hex() if spec.encoding == "hex" else b64encode(digest).decode()
    written = (
        (spec.signature_header, spec.signature_prefix + signature),
        (spec.timestamp_header, stamp),
        (spec.key_header, id),
    )
    own = tuple((name, value) for name, value in written if name)
    return Credentialed(fields=(*draft.fields, *own), query=draft.query, sensitive=(key, signature))


def _timestamp(spec: RequestHmac, now: float) -> str:
    match spec.timestamp_format:
        case "unix":
            return str(int(now))
        case "unix-ms":
            return str(int(now * 1000))
        case "rfc3339":
            return datetime.fromtimestamp(int(now), UTC).isoformat().replace("+00:00", "Z")


def _text(template: str, draft: Draft, stamp: str, key_id: str) -> bytes:
    target = f"{draft.path}?{draft.query}" if draft.query else draft.path
    values = {
        "method": draft.method.encode(),
        "path": draft.path.encode(),
        "query": draft.query.encode(),
        "target": target.encode(),
        "host": draft.host.encode(),
        "timestamp": stamp.encode(),
        "key_id": key_id.encode(),
        "body": draft.body,
        "body_sha256": hashlib.sha256(draft.body).hexdigest().encode(),
        "body_sha512": hashlib.sha512(draft.body).hexdigest().encode(),
    }
    pieces = _NAME.split(template)  # text, name, text, name, …, text
    return b"".join(values[piece] if n % 2 else piece.encode() for n, piece in enumerate(pieces))
