"""Value types and the base model of everything that crosses a wire."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

_INT64 = 2.0**63


class WireModel(BaseModel):
    """A JSON object with exactly the declared members, each of exactly the declared type.

    Strict, because a coerced value (`false` as 0, `"1"` as 1) is a misunderstanding that
    nobody notices, and because the published JSON Schema must be the whole truth.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _integer(cls, value: object) -> object:
        """7.0 is the integer 7 in JSON Schema (Draft 2020-12, validation §6.1.1), and so it is here.

        Beyond 64 bits it stays a float: canonical JSON has no word for such an integer.
        """
        if isinstance(value, float) and value.is_integer() and abs(value) < _INT64:
            return int(value)
        return value


class ReadModel(BaseModel):
    """The fields that we read of somebody else's answer; others may come and go."""

    model_config = ConfigDict(extra="ignore", frozen=True)


def places(error: ValidationError) -> list[str]:
    """Where a value does not fit, as dotted paths, sorted, each once; nothing of the value itself."""
    return sorted({".".join(str(step) for step in fault["loc"]) for fault in error.errors()})


_H = "[0-9a-f]{1,4}"
_BYTE = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
IPV6 = (
    rf"\[(({_H}:){{7}}{_H}|({_H}:){{1,7}}:|:(:{_H}){{1,7}}|::|"
    + "|".join(rf"({_H}:){{1,{7 - after}}}(:{_H}){{1,{after}}}" for after in range(1, 7))
    + rf"|::(ffff:)?({_BYTE}\.){{3}}{_BYTE})\]"
)
"""An IPv6 address as the host of a URL, in lower case, without a zone (RFC 3986, §3.2.2). Without anchors."""
PORT = "(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?"
"""A port of a URL, or none. Without anchors."""

# Strict mode would refuse the only spellings that JSON has for these two.
Uuid = Annotated[UUID, Field(strict=False)]
Timestamp = Annotated[datetime, Field(strict=False)]

# Decimal string of base units. JSON numbers lose precision above 2**53, and OpenAPI
# generators turn big integer bounds into floats.
Units = Annotated[
    str,
    StringConstraints(pattern=r"^(0|[1-9][0-9]{0,77})$"),
    Field(description="Amount in base units, as a decimal string.", examples=["1500000"]),
]
Hex32 = Annotated[
    str,
    StringConstraints(pattern=r"^0x[0-9a-f]{64}$"),
    Field(description="32 bytes in lower-case hex.", examples=["0x" + "ab" * 32]),
]
Address = Annotated[
    str,
    StringConstraints(pattern=r"^0x[0-9a-fA-F]{40}$"),
    Field(description="Account address (EIP-55 when we print it).", examples=["0x" + "1" * 40]),
]
Cid = Annotated[
    str,
    StringConstraints(pattern=r"^b[a-z2-7]{58}$"),
    Field(
        description="CIDv1, base32, SHA-256.",
        examples=["bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"],
    ),
]
Capability = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9._/-]{0,127}$"),
    Field(description="Name of something an agent can do.", examples=["text.summarize"]),
]
