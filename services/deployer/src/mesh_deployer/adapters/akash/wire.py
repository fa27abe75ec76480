"""The messages that we sign, as protobuf bytes. Two lines of Akash are spoken; they differ in few messages.

Built from a table instead of generated code: a dozen messages, of which the chain's own descriptions
(akash-api v0.0.67, chain-sdk's proto/node) are five thousand lines with what they import.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message as Protobuf

ATOMICS = 10**18
"""A Dec is an integer of these on the wire (cosmos-sdk, types/decimal.go)."""
_FIELDS = """
Coin: 1 denom string, 2 amount string
Attribute: 1 key string, 2 value string
SignedBy: 1 all_of string*, 2 any_of string*
Requirements: 1 signed_by SignedBy, 2 attributes Attribute*
Value: 1 val bytes
Cpu: 1 units Value, 2 attributes Attribute*
Gpu: 1 units Value, 2 attributes Attribute*
Memory: 1 quantity Value, 2 attributes Attribute*
Storage: 1 name string, 2 quantity Value, 3 attributes Attribute*
Endpoint: 1 kind uint32, 2 sequence_number uint32
Resources: 1 id uint32, 2 cpu Cpu, 3 memory Memory, 4 storage Storage*, 5 gpu Gpu, 6 endpoints Endpoint*
ResourceUnit: 1 resource Resources, 2 count uint32, 3 price Coin
GroupSpec: 1 name string, 2 requirements Requirements, 3 resources ResourceUnit*
DeploymentId: 1 owner string, 2 dseq uint64
GroupId: 1 owner string, 2 dseq uint64, 3 gseq uint32
OrderId: 1 owner string, 2 dseq uint64, 3 gseq uint32, 4 oseq uint32
BidId: 1 owner string, 2 dseq uint64, 3 gseq uint32, 4 oseq uint32, 5 provider string
Deposit: 1 amount Coin, 5 sources uint32*
AccountId: 1 scope uint32, 2 xid string
ResourceOffer: 1 resources Resources, 2 count uint32
ProviderInfo: 1 email string, 2 website string
CreateDeployment3: 1 id DeploymentId, 2 groups GroupSpec*, 3 version bytes, 4 deposit Coin, 5 depositor string
CreateDeployment4: 1 id DeploymentId, 2 groups GroupSpec*, 3 hash bytes, 4 deposit Deposit
UpdateDeployment: 1 id DeploymentId, 3 hash bytes
CloseDeployment: 1 id DeploymentId
DepositDeployment: 1 id DeploymentId, 2 amount Coin, 3 depositor string
AccountDeposit: 1 signer string, 2 id AccountId, 3 deposit Deposit
StartGroup: 1 id GroupId
CreateLease: 1 bid_id BidId
WithdrawLease: 1 lease_id BidId
CreateBid4: 1 order OrderId, 2 provider string, 3 price Coin, 4 deposit Coin, 5 resources_offer ResourceOffer*
CreateBid5: 1 id BidId, 2 price Coin, 3 deposit Deposit, 4 resources_offer ResourceOffer*
CloseBid: 1 id BidId, 2 reason uint32
CreateProvider: 1 owner string, 2 host_uri string, 3 attributes Attribute*, 4 info ProviderInfo
CreateCertificate: 1 owner string, 2 cert bytes, 3 pubkey bytes
Any: 1 type_url string, 2 value bytes
PubKey: 1 key bytes
Single: 1 mode uint32
ModeInfo: 1 single Single
SignerInfo: 1 public_key Any, 2 mode_info ModeInfo, 3 sequence uint64
Fee: 1 amount Coin*, 2 gas_limit uint64
AuthInfo: 1 signer_infos SignerInfo*, 2 fee Fee
TxBody: 1 messages Any*, 2 memo string, 3 timeout_height uint64
SignDoc: 1 body_bytes bytes, 2 auth_info_bytes bytes, 3 chain_id string, 4 account_number uint64
TxRaw: 1 body_bytes bytes, 2 auth_info_bytes bytes, 3 signatures bytes*
"""
_FIELD = re.compile(r"(?P<number>\d+) (?P<name>\w+) (?P<type>\w+)(?P<many>\*?)")
_PACKAGE = "mesh.akash"
_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "string": _Field.TYPE_STRING,
    "bytes": _Field.TYPE_BYTES,
    "uint32": _Field.TYPE_UINT32,
    "uint64": _Field.TYPE_UINT64,
}
_BALANCE = 1
"""Source of a deposit: the account's own balance (akash.base.deposit.v1)."""
_DEPLOYMENT_SCOPE = 1
"""Scope of an escrow account (akash.escrow.id.v1)."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a transaction: its type on the chain, and its bytes."""

    type_url: str
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A line of Akash: the versions of its modules, which are in every type and every path."""

    name: str
    deployment: str
    market: str
    provider: str
    certificate: str

    @property
    def is_first(self) -> bool:
        """True for the line of 2024, whose deposits are coins with a depositor."""
        return self.deployment == "v1beta3"

    def create_deployment(
        self, owner: str, dseq: int, groups: Iterable[Mapping[str, Any]], version: str, deposit: "Coin"
    ) -> Message:
        """Opens a deployment with `groups` as `group_specs` has them; `version` is the manifest's hash."""
        fields: dict[str, Any] = {"id": _deployment(owner, dseq), "groups": [_group(g) for g in groups]}
        if self.is_first:
            more = {"version": bytes.fromhex(version), "deposit": deposit.fields, "depositor": owner}
            return self._deployment_message("CreateDeployment", fields | more, form="CreateDeployment3")
        more = {"hash": bytes.fromhex(version), "deposit": _from_balance(deposit)}
        return self._deployment_message("CreateDeployment", fields | more, form="CreateDeployment4")

    def update_deployment(self, owner: str, dseq: int, version: str) -> Message:
        """Makes the hash of another manifest known."""
        fields = {"id": _deployment(owner, dseq), "hash": bytes.fromhex(version)}
        return self._deployment_message("UpdateDeployment", fields)

    def close_deployment(self, owner: str, dseq: int) -> Message:
        """Closes everything of a deployment; what is left of its deposit comes back."""
        return self._deployment_message("CloseDeployment", {"id": _deployment(owner, dseq)})

    def start_group(self, owner: str, dseq: int, gseq: int) -> Message:
        """Opens the next order of a group that its provider has paused by closing the lease."""
        return self._deployment_message("StartGroup", {"id": _deployment(owner, dseq) | {"gseq": gseq}})

    def deposit(self, owner: str, dseq: int, amount: "Coin") -> Message:
        """Adds to the deposit of a deployment."""
        if self.is_first:
            fields = {"id": _deployment(owner, dseq), "amount": amount.fields, "depositor": owner}
            return self._deployment_message("DepositDeployment", fields)
        account = {"scope": _DEPLOYMENT_SCOPE, "xid": f"{owner}/{dseq}"}
        fields = {"signer": owner, "id": account, "deposit": _from_balance(amount)}
        return Message("/akash.escrow.v1.MsgAccountDeposit", encoded("AccountDeposit", fields))

    def create_lease(self, bid: Mapping[str, Any]) -> Message:
        """Takes a bid; `bid` has owner, dseq, gseq, oseq and provider."""
        return self._market_message("CreateLease", {"bid_id": bid})

    def withdraw_lease(self, lease: Mapping[str, Any]) -> Message:
        """Settles, and pays a provider what it has earned."""
        return self._market_message("WithdrawLease", {"lease_id": lease})

    def close_bid(self, bid: Mapping[str, Any], reason: int = 0) -> Message:
        """A provider withdraws a bid, or its lease; only the present line says why."""
        return self._market_message("CloseBid", {"id": bid} | ({} if self.is_first else {"reason": reason}))

    def create_bid(
        self, bid: Mapping[str, Any], price: Decimal, deposit: "Coin", units: Iterable[Mapping[str, Any]]
    ) -> Message:
        """A provider bids `price` per block for an order, and offers its `units` as they are asked for."""
        fields = {
            "price": {"denom": deposit.denom, "amount": atomics(price)},
            "resources_offer": [
                {"resources": _resources(unit["resource"]), "count": unit["count"]} for unit in units
            ],
        }
        if self.is_first:
            order = {name: value for name, value in bid.items() if name != "provider"}
            more = {"order": order, "provider": bid["provider"], "deposit": deposit.fields}
            return self._market_message("CreateBid", fields | more, form="CreateBid4")
        more = {"id": bid, "deposit": _from_balance(deposit)}
        return self._market_message("CreateBid", fields | more, form="CreateBid5")

    def create_provider(self, owner: str, host_uri: str, attributes: Mapping[str, str]) -> Message:
        """Declares a provider."""
        pairs = [{"key": key, "value": value} for key, value in sorted(attributes.items())]
        fields: dict[str, Any] = {"owner": owner, "host_uri": host_uri, "attributes": pairs, "info": {}}
        return Message(
            f"/akash.provider.{self.provider}.MsgCreateProvider", encoded("CreateProvider", fields)
        )

    def create_certificate(self, owner: str, certificate: bytes, public_key: bytes) -> Message:
        """Publishes a certificate, in PEM, by which others recognise `owner`."""
        fields = {"owner": owner, "cert": certificate, "pubkey": public_key}
        return Message(
            f"/akash.cert.{self.certificate}.MsgCreateCertificate", encoded("CreateCertificate", fields)
        )

    def _deployment_message(self, name: str, fields: Mapping[str, Any], form: str = "") -> Message:
        return Message(f"/akash.deployment.{self.deployment}.Msg{name}", encoded(form or name, fields))

    def _market_message(self, name: str, fields: Mapping[str, Any], form: str = "") -> Message:
        return Message(f"/akash.market.{self.market}.Msg{name}", encoded(form or name, fields))


