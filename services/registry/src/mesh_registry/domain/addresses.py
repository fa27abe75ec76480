"""Addresses that strangers name: whether they can lead anywhere but to the reader's own network."""

import ipaddress
import re
from urllib.parse import urlsplit

from mesh_shared.addresses import is_public

_PRIVATE_NAMES = ("localhost", ".localhost", ".local", ".internal", ".home.arpa")


def may_be_public(host: str) -> bool:
    """False for literal addresses that are not public, and for names that no public resolver knows.

    A name that passes may still resolve to such an address: who dials checks again (`mesh_shared.dial`).
    """
    try:
        return is_public(str(ipaddress.ip_address(host)))
    except ValueError:
        # 127.1 and 0x7f000001 are addresses to some resolvers, and names to none
        top = host.rsplit(".", maxsplit=1)[-1]
        return "." in host and not host.endswith(_PRIVATE_NAMES) and re.match(r"[a-z]", top) is not None


def leads_out(url: str) -> bool:
    """Whether the host of an address may be a public one; an address without a host leads nowhere."""
    try:
        return may_be_public(urlsplit(url).hostname or "")
    except ValueError:
        return False
