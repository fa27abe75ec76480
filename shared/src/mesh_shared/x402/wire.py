"""What is in the three headers: base64 of JSON, in the specification's names."""

import base64
import binascii
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel

from mesh_shared.wire import Address, Units

VERSION = 2
REQUIRED, SIGNATURE, RESPONSE = "PAYMENT-REQUIRED", "PAYMENT-SIGNATURE", "PAYMENT-RESPONSE"
MAX_HEADER = 8192

Name = Annotated[str, StringConstraints(max_length=100)]
Seconds = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,20}$")]
Bytes32 = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-fA-F]{64}$")]
Signature = Annotated[str, StringConstraints(pattern=r"^0x([0-9a-fA-F]{2}){1,1024}$")]
ModelT = TypeVar("ModelT", bound="Header")


class Malformed(ValueError):
    """A header that holds no such object."""


class Header(BaseModel):
    """An object in a header; members that we do not know may come and go."""

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, frozen=True, strict=True, extra="ignore"
    )

    def encoded(self) -> str:
        """The header's value."""
        return base64.b64encode(self.model_dump_json(by_alias=True, exclude_none=True).encode()).decode()

    @classmethod
    def decoded(cls: type[ModelT], text: str) -> ModelT:
        """What a header's value holds. Raises `Malformed`."""
        try:
            return cls.model_validate_json(base64.b64decode(text, validate=True))
        except (binascii.Error, ValidationError, ValueError):
            raise Malformed from None


class Resource(Header):
    """What is paid for."""

    url: Annotated[str, StringConstraints(max_length=2000)]
    description: str | None = Field(default=None, max_length=1000)
    mime_type: str | None = Field(default=None, max_length=100)


class Requirements(Header):
    """One way to pay; `amount` is in base units of the token `asset`, `network` a CAIP-2 id."""

    scheme: Name
    network: Name
    amount: Units
    asset: Name
    pay_to: Name
    max_timeout_seconds: int = Field(ge=1, le=2**31)
    extra: dict[str, Any] = Field(default={})


class PaymentRequired(Header):
    """The header of a 402: how the resource is paid for, and why what was sent did not do."""

    x402_version: int = VERSION
    error: str
    resource: Resource
    accepts: list[Requirements]


class Authorization(Header):
    """EIP-3009 `TransferWithAuthorization`; it holds strictly between `valid_after` and `valid_before`."""

    payer: Address = Field(validation_alias="from", serialization_alias="from")
    to: Address
    value: Units
    valid_after: Seconds
    valid_before: Seconds
    nonce: Bytes32


class Exact(Header):
    """The payload of the scheme `exact` by EIP-3009."""

    signature: Signature
    authorization: Authorization


class Payment(Header):
    """What a payer sends: the way that it accepted, under its signature."""

    x402_version: int
    accepted: Requirements
    payload: Exact


class Settlement(Header):
    """What became of a payment; `transaction` is empty when it came to nothing."""

    success: bool
    transaction: str
    network: str
    payer: str
    amount: str | None = None
    error_reason: str | None = None
