"""Parameters and responses of a route that may have its price."""

from typing import Annotated, Any

from fastapi import Header

from mesh_shared.x402.wire import MAX_HEADER, REQUIRED, RESPONSE, SIGNATURE

_BASE64 = r"^[A-Za-z0-9+/]+={0,2}$"
PaymentSignature = Annotated[
    str | None,
    Header(
        alias=SIGNATURE,
        max_length=MAX_HEADER,
        pattern=_BASE64,
        description="The x402 v2 `PaymentPayload` as base64 of JSON, where this service has a price.",
    ),
]
PRICED: dict[int | str, dict[str, Any]] = {
    402: {
        "description": "This service has a price, which was not paid; `reason` says why not.",
        "headers": {
            REQUIRED: {
                "description": "x402 v2 `PaymentRequired`, base64 of JSON.",
                "schema": {"type": "string"},
            },
            RESPONSE: {
                "description": "x402 v2 `SettlementResponse` of a payment that came to nothing.",
                "schema": {"type": "string"},
            },
        },
    }
}
