"""Which addresses are of the public Internet: `ipaddress` calls some networks global; a list closes them."""

import ipaddress

_CLOSED = [
    ipaddress.ip_network(network)
    for network in (
        "168.63.129.16/32",  # Azure's metadata and DNS
        "192.0.0.0/24",  # RFC 6890, Oracle's metadata
        "192.88.99.0/24",  # 6to4 relays
        "64:ff9b::/96",  # NAT64 (RFC 6052)
        "64:ff9b:1::/48",  # NAT64 (RFC 8215)
        "2002::/16",  # 6to4
        "2001::/32",  # Teredo
        "::/96",  # IPv4-compatible
        "::ffff:0:0/96",  # IPv4-mapped
        "::ffff:0:0:0/96",  # IPv4-translated (RFC 2765)
        "fec0::/10",  # site-local
    )
]


def is_public(address: str) -> bool:
    """True for a unicast address of the public Internet."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _CLOSED)
