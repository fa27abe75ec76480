"""A small ledger that speaks the present line of Akash, which cannot be built here, over the same REST API.

It checks every signature and follows the rules of x/market and x/deployment. A block passes when somebody
asks for the last one.
"""

import base64
import copy
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256
from typing import Any

from bech32 import bech32_encode, convertbits
from coincurve import PublicKey
from fastapi import FastAPI, Request, Response
from google.protobuf import json_format
from hosts import der
from mesh_deployer.adapters.akash import wire
from mesh_deployer.domain.escrow import Escrow

CHAIN_ID = "akash-present"
REASONS = {
    0: "lease_closed_invalid",
    10000: "lease_closed_reason_unstable",
    10003: "lease_closed_reason_manifest_timeout",
}
Fields = dict[str, Any]
OrderKey = tuple[str, int, int, int]
BidKey = tuple[str, int, int, int, str]


class Fault(Exception):
    """The chain's word for what it does not do."""


@dataclass
class Deployment:
    """`groups` are what was asked for, `states` what has become of each, both from number 1 on."""

    hash: str
    groups: list[Fields]
    escrow: Escrow
    states: list[str]
    state: str = "active"


@dataclass
class Bid:
    price: Decimal
    state: str = "open"
    lease: Fields | None = None


@dataclass
class Ledger:
    """What the chain knows. Every message changes it, or raises `Fault`."""

    height: int = 1
    deployments: dict[tuple[str, int], Deployment] = field(default_factory=dict[tuple[str, int], Deployment])
    orders: dict[OrderKey, str] = field(default_factory=dict[OrderKey, str])
    bids: dict[BidKey, Bid] = field(default_factory=dict[BidKey, Bid])
    providers: dict[str, Fields] = field(default_factory=dict[str, Fields])
    certificates: dict[str, bytes] = field(default_factory=dict[str, bytes])

    def apply(self, type_url: str, value: bytes) -> None:
        name = type_url.rsplit(".Msg", 1)[1]
        versions = {"deployment.v1beta4", "market.v1beta5", "provider.v1beta4", "cert.v1", "escrow.v1"}
        if type_url.removeprefix("/akash.").rsplit(".", 1)[0] not in versions:
            raise Fault(f"unable to resolve type URL {type_url}")
        form = {"CreateDeployment": "CreateDeployment4", "CreateBid": "CreateBid5"}.get(name, name)
        getattr(self, f"_{name}")(decoded(form, value))

    def _CreateDeployment(self, message: Any) -> None:
        key, coin = (message.id.owner, message.id.dseq), message.deposit.amount
        if key in self.deployments:
            raise Fault("Deployment exists")
        if coin.denom != "uact" or list(message.deposit.sources) != [1] or len(message.hash) != 32:
            raise Fault("invalid deposit or hash")
        escrow = Escrow(deposited_uact=int(coin.amount), settled_at=self.height)
        groups = [
            json_format.MessageToDict(
                group, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
            )
            for group in message.groups
        ]
        hash, states = base64.b64encode(message.hash).decode(), ["open" for _ in groups]
        self.deployments[key] = Deployment(hash, _plain(groups), escrow, states)
        self.orders |= {(*key, gseq, 1): "open" for gseq, _ in enumerate(groups, 1)}

    def _UpdateDeployment(self, message: Any) -> None:
        found = self._active(message.id)
        if found.hash == (new := base64.b64encode(message.hash).decode()):
            raise Fault("Invalid: deployment hash")
        found.hash = new

    def _CloseDeployment(self, message: Any) -> None:
        self._end(message.id.owner, message.id.dseq, self._active(message.id))

    def _AccountDeposit(self, message: Any) -> None:
        owner, _, dseq = message.id.xid.partition("/")
        found = self.deployments[owner, int(dseq)]
        if found.state != "active" or message.id.scope != 1 or message.signer != owner:
            raise Fault("account closed")
        total = found.escrow.deposited_uact + int(message.deposit.amount.amount)
        found.escrow = found.escrow.topped_up(total)

    def _StartGroup(self, message: Any) -> None:
        found = self._active(message.id)
        group = (message.id.owner, message.id.dseq, message.id.gseq)
        if found.states[message.id.gseq - 1] != "paused":
            raise Fault("Group not startable")
        found.states[message.id.gseq - 1] = "open"
        self.orders[*group, sum(key[:3] == group for key in self.orders) + 1] = "open"

    def _CreateBid(self, message: Any) -> None:
        id, price = message.id, Decimal(message.price.amount) / wire.ATOMICS
        if self.orders.get(self._key(id)[:4]) != "open" or self._key(id) in self.bids:
            raise Fault("order not open, or bid exists")
        asked = self.deployments[id.owner, id.dseq].groups[id.gseq - 1]["resources"]
        if price > sum(Decimal(unit["price"]["amount"]) * unit["count"] for unit in asked):
            raise Fault("bid price above order price")
        if [offer.count for offer in message.resources_offer] != [unit["count"] for unit in asked]:
            raise Fault("resources offer does not match")
        self.bids[self._key(id)] = Bid(price)

    def _CreateLease(self, message: Any) -> None:
        id = message.bid_id
        bid, found = self.bids.get(self._key(id)), self._active(id)
        if bid is None or bid.state != "open":
            raise Fault("bid not open")
        for key, other in self.bids.items():
            if key[:4] == self._key(id)[:4] and other.state == "open":
                other.state = "lost"
        bid.state = "active"
        bid.lease = {"state": "active", "created_at": self.height, "closed_on": 0, "reason": REASONS[0]}
        self.orders[self._key(id)[:4]] = "active"
        found.escrow = found.escrow.leased(bid.price, self.height)

    def _WithdrawLease(self, message: Any) -> None:
        found = self._active(message.lease_id)
        found.escrow = found.escrow.settled(self.height)
        if found.escrow.is_overdrawn:
            self._end(message.lease_id.owner, message.lease_id.dseq, found)

    def _CloseBid(self, message: Any) -> None:
        bid, found = self.bids[self._key(message.id)], self._active(message.id)
        if bid.state not in ("open", "active"):
            raise Fault("bid not open or active")
        bid.state = "closed"
        if bid.lease is not None:
            bid.lease |= {"state": "closed", "closed_on": self.height, "reason": REASONS[message.reason]}
            found.states[message.id.gseq - 1] = "paused"
            found.escrow = found.escrow.released(self.height, bid.price)
            self.orders[self._key(message.id)[:4]] = "closed"

    def _CreateProvider(self, message: Any) -> None:
        attributes = [{"key": pair.key, "value": pair.value} for pair in message.attributes]
        said = {"owner": message.owner, "host_uri": message.host_uri, "attributes": attributes}
        self.providers[message.owner] = said

    def _CreateCertificate(self, message: Any) -> None:
        self.certificates[message.owner] = message.cert

    def _active(self, id: Any) -> Deployment:
        found = self.deployments.get((id.owner, id.dseq))
        if found is None or found.state != "active":
            raise Fault("Deployment closed")
        return found

    def _end(self, owner: str, dseq: int, found: Deployment) -> None:
        found.escrow = found.escrow.released(self.height)
        found.state = "closed"
        found.states = ["insufficient_funds" if found.escrow.is_overdrawn else "closed" for _ in found.states]
        for key, bid in self.bids.items():
            if key[:2] == (owner, dseq) and bid.lease is not None and bid.lease["state"] == "active":
                bid.lease |= {"state": "closed", "closed_on": self.height, "reason": "lease_closed_owner"}
        for order in [key for key in self.orders if key[:2] == (owner, dseq)]:
            self.orders[order] = "closed"

    def _key(self, id: Any) -> BidKey:
        return id.owner, id.dseq, id.gseq, id.oseq, id.provider


