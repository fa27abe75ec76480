"""Where a secret goes, which secrets fit, and which providers contradict themselves. Rules alone."""

from typing import Any

import pytest
from mesh_security_gateway.domain import injectors
from mesh_security_gateway.domain.injection import Draft, inject
from mesh_security_gateway.domain.injectors import (
    AwsSigV4,
    Basic,
    Bearer,
    ClientCertificate,
    ClientCredentials,
    Cookie,
    GithubApp,
    Header,
    Injector,
    MintedJwt,
    Query,
    RefreshToken,
    RequestHmac,
    Static,
    TokenExchange,
)
from mesh_security_gateway.domain.providers import Provider, check_provider
from mesh_security_gateway.domain.secret_forms import check_secret, secret_parts
from mesh_security_gateway.errors import ProviderUnfit, SecretUnfit
from mesh_security_gateway.schemas.providers import ProviderModel

TOKEN_URL = "https://login.example/token"
HMAC = RequestHmac(template="{method}{target}", signature_header="X-Signature")
ONE_OF_EACH: list[Injector] = [
    Bearer(),
    Basic(),
    Header("X-Token"),
    Query("key"),
    Cookie("sid"),
    ClientCredentials(token_url=TOKEN_URL, scope="read write", audience="https://api.example"),
    RefreshToken(token_url=TOKEN_URL, client_auth="post"),
    TokenExchange(token_url=TOKEN_URL, resource="https://api.example/v1"),
    GithubApp(app_id="12345", installation_id="67"),
    AwsSigV4(region="eu-west-1", service="s3", payload="unsigned"),
    HMAC,
    MintedJwt(algorithm="ES256", issuer="mesh", lifetime_s=60),
    ClientCertificate(),
]


def draft(query: str = "") -> Draft:
    return Draft(method="GET", origin="https://api.example", path="/user", query=query, fields=())


@pytest.mark.parametrize(
    ("injector", "fields", "query"),
    [
        (Bearer(), (("authorization", "Bearer us:secret-1"),), "a=1"),
        (Basic(), (("authorization", "Basic dXM6c2VjcmV0LTE="),), "a=1"),
        (Header("X-Token"), (("X-Token", "us:secret-1"),), "a=1"),
        (Cookie("sid"), (("cookie", "sid=us:secret-1"),), "a=1"),
        (Query("key"), (), "a=1&key=us%3Asecret-1"),
    ],
)
def test_a_secret_goes_where_its_provider_wants_it(injector: Static, fields: object, query: str):
    placed = inject(injector, "us:secret-1", draft("a=1"))

    assert (placed.fields, placed.query) == (fields, query)
    assert "us:secret-1" in placed.sensitive


def test_a_parameter_of_the_agent_gives_way_to_the_injected_one():
    assert inject(Query("key"), "sk-&=12345", draft("k%65y=mine&a=1")).query == "a=1&key=sk-%26%3D12345"
    assert inject(Query("key"), "sk-12345", draft()).query == "key=sk-12345"


def test_what_is_in_a_request_is_never_printed():
    assert "us:secret-1" not in repr(inject(Bearer(), "us:secret-1", draft()))


@pytest.mark.parametrize("injector", ONE_OF_EACH, ids=lambda injector: injector.kind)
def test_an_injector_is_stored_and_shown_as_it_was_said(injector: Injector):
    members: dict[str, Any] = injectors.members(injector)
    said = ProviderModel.model_validate({"name": "p", "origin": "https://api.example", "injector": members})

    assert injectors.injector(members) == injector == said.provider().injector
    assert ProviderModel.of(said.provider()) == said


def test_every_kind_is_among_them():
    assert {injector.kind for injector in ONE_OF_EACH} == set(injectors.KINDS)


