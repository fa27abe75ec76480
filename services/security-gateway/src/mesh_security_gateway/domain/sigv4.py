"""AWS Signature Version 4, in the header; byte for byte what botocore's `SigV4Auth` and `S3SigV4Auth` write.

Written here because importing botocore for it costs each process its memory and start; its signatures are
compared in the tests. Source: "Signature Version 4 signing process", AWS General Reference.
"""

import hashlib
import hmac
from datetime import UTC, datetime
from urllib.parse import quote

from mesh_security_gateway.domain.headers import Fields
from mesh_security_gateway.domain.injection import Credentialed, Draft
from mesh_security_gateway.domain.injectors import AwsSigV4
from mesh_security_gateway.domain.secret_forms import AwsKey, aws_key

UNSIGNED = "UNSIGNED-PAYLOAD"
_ALGORITHM = "AWS4-HMAC-SHA256"
_NOT_SIGNED = frozenset({"expect", "transfer-encoding", "user-agent", "x-amzn-trace-id"})
"""What a hop may change."""


def sign(spec: AwsSigV4, secret: str, draft: Draft, now: float) -> Credentialed:
    """`draft` with its signature; `now` in Unix seconds. What a signature allows it allows for minutes, so it
    is as secret as the key.
    """
    key = aws_key(secret)
    stamp = datetime.fromtimestamp(int(now), UTC).strftime("%Y%m%dT%H%M%SZ")
    payload = UNSIGNED if spec.payload == "unsigned" else hashlib.sha256(draft.body).hexdigest()
    fields = (*draft.fields, *_own_fields(spec, key, stamp, payload))
    signed = _signed_fields((*fields, ("host", draft.host)))
    scope = f"{stamp[:8]}/{spec.region}/{spec.service}/aws4_request"
    request = _canonical_request(spec, draft, signed, payload)
    signature = _signature(key, scope, f"{_ALGORITHM}\n{stamp}\n{scope}\n{_digest(request)}")
    names = ";".join(signed)
    proof = f"{_ALGORITHM} Credential={key.id}/{scope}, SignedHeaders={names}, Signature={signature}"
    return Credentialed(
        fields=(*fields, ("authorization", proof)),
        query=draft.query,
        sensitive=tuple(filter(None, (key.secret, key.token, signature))),
    )


def _own_fields(spec: AwsSigV4, key: AwsKey, stamp: str, payload: str) -> Fields:
    token = (("x-amz-security-token", key.token),) if key.token else ()
    is_said = spec.service == "s3" or spec.payload == "unsigned"
    return (("x-amz-date", stamp), *token, *((("x-amz-content-sha256", payload),) if is_said else ()))


def _signed_fields(fields: Fields) -> dict[str, str]:
    """Names in order, and values without needless blanks; those of one name are joined."""
    signed: dict[str, str] = {}
    for name, value in sorted(((n.lower(), v) for n, v in fields), key=lambda field: field[0]):
        if name not in _NOT_SIGNED:
            plain = " ".join(value.split())
            signed[name] = f"{signed[name]},{plain}" if name in signed else plain
    return signed


def _canonical_request(spec: AwsSigV4, draft: Draft, signed: dict[str, str], payload: str) -> str:
    path = draft.path if spec.service == "s3" else quote(draft.path, safe="/~")
    pairs = sorted(pair.partition("=")[::2] for pair in draft.query.split("&")) if draft.query else []
    query = "&".join(f"{name}={value}" for name, value in pairs)
    lines = "".join(f"{name}:{value}\n" for name, value in signed.items())
    return f"{draft.method}\n{path}\n{query}\n{lines}\n{';'.join(signed)}\n{payload}"


def _signature(key: AwsKey, scope: str, text: str) -> str:
    derived = f"AWS4{key.secret}".encode()
    for part in scope.split("/"):
        derived = hmac.digest(derived, part.encode(), "sha256")
    return hmac.digest(derived, text.encode(), "sha256").hex()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
