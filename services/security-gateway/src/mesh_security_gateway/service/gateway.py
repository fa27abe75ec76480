"""All use cases of the service, as routes and actions find them."""

from dataclasses import dataclass

from mesh_security_gateway.service.approving import Approving
from mesh_security_gateway.service.calls import Calls
from mesh_security_gateway.service.connections import Wiring
from mesh_security_gateway.service.grants import Granting
from mesh_security_gateway.service.keys import Keys
from mesh_security_gateway.service.leasing import Leasing
from mesh_security_gateway.service.operations import Operations
from mesh_security_gateway.service.policies import Publishing
from mesh_security_gateway.service.profiles import Profiles
from mesh_security_gateway.service.rotation import Rotation
from mesh_security_gateway.service.trail import Trail
from mesh_security_gateway.service.wallets import Wallets


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """What the security gateway can do for its callers."""

    keys: Keys
    wiring: Wiring
    rotation: Rotation
    granting: Granting
    leasing: Leasing
    publishing: Publishing
    approving: Approving
    calls: Calls
    operations: Operations
    trail: Trail
    profiles: Profiles
    wallets: Wallets
