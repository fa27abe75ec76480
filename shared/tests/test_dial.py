import socket
from ipaddress import IPv4Address, IPv6Address

import aiohttp
import pytest
from fastapi import FastAPI, Response
from hypothesis import given
from hypothesis import strategies as st
from mesh_cli import parts
from mesh_shared import dial
from mesh_shared.addresses import is_public
from mesh_shared.testing import served


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "255.255.255.255",
        "224.0.0.1",
        "168.63.129.16",
        "192.0.0.192",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "2002:a9fe:a9fe::",
        "2001::1",
        "::a9fe:a9fe",
        "fec0::1",
    ],
)
def test_an_address_that_is_not_public_is_refused(address: str):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111"])
def test_a_public_address_is_let_through(address: str):
    assert is_public(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f.1", "[::1]"])
async def test_no_spelling_of_loopback_is_dialled(host: str):
    async with dial.session(allow_private=False, timeout_s=5) as session:
        with pytest.raises(aiohttp.ClientConnectorError) as refused:
            await session.get(f"http://{host}:9/")

    assert isinstance(refused.value.os_error, dial.AddressRefused)


# RFC 6890, RFC 1112, RFC 4193, RFC 4291
CLOSED = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "fc00::/7",
    "fe80::/10",
    "ff00::/8",
    "2001:db8::/32",
]


@given(st.sampled_from(CLOSED).flatmap(lambda network: st.ip_addresses(network=network)))
def test_no_address_of_a_network_that_is_not_the_internet_is_public(address: IPv4Address | IPv6Address):
    assert not is_public(str(address))


EMBEDDINGS = ["::", "::ffff:0:0", "64:ff9b::", "64:ff9b:1::"]


@given(st.ip_addresses(v=4), st.sampled_from(EMBEDDINGS))
def test_an_address_inside_of_another_one_is_no_way_around(inner: IPv4Address, prefix: str):
    outer = IPv6Address(int(IPv6Address(prefix)) + int(inner))

    assert not is_public(str(outer))


@given(st.ip_addresses(v=4), st.integers(0, 2**80 - 1))
def test_a_tunnel_is_no_way_around(inner: IPv4Address, rest: int):
    six_to_four = IPv6Address((0x2002 << 112) | (int(inner) << 80) | rest)
    teredo = IPv6Address((0x20010000 << 96) | (int(inner) << 64) | (rest & (2**64 - 1)))

    assert not is_public(str(six_to_four))
    assert not is_public(str(teredo))


@given(st.ip_addresses(network="2606:4700::/32") | st.ip_addresses(network="8.0.0.0/9"))
def test_the_internet_is_public(address: IPv4Address | IPv6Address):
    assert is_public(str(address))


@pytest.mark.parametrize(
    "text", ["", "localhost", "127.1", "0x7f000001", "2130706433", "1.2.3.4:80", "[::1]"]
)
def test_what_is_no_address_is_never_taken_for_a_public_one(text: str):
    with pytest.raises(ValueError, match="does not appear to be"):
        is_public(text)


def test_an_address_that_is_refused_is_not_named_in_the_error():
    info = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("10.1.2.3", 80))

    with pytest.raises(dial.AddressRefused) as refused:
        dial._public_socket(info)

    assert "10.1.2.3" not in str(refused.value)


async def test_a_mesh_of_one_machine_may_dial_its_own_agents_and_keeps_none_of_their_cookies():
    app = FastAPI()
    app.get("/")(lambda: Response(headers={"Set-Cookie": "id=1"}))

    async with served(app) as url, dial.session(allow_private=True, timeout_s=60) as session:
        answer = await session.get(url)
        said = answer.headers["Set-Cookie"]

    assert said == "id=1"
    assert list(session.cookie_jar) == []


async def test_a_proxy_in_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch):
    with socket.socket() as proxy:
        proxy.bind(("127.0.0.1", 0))
        proxy.listen()
        proxy.setblocking(False)
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.getsockname()[1]}")

        async with dial.session(allow_private=True, timeout_s=5) as session:
            with pytest.raises(aiohttp.ClientConnectorError):
                await session.get(f"http://127.0.0.1:{parts.free_port()}/")

        with pytest.raises(BlockingIOError):
            proxy.accept()
