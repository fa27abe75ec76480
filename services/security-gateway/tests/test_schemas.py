"""What the schema lets through has one reading, whoever reads it."""

from importlib import import_module
from ipaddress import ip_address
from pkgutil import iter_modules
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_security_gateway import events, schemas
from mesh_security_gateway.domain.injectors import Bearer
from mesh_security_gateway.domain.paths import canonical_path
from mesh_security_gateway.domain.providers import Provider, check_provider
from mesh_security_gateway.errors import ProviderUnfit
from mesh_security_gateway.schemas.connections import ConnectionRequest
from mesh_security_gateway.schemas.grants import GrantRequest
from mesh_security_gateway.schemas.operations import OperationRequest
from mesh_security_gateway.schemas.providers import ProviderModel
from mesh_security_gateway.schemas.sessions import SessionRequest
from mesh_shared.events.event import Event
from pydantic import BaseModel, ValidationError
from yarl import URL

PROVIDER: dict[str, Any] = {"name": "p", "origin": "https://api.example", "injector": {"kind": "bearer"}}
ORIGINS = st.from_regex(ProviderModel.model_json_schema()["properties"]["origin"]["pattern"], fullmatch=True)
# What makes parsers disagree about where a host begins and ends.
TROUBLE = st.text("https:/.@\\?#[]%0127.evil \t\r\n\0é。-_", max_size=30).map(lambda tail: f"https://{tail}")


@given(ORIGINS)
def test_an_origin_that_fits_is_the_same_host_and_port_to_every_parser(origin: str):
    fit = ProviderModel.model_validate(PROVIDER | {"origin": origin})
    try:
        check_provider(provider(fit.origin))
    except ProviderUnfit:
        return

    plain, ours, other = urlsplit(origin), URL(f"{origin}/a"), httpx.URL(f"{origin}/a")
    default = {"http": 80, "https": 443}[plain.scheme]
    assert (plain.path, plain.query, plain.fragment, plain.username) == ("", "", "", None)
    assert host(ours.raw_host) == host(other.host) == host(plain.hostname)
    assert ours.port == (plain.port or default) == (other.port or default)
    assert (ours.raw_user, ours.raw_path, other.userinfo, other.raw_path) == (None, "/a", b"", b"/a")


def host(written: str | None) -> str:
    """An IPv6 address has many spellings, and libraries choose."""
    try:
        return str(ip_address(written or ""))
    except ValueError:
        return (written or "").lower()


def provider(origin: str) -> Provider:
    return Provider(name="p", origin=origin, base_path="", injector=Bearer(), allow_private=True)


@given(TROUBLE)
def test_an_origin_that_parsers_could_quarrel_about_does_not_fit(origin: str):
    try:
        ProviderModel.model_validate(PROVIDER | {"origin": origin})
    except ValidationError:
        return

    assert not set(origin.removeprefix("https://")) & set("@\\?#% \t\r\n\0é。_/")


@given(st.from_regex(ProviderModel.model_json_schema()["properties"]["base_path"]["pattern"], fullmatch=True))
def test_a_base_path_that_fits_is_canonical(base_path: str):
    assert canonical_path(f"{base_path}/user".encode()) == f"{base_path}/user"


SECRETS = (
    "short",
    "x" * 16385,
    "has a blank",
    "tab\tinside",
    "line\nbreak",
    "sk-0123456789\n",
    "nul\0" * 3,
    "é" * 8,
)


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_that_does_not_fit_is_not_in_what_is_said_about_it(secret: str):
    with pytest.raises(ValidationError) as refused:
        ConnectionRequest.model_validate({"name": "n", "provider": "p", "secret": secret})

    faults = refused.value.errors(include_input=False, include_url=False)
    assert secret not in str([fault["msg"] for fault in faults])


def test_a_secret_is_never_printed_with_its_request():
    request = ConnectionRequest.model_validate({"name": "n", "provider": "p", "secret": "sk-0123456789"})

    assert "sk-" not in repr(request) + str(request) + request.model_dump_json()
    assert request.secret.get_secret_value() == "sk-0123456789"


@pytest.mark.parametrize("model", [SessionRequest, ProviderModel, GrantRequest, OperationRequest])
def test_a_member_that_nobody_declared_is_refused(model: Any):
    with pytest.raises(ValidationError, match="surprise"):
        model.model_validate({"surprise": 1})


def test_an_operation_takes_its_body_by_the_name_that_it_has_on_the_wire():
    asked = {"connection": "github", "method": "POST", "path": "/a", "json": {"n": 1}}

    operation = OperationRequest.model_validate(asked).operation()

    assert operation.json == b'{"n":1}'
    with pytest.raises(ValidationError):
        OperationRequest.model_validate(asked | {"content": 1})


@pytest.mark.parametrize("nothing", [{}, {"json": None}])
def test_null_is_no_body(nothing: dict[str, Any]):
    asked = {"connection": "github", "method": "GET", "path": "/a"}

    assert OperationRequest.model_validate(asked | nothing).operation().json is None


def facts() -> list[type[Event]]:
    found = [value for value in vars(events).values() if isinstance(value, type) and issubclass(value, Event)]
    return [fact for fact in found if "topic" in vars(fact)]


def test_facts_are_told_under_the_services_name_and_a_version():
    topics = [fact.topic for fact in facts()]

    assert len(topics) == len(set(topics)) == 14
    assert all(topic.startswith("security-gateway.") and topic.endswith(".v1") for topic in topics)


def published_views() -> list[type[BaseModel]]:
    modules = [import_module(found.name) for found in iter_modules(schemas.__path__, f"{schemas.__name__}.")]
    named = {name: view for module in modules for name, view in vars(module).items() if name.endswith("View")}
    return list(named.values())


def test_no_fact_and_no_view_has_room_for_a_secret():
    views = published_views()
    names = {field for model in (*facts(), *views) for field in model.model_fields}

    assert not {"secret", "password", "credential", "ciphertext", "wrapped_key", "digest"} & names
    # One is shown once, the other is a public key.
    assert [v.__name__ for v in views if "key" in v.model_fields] == ["AuditKeyView", "NewApiKeyView"]
