"""From an SDL to the workload that can be deployed."""

from functools import lru_cache

from mesh_deployer.domain import secrecy
from mesh_deployer.domain.images import is_reference
from mesh_deployer.domain.sdl import Compilation, compile_sdl
from mesh_deployer.domain.workload import Extra, Workload
from mesh_deployer.errors import (
    CredentialsNotSent,
    ImageNotAReference,
    NotRunHere,
    PriceNotInUact,
    TooManyPlacements,
)

MAX_PLACEMENTS = 20
"""Each is an order with bids of its own."""
_NOWHERE = frozenset({Extra.TEE, Extra.PERMISSIONS})
"""What is compiled, and started by no backend."""


def deployable(compilation: Compilation) -> Workload:
    """The workload that a compilation deploys.

    Raises `SdlInvalid` with every fault, `TooManyPlacements`, `NotRunHere`, `CredentialsNotSent`,
    `SecretInSdl`, `ImageNotAReference` or `PriceNotInUact`.
    """
    workload = Workload(compilation.deployed())
    if len(workload.groups) > MAX_PLACEMENTS:
        raise TooManyPlacements(len(workload.groups), MAX_PLACEMENTS)
    extras: list[str] = [extra for extra in workload.extras if extra in _NOWHERE]
    if extras := extras + ["reclamation windows"] * (compilation.reclamation_ns is not None):
        raise NotRunHere(extras)
    if Extra.CREDENTIALS in workload.extras:
        raise CredentialsNotSent
    secrecy.forbid(workload)
    if odd := [service.name for service in workload.services if not is_reference(service.image)]:
        raise ImageNotAReference(odd)
    if (denom := workload.groups[0].denom) != "uact":  # one for all of them, as the compiler sees to
        raise PriceNotInUact(denom)
    return workload


@lru_cache(maxsize=32)
def workload_of(sdl: str) -> Workload:
    """The workload of an SDL that was accepted before; the last are kept, as every step of theirs asks.

    Raises `SdlInvalid` for any other, so that nothing is ordered that has no placement.
    """
    return Workload(compile_sdl(sdl).deployed())
