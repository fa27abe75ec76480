"""What a caller who has not paid is told."""

from collections.abc import Mapping
from http import HTTPStatus

from mesh_shared.errors import MeshError
from mesh_shared.x402.wire import REQUIRED, RESPONSE, PaymentRequired, Settlement


class PaymentMissing(MeshError, status=HTTPStatus.PAYMENT_REQUIRED, title="Payment required"):
    """Pay as one of the ways in `PAYMENT-REQUIRED` says, and send the request again; nothing was done yet."""

    def __init__(self, required: PaymentRequired, failed: Settlement | None = None) -> None:
        super().__init__("This request has its price: see PAYMENT-REQUIRED (x402).", reason=required.error)
        self._headers = {REQUIRED: required.encoded()}
        if failed is not None:
            self._headers[RESPONSE] = failed.encoded()

    def headers(self) -> Mapping[str, str]:
        return self._headers