@dataclass
class Node:
    """The ledger behind the REST API of a node."""

    ledger: Ledger = field(default_factory=Ledger)
    accounts: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    done: set[str] = field(default_factory=set[str])

    @property
    def app(self) -> FastAPI:
        app = FastAPI()
        lists: dict[str, Callable[[], list[Fields]]] = {
            "/akash/deployment/v1beta4/deployments/list": self._deployments,
            "/akash/market/v1beta5/orders/list": self._orders,
            "/akash/market/v1beta5/bids/list": self._bids,
            "/akash/market/v1beta5/leases/list": self._leases,
            "/akash/provider/v1beta4/providers": lambda: list(self.ledger.providers.values()),
        }
        for path, listed in lists.items():
            app.add_api_route(path, self._list(path, listed), response_model=None)
        app.add_api_route("/akash/provider/v1beta4/providers/{address}", self._provider)
        app.add_api_route("/akash/cert/v1/certificates/list", self._certificates)
        app.add_api_route("/cosmos/auth/v1beta1/accounts/{address}", self._account)
        app.add_api_route("/cosmos/base/tendermint/v1beta1/blocks/latest", self._latest)
        app.add_api_route(
            "/cosmos/tx/v1beta1/simulate", self._simulate, methods=["POST"], response_model=None
        )
        app.add_api_route("/cosmos/tx/v1beta1/txs", self._broadcast, methods=["POST"])
        app.add_api_route("/cosmos/tx/v1beta1/txs/{hash}", self._included, response_model=None)
        return app

    async def _latest(self) -> Fields:
        self.ledger.height += 1
        return {"block": {"header": {"chain_id": CHAIN_ID, "height": str(self.ledger.height)}}}

    async def _account(self, address: str) -> Fields:
        number, sequence = self.accounts.setdefault(address, [len(self.accounts), 0])
        return {"account": {"address": address, "account_number": str(number), "sequence": str(sequence)}}

    async def _simulate(self, request: Request) -> Response:
        raw = base64.b64decode((await request.json())["tx_bytes"])
        try:
            applied(copy.deepcopy(self.ledger), raw)
        except Fault as fault:
            return Response(json.dumps({"code": 3, "message": str(fault)}), 400)
        return Response(json.dumps({"gas_info": {"gas_used": "90000"}}))

    async def _broadcast(self, request: Request) -> Fields:
        raw = base64.b64decode((await request.json())["tx_bytes"])
        try:
            account = self._checked(raw)
            applied(copy.deepcopy(self.ledger), raw)
        except Fault as fault:
            code = 32 if "sequence" in str(fault) else 5
            return {"tx_response": {"code": code, "raw_log": str(fault)}}
        account[1] += 1
        applied(self.ledger, raw)
        self.done.add(sha256(raw).hexdigest().upper())
        return {"tx_response": {"code": 0}}

    async def _included(self, hash: str) -> Response:
        known = hash in self.done
        return Response(json.dumps({"tx_response": {"code": 0, "txhash": hash}}), 200 if known else 404)

    def _checked(self, raw: bytes) -> list[int]:
        """The account that has signed. Raises `Fault` for a wrong signature, sequence, fee or height."""
        tx = decoded("TxRaw", raw)
        auth, body = decoded("AuthInfo", tx.auth_info_bytes), decoded("TxBody", tx.body_bytes)
        (info,) = auth.signer_infos
        key = decoded("PubKey", info.public_key.value).key
        account = self.accounts[_address(key)]
        document = wire.encoded(
            "SignDoc",
            {
                "body_bytes": tx.body_bytes,
                "auth_info_bytes": tx.auth_info_bytes,
                "chain_id": CHAIN_ID,
                "account_number": account[0],
            },
        )
        if info.sequence != account[1]:
            raise Fault("account sequence mismatch")
        signature = tx.signatures[0]
        if not PublicKey(key).verify(der(signature), document):
            raise Fault("signature verification failed")
        if not auth.fee.gas_limit or body.timeout_height <= self.ledger.height:
            raise Fault("out of gas or too late")
        return account

    def _list(self, path: str, listed: Callable[[], list[Fields]]) -> Any:
        name = path.split("/")[4]

        async def answer(request: Request) -> Fields:
            query = request.query_params.items()
            wanted = {k.removeprefix("filters."): v for k, v in query if k.startswith("filters.")}
            return {name: [item for item in listed() if _fits(item, wanted)]}

        return answer

    def _deployments(self) -> list[Fields]:
        return [
            {
                "deployment": {"id": _of(owner, dseq), "state": found.state, "hash": found.hash},
                "groups": [
                    {"id": _of(owner, dseq) | {"gseq": gseq}, "state": state}
                    for gseq, state in enumerate(found.states, 1)
                ],
                "escrow_account": {"id": {"xid": f"{owner}/{dseq}"}, "state": _account_of(found)},
            }
            for (owner, dseq), found in self.ledger.deployments.items()
        ]

    def _orders(self) -> list[Fields]:
        return [
            {
                "id": {"owner": owner, "dseq": str(dseq), "gseq": gseq, "oseq": oseq},
                "state": state,
                "spec": self.ledger.deployments[owner, dseq].groups[gseq - 1],
            }
            for (owner, dseq, gseq, oseq), state in self.ledger.orders.items()
        ]

    def _bids(self) -> list[Fields]:
        return [
            {"bid": {"id": _id(key), "state": bid.state, "price": _price(bid)}}
            for key, bid in self.ledger.bids.items()
        ]

    def _leases(self) -> list[Fields]:
        return [
            {"lease": {"id": _id(key), "price": _price(bid)} | bid.lease}
            for key, bid in self.ledger.bids.items()
            if bid.lease is not None
        ]

    async def _provider(self, address: str) -> Fields:
        return {"provider": self.ledger.providers[address]}

    async def _certificates(self, request: Request) -> Fields:
        owner = request.query_params["filter.owner"]
        found = base64.b64encode(self.ledger.certificates[owner]).decode()
        return {"certificates": [{"certificate": {"state": "valid", "cert": found}, "serial": "1"}]}


