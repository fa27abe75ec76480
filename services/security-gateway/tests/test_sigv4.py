"""AWS Signature Version 4, byte for byte what botocore writes."""

import datetime
from typing import Any

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st
from mesh_security_gateway.domain.injection import Credentialed, Draft
from mesh_security_gateway.domain.injectors import AwsSigV4
from mesh_security_gateway.domain.sigv4 import sign

NOW = 1_764_000_900
SECRET = "AKIDEXAMPLE:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
PATHS = st.lists(st.sampled_from(["a", "B-", "%20", "%C3%A9", "~", "=", "+", "@", ":", "'", "("]), max_size=6)
NAMES = st.text("abcXYZ012-_.~%", min_size=1, max_size=6)
QUERIES = st.lists(st.tuples(NAMES, st.text("abc012-_.~%+", max_size=6)), max_size=5)
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20)
FIELDS = st.lists(st.tuples(st.sampled_from(["accept", "content-type", "x-amz-target", "if-match"]), VALUES))


def theirs(spec: AwsSigV4, draft: Draft, token: str | None) -> dict[str, str]:
    """The fields of the request after botocore has signed it: `SigV4Auth.add_auth`, but for its clock."""
    key, secret = SECRET.split(":")
    url = f"{draft.origin}{draft.path}" + (f"?{draft.query}" if draft.query else "")
    request = AWSRequest(method=draft.method, url=url, data=draft.body)
    for name, value in draft.fields:
        request.headers.add_header(name, value)
    is_signed = spec.payload == "signed"
    request.context["payload_signing_enabled"] = is_signed
    if spec.service == "s3":
        request.context["client_config"] = _Config({"payload_signing_enabled": is_signed})
    kind = auth.S3SigV4Auth if spec.service == "s3" else auth.SigV4Auth
    signer = kind(Credentials(key, secret, token), spec.service, spec.region)
    moment = datetime.datetime.fromtimestamp(NOW, datetime.UTC)
    request.context["timestamp"] = moment.strftime(auth.SIGV4_TIMESTAMP)
    signer._modify_request_before_signing(request)
    text = signer.string_to_sign(request, signer.canonical_request(request))
    signer._inject_signature_to_request(request, signer.signature(text, request))
    return {name.lower(): value for name, value in request.headers.items()}


class _Config:
    def __init__(self, s3: dict[str, Any]) -> None:
        self.s3 = s3


def ours(spec: AwsSigV4, draft: Draft, token: str | None) -> Credentialed:
    return sign(spec, f"{SECRET}:{token}" if token else SECRET, draft, NOW)


@given(
    spec=st.builds(
        AwsSigV4,
        region=st.sampled_from(["eu-west-1", "us-east-1"]),
        service=st.sampled_from(["s3", "sqs", "dynamodb"]),
        payload=st.sampled_from(["signed", "unsigned"]),
    ),
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE"]),
    segments=st.lists(PATHS.map("".join).filter(bool), max_size=4),
    query=QUERIES,
    fields=FIELDS,
    body=st.binary(max_size=50),
    token=st.sampled_from([None, "s3ssion+token/=="]),
    port=st.sampled_from(["", ":443", ":8443"]),
)
def test_a_signature_is_botocores(
    spec: AwsSigV4,
    method: str,
    segments: list[str],
    query: list[tuple[str, str]],
    fields: list[tuple[str, str]],
    body: bytes,
    token: str | None,
    port: str,
):
    draft = Draft(
        method=method,
        origin=f"https://service.eu-west-1.amazonaws.com{port}",
        path="/" + "/".join(segments),
        query="&".join(f"{name}={value}" for name, value in query),
        fields=(*fields, ("accept-encoding", "identity"), ("user-agent", "an agent")),
        body=body,
    )

    expected, signed = theirs(spec, draft, token), dict(ours(spec, draft, token).fields)

    for name in ("authorization", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"):
        assert signed.get(name) == expected.get(name), name


def test_a_parameter_without_a_value_is_signed_as_an_empty_one():
    spec = AwsSigV4(region="eu-west-1", service="s3")
    draft = Draft(method="GET", origin="https://b.s3.amazonaws.com", path="/", query="b&acl&a=1", fields=())

    expected = theirs(spec, draft, None)["authorization"]

    assert dict(ours(spec, draft, None).fields)["authorization"] == expected


@pytest.mark.parametrize("payload", ["signed", "unsigned"])
def test_the_key_and_its_signature_must_not_come_back_but_the_id_may(payload: Any):
    spec = AwsSigV4(region="eu-west-1", service="s3", payload=payload)
    draft = Draft(
        method="PUT", origin="https://b.s3.amazonaws.com", path="/k", query="", fields=(), body=b"x"
    )

    signed = ours(spec, draft, "s3ssion-token")
    authorization = dict(signed.fields)["authorization"]

    assert SECRET.split(":")[1] in signed.sensitive
    assert "s3ssion-token" in signed.sensitive
    assert authorization.rpartition("Signature=")[2] in signed.sensitive
    assert "AKIDEXAMPLE" not in signed.sensitive


def test_the_signature_holds_for_the_moment_of_the_call():
    spec = AwsSigV4(region="eu-west-1", service="sqs")
    draft = Draft(method="GET", origin="https://sqs.amazonaws.com", path="/", query="", fields=())

    now, later = (dict(sign(spec, SECRET, draft, at).fields) for at in (NOW, NOW + 1))

    assert (now["x-amz-date"], later["x-amz-date"]) == ("20251124T161500Z", "20251124T161501Z")
    assert now["authorization"] != later["authorization"]
