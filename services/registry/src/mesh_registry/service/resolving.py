"""What a decentralised identifier stands for, and how sure that is."""

from dataclasses import dataclass
from enum import StrEnum

from mesh_registry.domain import dids
from mesh_registry.domain.dids import Document
from mesh_registry.errors import CardUnavailable, DidNotResolved
from mesh_registry.ports import CardSource, IdentityOwners


class Evidence(StrEnum):
    """DERIVED from the DID alone. SERVED by its host over HTTPS. ON_CHAIN: said by a contract."""

    DERIVED = "derived"
    SERVED = "served"
    ON_CHAIN = "on-chain"


@dataclass(frozen=True, slots=True)
class Resolver:
    """Resolves did:key, did:pkh, did:web and did:ethr."""

    hosts: CardSource
    owners: IdentityOwners

    async def resolve(self, did: str) -> tuple[Document, Evidence]:
        """The document of `did` and what speaks for it. Raises `DidNotResolved`, `ChainUnavailable`."""
        _, method, name = did.split(":", 2)
        match method:
            case "key":
                return dids.of_key(name), Evidence.DERIVED
            case "pkh":
                return dids.of_account(name), Evidence.DERIVED
            case "web":
                return await self._web(did, name), Evidence.SERVED
            case "ethr":
                return await self._ethr(name)
            case _:
                raise DidNotResolved("This method is not known here: key, pkh, web and ethr are.")

    async def _web(self, did: str, name: str) -> Document:
        try:
            data = await self.hosts.fetch(dids.web_address(name), dids.MAX_DOCUMENT_BYTES)
        except CardUnavailable as refused:
            raise DidNotResolved(refused.detail) from None
        return dids.of_web(did, data)

    async def _ethr(self, name: str) -> tuple[Document, Evidence]:
        chain_id, address = dids.ethr_identity(name)
        if chain_id != self.owners.chain_id:
            raise DidNotResolved("The DID is of another chain, whose registry cannot be asked from here.")
        owner = await self.owners.owner_of(address)
        evidence = Evidence.DERIVED if owner is None else Evidence.ON_CHAIN
        return dids.of_ethr(name, chain_id, owner or address), evidence