def decoded(form: str, value: bytes) -> Any:
    """A message of the table."""
    return wire._classes()[form].FromString(value)


def _address(key: bytes) -> str:
    digest = hashlib.new("ripemd160", sha256(key).digest()).digest()
    return bech32_encode("akash", convertbits(digest, 8, 5) or [])


def applied(ledger: Ledger, raw: bytes) -> None:
    """Changes the ledger as a transaction says. Raises `Fault`."""
    for message in decoded("TxBody", decoded("TxRaw", raw).body_bytes).messages:
        ledger.apply(message.type_url, message.value)


def _of(owner: str, dseq: int) -> Fields:
    return {"owner": owner, "dseq": str(dseq)}


def _account_of(found: Deployment) -> Fields:
    def coins(amount: Decimal) -> list[Fields]:
        return [{"denom": "uact", "amount": f"{amount:.18f}"}]

    escrow = found.escrow
    state = "overdrawn" if escrow.is_overdrawn else "open" if found.state == "active" else "closed"
    return {
        "state": state,
        "transferred": coins(escrow.earned),
        "funds": coins(escrow.balance),
        "settled_at": str(escrow.settled_at),
    }


def _fits(item: Fields, wanted: dict[str, str]) -> bool:
    inner: Fields = next((item[name] for name in ("deployment", "bid", "lease") if name in item), item)
    known = inner.get("id", {}) | {"state": inner.get("state")}
    return all(str(known.get(name)) == value for name, value in wanted.items())


def _id(key: BidKey) -> Fields:
    owner, dseq, gseq, oseq, provider = key
    return {"owner": owner, "dseq": str(dseq), "gseq": gseq, "oseq": oseq, "provider": provider, "bseq": 0}


def _price(bid: Bid) -> Fields:
    return {"denom": "uact", "amount": f"{bid.price:.18f}"}


def _plain(value: Any, key: str = "") -> Any:
    """A group as a node shows it: numbers as text, prices as decimals, kinds by name."""
    if isinstance(value, dict):
        return {name: _plain(part, name) for name, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if key == "val":
        return base64.b64decode(value).decode()
    if key == "amount":
        return f"{Decimal(value) / wire.ATOMICS:.18f}"
    return ["SHARED_HTTP", "RANDOM_PORT", "LEASED_IP"][value] if key == "kind" else value
