"""From an SDL to the workload that can be deployed."""

from mesh_deployer.domain import secrecy
from mesh_deployer.domain.images import is_reference
from mesh_deployer.domain.sdl import Compilation, compile_sdl
from mesh_deployer.domain.workload import Workload
from mesh_deployer.errors import ImageNotAReference, NotRunHere, PriceNotInUact, TooManyPlacements

MAX_PLACEMENTS = 20
"""Each is an order with bids of its own."""


def deployable(compilation: Compilation) -> Workload:
    """The workload that a compilation deploys.

    Raises `SdlInvalid` with every fault, `TooManyPlacements`, `NotRunHere`, `SecretInSdl`,
    `ImageNotAReference` or `PriceNotInUact`.
    """
    workload = Workload(compilation.deployed())
    if len(workload.groups) > MAX_PLACEMENTS:
        raise TooManyPlacements(len(workload.groups), MAX_PLACEMENTS)
    extras = workload.extras + ["reclamation windows"] * (compilation.reclamation_ns is not None)
    if extras:
        raise NotRunHere(extras)
    secrecy.forbid(workload)
    if odd := [service.name for service in workload.services if not is_reference(service.image)]:
        raise ImageNotAReference(odd)
    if (denom := workload.groups[0].denom) != "uact":  # one for all of them, as the compiler sees to
        raise PriceNotInUact(denom)
    return workload


def workload_of(sdl: str) -> Workload:
    """The workload of an SDL that was accepted before."""
    return Workload(compile_sdl(sdl).groups)
