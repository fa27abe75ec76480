"""From an SDL to the one group that can be deployed."""

from mesh_deployer.domain import secrecy
from mesh_deployer.domain.images import is_reference
from mesh_deployer.domain.sdl import Compilation, compile_sdl
from mesh_deployer.domain.workload import Group
from mesh_deployer.errors import ImageNotAReference, NotRunHere, PriceNotInUact, SeveralGroups


def deployable(compilation: Compilation) -> Group:
    """The group that a compilation deploys.

    Raises `SdlInvalid` with every fault, `SeveralGroups`, `NotRunHere`, `SecretInSdl`, `ImageNotAReference`
    or `PriceNotInUact`.
    """
    groups = compilation.deployed()
    if len(groups) != 1:
        raise SeveralGroups([group.name for group in groups])
    (group,) = groups
    extras = group.extras + ["reclamation windows"] * (compilation.reclamation_ns is not None)
    if extras:
        raise NotRunHere(extras)
    secrecy.forbid(group)
    if odd := [service.name for service in group.services if not is_reference(service.image)]:
        raise ImageNotAReference(odd)
    if group.denom != "uact":
        raise PriceNotInUact(group.denom)
    return group


def group_of(sdl: str) -> Group:
    """The group of an SDL that was accepted before."""
    return compile_sdl(sdl).groups[0]
