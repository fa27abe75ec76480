"""Decimals on the wire: always strings."""

from decimal import Decimal
from typing import Annotated

from pydantic import Field, StringConstraints

_CENT, _TENTH = Decimal("0.01"), Decimal("0.1")

UactPerBlock = Annotated[
    str,
    StringConstraints(pattern=r"^(0|[1-9][0-9]{0,6})(\.[0-9]{1,6})?$"),
    Field(description="uact per block, as a decimal string.", examples=["13.5"]),
]
PriceCeiling = Annotated[
    str,
    StringConstraints(pattern=r"^[1-9][0-9]{0,6}(\.[0-9]{1,6})?$"),
    Field(description="The most to pay for one replica, in uact per block; at least 1.", examples=["100"]),
]
Deposit = Annotated[
    str,
    StringConstraints(pattern=r"^[1-9][0-9]{0,14}$"),
    Field(description="uact, as a decimal string.", examples=["1000000"]),
]
Usd = Annotated[str, Field(description="US dollars per month of 30.437 days.", examples=["5.83"])]
Percent = Annotated[
    str | None,
    Field(description="How much less Akash costs; null where a price is not known.", examples=["82.2"]),
]


def usd(amount: Decimal) -> str:
    """Dollars with two decimals."""
    return f"{amount.quantize(_CENT):f}"


def percent(value: Decimal | None) -> str | None:
    """Percent with one decimal."""
    return None if value is None else f"{value.quantize(_TENTH):f}"
