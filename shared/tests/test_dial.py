import aiohttp
import pytest
from mesh_shared import dial
from mesh_shared.dial import is_public


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