PRESENT = Profile(
    name="v1beta4", deployment="v1beta4", market="v1beta5", provider="v1beta4", certificate="v1"
)
FIRST = Profile(
    name="v1beta3", deployment="v1beta3", market="v1beta4", provider="v1beta3", certificate="v1beta3"
)
PROFILES = {profile.name: profile for profile in (PRESENT, FIRST)}


@dataclass(frozen=True, slots=True)
class Coin:
    """An amount in base units."""

    denom: str
    amount: int

    @property
    def fields(self) -> dict[str, str]:
        """As a message has it."""
        return {"denom": self.denom, "amount": str(self.amount)}


def encoded(form: str, fields: Mapping[str, Any]) -> bytes:
    """The bytes of a message of the table."""
    message: Protobuf = _classes()[form](**fields)
    return message.SerializeToString(deterministic=True)


def atomics(amount: Decimal) -> str:
    """A Dec as it is on the wire."""
    return str(int(amount * ATOMICS))


@cache
def _classes() -> Mapping[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="akash.proto", package=_PACKAGE, syntax="proto3")
    for line in _FIELDS.strip().splitlines():
        name, _, fields = line.partition(": ")
        file.message_type.add(name=name, field=map(_field, _FIELD.finditer(fields)))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    names = [message.name for message in file.message_type]
    return {n: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{n}")) for n in names}


def _field(match: re.Match[str]) -> descriptor_pb2.FieldDescriptorProto:
    """A row's field. Numbers in lists are not packed: the one that there is, is not (deposit.proto)."""
    field = _Field(name=match["name"], number=int(match["number"]))
    field.label = _Field.LABEL_REPEATED if match["many"] else _Field.LABEL_OPTIONAL
    if match["type"] in _SCALARS:
        field.type = _SCALARS[match["type"]]
    else:
        field.type, field.type_name = _Field.TYPE_MESSAGE, f".{_PACKAGE}.{match['type']}"
    if match["many"] and match["type"] == "uint32":
        field.options.packed = False
    return field


def _deployment(owner: str, dseq: int) -> dict[str, Any]:
    return {"owner": owner, "dseq": dseq}


def _from_balance(coin: Coin) -> dict[str, Any]:
    return {"amount": coin.fields, "sources": [_BALANCE]}


def _group(group: Mapping[str, Any]) -> dict[str, Any]:
    needed = group["requirements"]
    signed_by: dict[str, Any] = {name: auditors or [] for name, auditors in needed["signed_by"].items()}
    return {
        "name": group["name"],
        "requirements": {"signed_by": signed_by, "attributes": needed["attributes"] or []},
        "resources": [_unit(unit) for unit in group["resources"]],
    }


def _unit(unit: Mapping[str, Any]) -> dict[str, Any]:
    price = unit["price"]
    return {
        "resource": _resources(unit["resource"]),
        "count": unit["count"],
        "price": {"denom": price["denom"], "amount": atomics(Decimal(price["amount"]))},
    }


def _resources(resources: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest calls the quantity of memory and storage `size`, the chain does not."""
    return {
        "id": resources["id"],
        "cpu": {"units": _value(resources["cpu"]["units"])} | _attributes(resources["cpu"]),
        "memory": _quantity(resources["memory"]),
        "storage": [{"name": v["name"]} | _quantity(v) for v in resources["storage"]],
        "gpu": {"units": _value(resources["gpu"]["units"])} | _attributes(resources["gpu"]),
        "endpoints": resources["endpoints"],
    }


def _quantity(resource: Mapping[str, Any]) -> dict[str, Any]:
    return {"quantity": _value(resource["size"])} | _attributes(resource)


def _value(amount: Mapping[str, str]) -> dict[str, bytes]:
    return {"val": amount["val"].encode()}


def _attributes(resource: Mapping[str, Any]) -> dict[str, Any]:
    return {"attributes": resource.get("attributes") or []}
