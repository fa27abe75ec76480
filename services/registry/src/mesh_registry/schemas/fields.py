"""Fields that several of the wire models have."""

from typing import Annotated

from pydantic import Field, StringConstraints

MAX_INSTANT = 2**53 - 1
EXAMPLE_OWNER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
_HASH = "0x" + "5e" * 32

AgentName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9._/-]{0,127}$"),
    Field(description="The agent's name, first come first served.", examples=["acme/summarizer"]),
]
Did = Annotated[
    str,
    StringConstraints(pattern=r"^did:[a-z0-9]{1,32}:[A-Za-z0-9._:%-]{1,200}$"),
    Field(description="Default: did:pkh of the owner.", examples=["did:web:acme.example"]),
]
Signature = Annotated[
    str,
    StringConstraints(pattern=r"^0x[0-9a-fA-F]{128}1[bBcC]$"),
    Field(description="65 bytes r, s, v of an account's key; v is 27 or 28.", examples=["0x" + "1b" * 65]),
]
WalletSignature = Annotated[
    str,
    StringConstraints(min_length=132, max_length=8194, pattern=r"^0x([0-9a-fA-F]{2})+$"),
    Field(
        description="65 bytes r, s, v (27 or 28) of an account's key, or whatever a wallet's contract takes "
        "(ERC-1271).",
        examples=["0x" + "1b" * 65],
    ),
]
Deadline = Annotated[
    int, Field(ge=0, le=MAX_INSTANT, description="Unix seconds, as signed.", examples=[1798761600])
]
TransactionHash = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-fA-F]{64}$"), Field(examples=[_HASH])]


def as_bytes(hex_text: str) -> bytes:
    """The bytes behind `0x…`."""
    return bytes.fromhex(hex_text[2:])
