"""Who has an identity of did:ethr, as the registry of ERC-1056 knows it."""

from dataclasses import dataclass

from eth_utils.address import to_checksum_address
from mesh_shared.chain.abi import Function
from mesh_shared.chain.rpc import Rpc

IDENTITY_OWNER = Function("identityOwner", ["address"], ["address"])


@dataclass(frozen=True, slots=True)
class EthrRegistry:
    """Implements `ports.IdentityOwners` with the ERC-1056 contract at `address`, if there is one."""

    rpc: Rpc
    address: str | None

    @property
    def chain_id(self) -> int:
        return self.rpc.chain_id

    async def owner_of(self, identity: str) -> str | None:
        if self.address is None:
            return None
        (owner,) = await self.rpc.call(self.address, IDENTITY_OWNER, identity)
        return to_checksum_address(owner)