@pytest.mark.parametrize(
    ("injector", "written"),
    [
        (Header("X-Token"), {"x-token"}),
        (Query("key"), set[str]()),
        (Cookie("sid"), {"cookie"}),
        (RequestHmac(template="", signature_header="X-S", key_header="X-K"), {"x-s", "x-k"}),
        (
            AwsSigV4(region="eu", service="s3"),
            {"authorization", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token"},
        ),
        (GithubApp(app_id="1", installation_id="2"), {"authorization"}),
        (ClientCertificate(), set[str]()),
    ],
)
def test_the_fields_that_an_injector_writes_are_none_of_the_agents(injector: Injector, written: set[str]):
    assert injectors.written_fields(injector) == written


@pytest.mark.parametrize(
    ("injector", "is_read"),
    [
        (AwsSigV4(region="eu", service="sqs"), True),
        (AwsSigV4(region="eu", service="s3", payload="unsigned"), False),
        (HMAC, False),
        (RequestHmac(template="{body_sha256}", signature_header="X-S"), True),
        (Bearer(), False),
    ],
)
def test_a_body_is_read_first_only_where_it_is_signed(injector: Injector, is_read: bool):
    assert injectors.signs_body(injector) is is_read


WITH_KEY_ID = RequestHmac(template="", signature_header="X-S", key_header="X-K")


@pytest.mark.parametrize(
    ("injector", "secret", "parts"),
    [
        (Bearer(), "a:b45678", ("a:b45678",)),
        (Basic(), "robot:p4ssw0rd", ("robot:p4ssw0rd", "p4ssw0rd")),
        (Basic(), "sk_live_1234:", ("sk_live_1234:", "sk_live_1234")),
        (ClientCredentials(token_url=TOKEN_URL), "app:cl13nt:s3cret", ("cl13nt:s3cret",)),
        (RefreshToken(token_url=TOKEN_URL), "app:cl13nt-s3cret:r3fr3sh:t", ("cl13nt-s3cret", "r3fr3sh:t")),
        (RefreshToken(token_url=TOKEN_URL), "app::r3fr3sh-t", ("r3fr3sh-t",)),
        (AwsSigV4(region="eu", service="s3"), "AKIA:s3cr3t-key", ("s3cr3t-key",)),
        (AwsSigV4(region="eu", service="s3"), "ASIA:s3cr3t-key:s3ssion-t", ("s3cr3t-key", "s3ssion-t")),
        (HMAC, "id:k3y-of-it", ("id:k3y-of-it",)),
        (WITH_KEY_ID, "id:k3y-of-it", ("k3y-of-it",)),
        (MintedJwt(algorithm="ES256", issuer="mesh"), "-----BEGIN PRIVATE KEY-----", ()),
    ],
)
def test_what_must_not_come_back_is_what_is_secret(injector: Injector, secret: str, parts: tuple[str, ...]):
    check_secret(injector, secret)

    assert secret_parts(injector, secret) == parts


@pytest.mark.parametrize(
    ("injector", "secret"),
    [
        (Bearer(), "short"),
        (Bearer(), "x" * 4097),
        (Bearer(), "has a blank"),
        (Bearer(), "line\r\nbreak"),
        (Bearer(), "nul\0nul\0nul"),
        (Bearer(), "schlüssel"),
        (Basic(), "no-colon-in-it"),
        (Basic(), "user-name:short"),
        (Basic(), "short:"),
        (Cookie("sid"), "a;Path=/;secret"),
        (Cookie("sid"), 'with"quotes'),
        (ClientCredentials(token_url=TOKEN_URL), "only-an-id"),
        (ClientCredentials(token_url=TOKEN_URL), "id:short"),
        (RefreshToken(token_url=TOKEN_URL), "id:client-secret"),
        (RefreshToken(token_url=TOKEN_URL), "id:short:refresh-token"),
        (TokenExchange(token_url=TOKEN_URL), ":client-secret:subject-token"),
        (AwsSigV4(region="eu", service="s3"), "AKIA-alone-0123456789"),
        (AwsSigV4(region="eu", service="s3"), "AKIA:short"),
        (WITH_KEY_ID, "no-id-in-it"),
        (MintedJwt(algorithm="ES256", issuer="mesh"), "sk-0123456789"),
        (GithubApp(app_id="1", installation_id="2"), "sk-0123456789"),
        (ClientCertificate(), "sk-0123456789"),
    ],
)
def test_a_secret_that_its_injector_cannot_use_is_unfit_and_not_repeated(injector: Injector, secret: str):
    with pytest.raises(SecretUnfit) as refused:
        check_secret(injector, secret)

    assert secret not in refused.value.detail


def provider(origin: str, *, allow_private: bool = False, injector: Injector | None = None) -> Provider:
    return Provider(
        name="p", origin=origin, base_path="", injector=injector or Bearer(), allow_private=allow_private
    )


@pytest.mark.parametrize(
    "unfit",
    [
        provider("http://api.example"),
        provider("https://[::zz]", allow_private=True),
        provider("https://[1:2]:80", allow_private=True),
        provider("http://0.0.300.0", allow_private=True),
        provider("https://0.0.00.0:8443", allow_private=True),
        provider("https://0177.0.0.1", allow_private=True),
        *(
            provider("https://api.example", injector=Header(name))
            for name in ("Host", "content-length", "Transfer-Encoding", "Connection", "Cookie")
        ),
        provider("https://api.example", injector=ClientCredentials(token_url="http://login.example/token")),
        provider("https://api.example", injector=RefreshToken(token_url="https://[::zz]/token")),
        provider("http://api.example", allow_private=True, injector=ClientCertificate()),
        provider("https://api.example", injector=RequestHmac(template="{secret}", signature_header="X-S")),
        provider("https://api.example", injector=RequestHmac(template="{body", signature_header="Host")),
        provider(
            "https://api.example",
            injector=RequestHmac(template="{path}", signature_header="X-S", timestamp_header="X-T"),
        ),
    ],
)
def test_a_provider_that_contradicts_itself_is_unfit(unfit: Provider):
    with pytest.raises(ProviderUnfit):
        check_provider(unfit)


@pytest.mark.parametrize("origin", ["https://api.example", "https://[2606:4700::1111]:8443"])
def test_a_public_provider_uses_tls(origin: str):
    check_provider(provider(origin))


def test_a_private_provider_may_ask_a_private_endpoint_for_tokens():
    injector = ClientCredentials(token_url="http://127.0.0.1:9/token")

    check_provider(provider("http://127.0.0.1:8", allow_private=True, injector=injector))


def test_the_host_of_a_request_has_its_port_only_where_it_is_not_the_schemes():
    hosts = ("https://a.example:443", "https://a.example:80", "http://a.example:80", "http://[::1]:8")

    assert [Draft(method="GET", origin=o, path="/", query="", fields=()).host for o in hosts] == [
        "a.example",
        "a.example:80",
        "a.example",
        "[::1]:8",
    ]
