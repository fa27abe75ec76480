"""The text for a wallet is EIP-4361's, to the letter: wallets that know it show more than a text."""

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_shared.auth.sign_in import SignIn

ISSUED = datetime(2026, 3, 1, 12, 0, 9, 999_999, UTC)
ACCOUNT = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"

# ERC-4361's ABNF, for what we write: no scheme, one statement, no "Not Before", no "Request ID".
URI = r"[a-z][a-z0-9+.-]*://[^\s]+"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
GRAMMAR = re.compile(
    r"(?P<domain>[^\s/?#]+) wants you to sign in with your Ethereum account:\n"
    r"(?P<account>0x[0-9a-fA-F]{40})\n\n"
    r"(?P<statement>[^\n]+)\n\n"
    rf"URI: (?P<uri>{URI})\nVersion: 1\nChain ID: (?P<chain>\d+)\n"
    r"Nonce: (?P<nonce>[A-Za-z0-9]{8,})\n"
    rf"Issued At: (?P<issued>{TIME})\nExpiration Time: (?P<expires>{TIME})\n"
    rf"Resources:(?P<resources>(\n- {URI})+)"
)


def asked(
    *,
    url: str = "https://mesh.example:8443",
    nonce: str = "Ab3dEf7h",
    chain_id: int = 1,
    resources: tuple[str, ...] = ("https://mesh.example/v1/agents/a",),
    issued_at: datetime = ISSUED,
    valid: timedelta = timedelta(minutes=5),
    site: str = "",
) -> dict[str, str]:
    text = SignIn(
        url=url,
        path="/v1/sessions",
        account=ACCOUNT,
        chain_id=chain_id,
        statement="Open a session for my agent.",
        nonce=nonce,
        issued_at=issued_at,
        expires_at=issued_at + valid,
        resources=resources,
        site=site,
    ).text
    read = GRAMMAR.fullmatch(text)
    assert read is not None, text
    return read.groupdict()


def test_a_page_of_another_site_is_named_as_the_one_that_wants_it():
    text = asked(site="http://127.0.0.1:8376")

    assert (text["domain"], text["uri"]) == ("127.0.0.1:8376", "https://mesh.example:8443/v1/sessions")


def test_the_text_says_who_asks_whom_for_what_and_until_when():
    assert asked() == {
        "domain": "mesh.example:8443",
        "account": ACCOUNT,
        "statement": "Open a session for my agent.",
        "uri": "https://mesh.example:8443/v1/sessions",
        "chain": "1",
        "nonce": "Ab3dEf7h",
        "issued": "2026-03-01T12:00:09Z",
        "expires": "2026-03-01T12:05:09Z",
        "resources": "\n- https://mesh.example/v1/agents/a",
    }


@given(
    st.text("aZ09", min_size=8, max_size=40),
    st.integers(1, 2**63),
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds
    st.lists(st.text("az27", min_size=1).map("ipfs://{}".format), min_size=1, max_size=5),
)
def test_whatever_is_asked_is_told_apart_and_in_the_grammar(
    nonce: str, chain_id: int, at: datetime, resources: list[str]
):
    said = asked(nonce=nonce, chain_id=chain_id, issued_at=at, resources=tuple(resources))

    assert (said["nonce"], int(said["chain"])) == (nonce, chain_id)
    assert datetime.fromisoformat(said["issued"]) == at.replace(microsecond=0)
    assert said["resources"].removeprefix("\n- ").split("\n- ") == resources


@pytest.mark.parametrize("hours", [-11, 2, 14])
def test_a_time_of_another_zone_is_written_as_what_it_is_in_utc(hours: int):
    there = ISSUED.astimezone(timezone(timedelta(hours=hours)))

    assert asked(issued_at=there)["issued"] == "2026-03-01T12:00:09Z"


@pytest.mark.parametrize(
    ("url", "domain"),
    [
        ("http://127.0.0.1:8374", "127.0.0.1:8374"),
        ("https://mesh.example", "mesh.example"),
        ("https://mesh.example/below", "mesh.example"),
        ("http://[::1]:8374", "[::1]:8374"),
    ],
)
def test_the_domain_is_the_authority_of_our_address_and_no_more(url: str, domain: str):
    said = asked(url=url)

    assert (said["domain"], said["uri"]) == (domain, f"{url}/v1/sessions")
