"""From an SDL to the one group that can be deployed."""

from mesh_deployer.domain import environment
from mesh_deployer.domain.issues import Severity
from mesh_deployer.domain.sdl import Compilation, compile_sdl
from mesh_deployer.domain.workload import Group
from mesh_deployer.errors import PriceNotInUact, SdlInvalid, SecretInSdl, SeveralGroups


def deployable(compilation: Compilation) -> Group:
    """The group that a compilation deploys.

    Raises `SdlInvalid` with every fault, `SecretInSdl`, `SeveralGroups`, or `PriceNotInUact`.
    """
    if not compilation.ok:
        faults = [issue for issue in compilation.issues if issue.severity is Severity.ERROR]
        raise SdlInvalid(
            [{"path": i.path, "code": i.code, "message": i.message, "hint": i.hint} for i in faults]
        )
    if len(compilation.groups) != 1:
        raise SeveralGroups([group.name for group in compilation.groups])
    (group,) = compilation.groups
    if names := environment.exposed_secrets(e for service in group.services for e in service.env or ()):
        raise SecretInSdl(names)
    if group.denom != "uact":
        raise PriceNotInUact(group.denom)
    return group


def group_of(sdl: str) -> Group:
    """The group of an SDL that was accepted before."""
    return compile_sdl(sdl).groups[0]
