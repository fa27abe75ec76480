"""Upstreams as an operator fixed them."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Any

from mesh_security_gateway.domain import headers, injectors, request_hmac
from mesh_security_gateway.domain.injectors import (
    ClientCertificate,
    ClientCredentials,
    Cookie,
    Injector,
    RefreshToken,
    RequestHmac,
    TokenExchange,
)
from mesh_security_gateway.errors import ProviderUnfit

_BRACKETED = re.compile(r"//\[(.*)\]")
_FOUR_NUMBERS = re.compile(r"//([0-9]+(\.[0-9]+){3})(:|/|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """An upstream as the operator fixed it. It never changes, so a secret stays where it was put."""

    name: str
    origin: str
    base_path: str
    injector: Injector
    allow_private: bool

    def members(self) -> dict[str, Any]:
        """Everything that a secret is tied to."""
        return {
            "name": self.name,
            "origin": self.origin,
            "base_path": self.base_path,
            "injector": injectors.members(self.injector),
            "allow_private": self.allow_private,
        }

    @property
    def base_url(self) -> str:
        """What goes before every path."""
        return f"{self.origin}{self.base_path}"

    def addresses(self) -> tuple[str, ...]:
        """Where the gateway may send the secret, or what it fetches with it."""
        match self.injector:
            case (
                ClientCredentials(token_url=url) | RefreshToken(token_url=url) | TokenExchange(token_url=url)
            ):
                return self.origin, url
            case _:
                return (self.origin,)


def check_provider(provider: Provider) -> None:
    """Raises `ProviderUnfit` for a public address without TLS, for an address that is none, and for an
    injector that cannot do what it says.
    """
    for address in provider.addresses():
        _check_address(address, allow_private=provider.allow_private)
    _check_injector(provider)


def _check_address(address: str, *, allow_private: bool) -> None:
    if address.startswith("http://") and not allow_private:
        raise ProviderUnfit("An address without TLS must be a private one: set allow_private, or use https.")
    if (literal := _BRACKETED.search(address)) and not _is(ipaddress.IPv6Address, literal[1]):
        raise ProviderUnfit("What stands in brackets is not an IPv6 address.")
    if (literal := _FOUR_NUMBERS.search(address)) and not _is(ipaddress.IPv4Address, literal[1]):
        raise ProviderUnfit("A host of four numbers is an IPv4 address, in the spelling that all read alike.")


def _check_injector(provider: Provider) -> None:
    match provider.injector:
        case Cookie():
            return
        case ClientCertificate() if provider.origin.startswith("http://"):
            raise ProviderUnfit("A client certificate needs an origin with TLS.")
        case RequestHmac() as spec:
            request_hmac.check(spec)
        case _:
            pass
    if not all(map(headers.may_be_injected, injectors.written_fields(provider.injector))):
        raise ProviderUnfit("That header field frames the message and cannot carry a credential.")


def _is(kind: type[ipaddress.IPv4Address] | type[ipaddress.IPv6Address], text: str) -> bool:
    try:
        kind(text)
    except ValueError:
        return False
    return True
