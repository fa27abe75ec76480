"""A chain over its REST API: what it says, and what we have it do. One transaction of ours at a time."""

import asyncio
import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal
from typing import Any, TypeVar

import httpx
from mesh_shared.errors import Unavailable
from mesh_shared.http import asking
from mesh_shared.wire import ReadModel
from pydantic import Field, TypeAdapter, ValidationError

from mesh_deployer.adapters.akash.signer import Place, Signer
from mesh_deployer.adapters.akash.views import (
    BidAnswer,
    BidView,
    CertificateAnswer,
    DeploymentAnswer,
    LeaseAnswer,
    LeaseView,
    OrderView,
    ProviderView,
)
from mesh_deployer.adapters.akash.wire import Coin, Message, Profile

T = TypeVar("T")
PAGE = 1_000
"""Providers are some hundred, bids of an order at most twenty."""
VALID_BLOCKS = 20
"""A transaction that is in no block by then never will be."""
LOOK_S = 0.15
_GAS_MARGIN, _GAS_TO_SETTLE = Decimal("1.5"), 150_000
"""Simulated gas is less than what is used: a block later there is something to settle and to pay out."""
_MAX_BYTES = 16 * 2**20
_SEQUENCE = "account sequence mismatch"
_WRONG_SEQUENCE, _IN_MEMPOOL = 32, 19


class Refused(Exception):
    """The chain does not do it; nothing has changed. What to make of it is seen by looking again."""


class Overtaken(Exception):
    """Another transaction of this account is under way."""


class _Account(ReadModel):
    account_number: int
    sequence: int = 0


class _Header(ReadModel):
    height: int
    chain_id: str


class _Block(ReadModel):
    header: _Header


class _Latest(ReadModel):
    block: _Block


class _Gas(ReadModel):
    gas_used: int


class _Simulation(ReadModel):
    gas_info: _Gas


class _Outcome(ReadModel):
    code: int = 0
    raw_log: str = ""
    txhash: str = ""


