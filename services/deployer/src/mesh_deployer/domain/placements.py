"""`profiles.placement`, `deployment` and `endpoints`. After chain-sdk's go/sdl/{placement,coin,v2}.go."""

import re
from dataclasses import dataclass
from decimal import Decimal

from mesh_deployer.domain import quantities
from mesh_deployer.domain.place import Place
from mesh_deployer.domain.workload import Attributes

DENOMS = ("uact", "uakt")
_DENOM = re.compile(r"[a-zA-Z][a-zA-Z0-9/:._-]{2,127}")
"""A denomination of the Cosmos SDK (types/coin.go)."""
_ENDPOINT = re.compile(r"[a-z]+[-a-z_0-9]+")


@dataclass(frozen=True, slots=True)
class PriceSection:
    """The most to pay for one replica per block."""

    place: Place
    denom: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class PlacementSection:
    """A placement profile as written."""

    place: Place
    attributes: Attributes | None
    any_of: tuple[str, ...] | None
    all_of: tuple[str, ...] | None
    prices: dict[str, PriceSection]


@dataclass(frozen=True, slots=True)
class DeploymentSection:
    """Which profile a service runs with in one placement, and how often."""

    place: Place
    service: str
    placement: str
    profile: str
    count: int


def placement(place: Place) -> PlacementSection:
    """Reads `profiles.placement.<name>`."""
    place.fields(("attributes", "signedBy", "pricing"))
    attributes = tuple((key, value.text()) for key, value in place.at("attributes").named().items())
    signed_by = place.at("signedBy").fields(("anyOf", "allOf"))
    return PlacementSection(
        place=place,
        attributes=attributes or None,
        any_of=signed_by.at("anyOf").texts(),
        all_of=signed_by.at("allOf").texts(),
        prices={
            name: _price(price) for name, price in place.at("pricing").named().items() if not price.is_absent
        },
    )


def deployment(place: Place) -> list[DeploymentSection]:
    """Reads `deployment`: every service in every placement, sorted by both names."""
    return [
        DeploymentSection(
            place=entry.fields(("profile", "count")),
            service=service_name,
            placement=placement_name,
            profile=entry.at("profile").text(),
            count=entry.at("count").uint32(),
        )
        for service_name, placements in place.named().items()
        for placement_name, entry in placements.named().items()
    ]


def endpoints(place: Place) -> dict[str, Place]:
    """Reads `endpoints`: the names of the leased IPs."""
    named = place.named()
    for name, endpoint in named.items():
        kind = endpoint.fields(("kind",)).at("kind").text()
        if not _ENDPOINT.fullmatch(name):
            endpoint.error(
                "endpoint-name",
                "An endpoint has lower-case letters, digits, - and _.",
                "Write a name such as my-ip.",
            )
        if kind != "ip":
            endpoint.at("kind").error("endpoint-kind", "There is no such kind.", "Write `kind: ip`.")
    return named


def _price(place: Place) -> PriceSection:
    place.fields(("denom", "amount"))
    denom = place.at("denom").text()
    if not _DENOM.fullmatch(denom):
        place.at("denom").error("denom", "This is no denomination.", "Write `denom: uact`.")
    elif denom not in DENOMS:
        place.at("denom").warn("denom", "Akash takes uact and uakt.", "Write `denom: uact`.")
    amount = place.at("amount")
    if amount.is_absent:
        amount.error("missing", "The price is missing.", "Write `amount: 100`.")
        return PriceSection(place, denom, Decimal(0))
    return PriceSection(place, denom, amount.parsed(quantities.price, Decimal(0), "The price", "100"))