class _Error(ReadModel):
    message: str = Field(max_length=10_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fees:
    """What gas costs: in which denomination, and how much for one."""

    denom: str
    gas_price: Decimal


@dataclass(frozen=True, slots=True)
class Chain:
    """The chain at `url`, asked in the words of `profile`.

    Every method raises `Unavailable` when it does not answer, or answers something else than a chain would.
    """

    http: httpx.AsyncClient
    url: str
    profile: Profile
    signer: Signer
    fees: Fees
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def head(self) -> tuple[str, int]:
        """The chain's id, and the height of its last block."""
        answer = await self._read("/cosmos/base/tendermint/v1beta1/blocks/latest")
        header = _parsed(_Latest, answer).block.header
        return header.chain_id, header.height

    async def deployment(self, dseq: int) -> DeploymentAnswer | None:
        """Our deployment of that number."""
        path = f"/akash/deployment/{self.profile.deployment}/deployments/list"
        found = await self._list(path, "deployments", DeploymentAnswer, self._ours(dseq))
        return found[0] if found else None

    async def orders(self, dseq: int) -> list[OrderView]:
        """The orders of a deployment of ours, oldest first."""
        path = f"/akash/market/{self.profile.market}/orders/list"
        orders = await self._list(path, "orders", OrderView, self._ours(dseq))
        return sorted(orders, key=lambda order: order.id.oseq)

    async def bids(self, dseq: int, gseq: int, oseq: int) -> list[BidView]:
        """The bids for an order of ours, by provider."""
        path = f"/akash/market/{self.profile.market}/bids/list"
        filters = self._ours(dseq) | {"filters.gseq": gseq, "filters.oseq": oseq}
        bids = [answer.bid for answer in await self._list(path, "bids", BidAnswer, filters)]
        return sorted(
            (bid for bid in bids if (bid.id.gseq, bid.id.oseq) == (gseq, oseq)),
            key=lambda bid: bid.id.provider,
        )

    async def leases(self, dseq: int) -> list[LeaseView]:
        """The leases of a deployment of ours, oldest first."""
        path = f"/akash/market/{self.profile.market}/leases/list"
        leases = [answer.lease for answer in await self._list(path, "leases", LeaseAnswer, self._ours(dseq))]
        return sorted(leases, key=lambda lease: lease.id.oseq)

    async def providers(self) -> list[ProviderView]:
        """Every provider that has declared itself."""
        path = f"/akash/provider/{self.profile.provider}/providers"
        return await self._list(path, "providers", ProviderView, {})

    async def provider(self, address: str) -> ProviderView:
        """What a provider declares."""
        answer = await self._read(f"/akash/provider/{self.profile.provider}/providers/{address}")
        return _parsed(ProviderView, answer.get("provider"))

    async def certificates(self, address: str) -> list[bytes]:
        """The valid certificates that an account has published, in PEM."""
        path = f"/akash/cert/{self.profile.certificate}/certificates/list"
        filters = {"filter.owner": address, "filter.state": "valid"}
        found = await self._list(path, "certificates", CertificateAnswer, filters)
        return [answer.certificate.cert for answer in found]

    async def send(self, *messages: Message, until: int | None = None) -> None:
        """Has the chain do all of `messages` or none, up to the block `until`; back when they are in one.

        Raises `Refused`, `Overtaken`. Cancelled in the middle, it may be done all the same.
        """
        async with self._turn:
            account, (chain_id, height) = await self._account(), await self.head()
            last = height + VALID_BLOCKS if until is None else until
            if last <= height:
                raise Unavailable("akash")
            place = Place(chain_id=chain_id, account_number=account.account_number, sequence=account.sequence)
            gas = await self._gas(messages, place)
            price = (gas * self.fees.gas_price).to_integral_value(ROUND_CEILING)
            raw = self.signer.transaction(
                messages,
                place,
                gas=gas,
                fee=Coin(self.fees.denom, int(price)),
                timeout_height=last,
            )
            await self._broadcast(raw)
            await self._included(hashlib.sha256(raw).hexdigest().upper(), last)

    async def _account(self) -> _Account:
        answer = await self._read(f"/cosmos/auth/v1beta1/accounts/{self.signer.address}")
        return _parsed(_Account, answer.get("account"))

    async def _gas(self, messages: Sequence[Message], place: Place) -> int:
        unpaid = self.signer.transaction(
            messages, place, gas=0, fee=Coin(self.fees.denom, 0), timeout_height=0
        )
        answer = await self._post("/cosmos/tx/v1beta1/simulate", {"tx_bytes": _base64(unpaid)})
        return int(_parsed(_Simulation, answer).gas_info.gas_used * _GAS_MARGIN) + _GAS_TO_SETTLE

    async def _broadcast(self, raw: bytes) -> None:
        body = {"tx_bytes": _base64(raw), "mode": "BROADCAST_MODE_SYNC"}
        answer = await self._post("/cosmos/tx/v1beta1/txs", body)
        outcome = _parsed(_Outcome, answer.get("tx_response"))
        if outcome.code == _WRONG_SEQUENCE:
            raise Overtaken
        if outcome.code not in (0, _IN_MEMPOOL):
            raise Refused(outcome.raw_log[:500])

    async def _included(self, hash: str, until: int) -> None:
        """Waits for the block with the transaction, or for the one after which it is void."""
        while True:
            _, height = await self.head()
            response = await self._answer("GET", f"/cosmos/tx/v1beta1/txs/{hash}")
            if response.is_success:
                outcome = _parsed(_Outcome, _json(response).get("tx_response"))
                if outcome.code:
                    raise Refused(outcome.raw_log[:500])
                return
            if height > until:
                raise Unavailable("akash")
            await asyncio.sleep(LOOK_S)

    def _ours(self, dseq: int) -> dict[str, Any]:
        return {"filters.owner": self.signer.address, "filters.dseq": dseq}

    async def _list(self, path: str, name: str, model: type[T], filters: dict[str, Any]) -> list[T]:
        answer = await self._read(path, filters | {"pagination.limit": PAGE})
        return [_parsed(model, item) for item in _parsed(list[Any], answer.get(name))]

    async def _read(self, path: str, query: dict[str, Any] | None = None) -> dict[str, Any]:
        response = await self._answer("GET", path, params=query)
        if not response.is_success:
            raise Unavailable("akash")
        return _json(response)

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        response = await self._answer("POST", path, json=body)
        if response.is_success:
            return _json(response)
        text = _parsed(_Error, _json(response)).message
        if _SEQUENCE in text:
            raise Overtaken
        raise Refused(text[:500])

    async def _answer(self, method: str, path: str, **more: Any) -> httpx.Response:
        async with asking("akash"):
            response = await self.http.request(method, f"{self.url}{path}", **more)
        if len(response.content) > _MAX_BYTES:
            raise Unavailable("akash")
        return response


def _json(response: httpx.Response) -> dict[str, Any]:
    try:
        return _parsed(dict[str, Any], response.json())
    except ValueError:
        raise Unavailable("akash") from None


def _parsed(form: type[T], value: Any) -> T:
    try:
        return TypeAdapter(form).validate_python(value)
    except ValidationError:
        raise Unavailable("akash") from None


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
