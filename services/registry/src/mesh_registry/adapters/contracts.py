"""AgentRegistry and the stake's token, as this service calls them (contracts/src/interfaces)."""

from dataclasses import dataclass, field

from eth_utils.crypto import keccak
from mesh_shared.chain.abi import Function
from mesh_shared.chain.journal import Call
from mesh_shared.chain.rpc import Rpc

from mesh_registry import errors
from mesh_registry.domain.signing import Authorization, Registration, SigningDomain, SigningTerms
from mesh_registry.errors import RegistrationRefused

_REGISTRATION = "(address,bytes32,string,string,uint256,bytes32[],uint256,uint256)"
_PERMIT = "(uint256,uint256,uint8,bytes32,bytes32)"

REGISTER_AGENT = Function(
    "registerAgent", ["bytes32", "string", "string", "uint256", "bytes32[]"], ["uint256"]
)
REGISTER_FOR = Function("registerFor", [_REGISTRATION, "bytes"], ["uint256"])
REGISTER_FOR_WITH_PERMIT = Function("registerForWithPermit", [_REGISTRATION, "bytes", _PERMIT], ["uint256"])
NONCES = Function("nonces", ["address"], ["uint256"])
EIP712_DOMAIN = Function(
    "eip712Domain", [], ["bytes1", "string", "string", "uint256", "address", "bytes32", "uint256[]"]
)
APPROVE = Function("approve", ["address", "uint256"], ["bool"])
UNLIMITED = 2**256 - 1

REFUSALS: dict[str, type[RegistrationRefused]] = {
    "AgentKeyTaken(bytes32)": errors.AgentExists,
    "InvalidAccountNonce(address,uint256)": errors.NonceUsed,
    "DeadlinePassed(uint256)": errors.DeadlinePassed,
    "InvalidSignature()": errors.SignatureDoesNotMatch,
    "ERC20InsufficientAllowance(address,uint256,uint256)": errors.AllowanceTooLow,
    "ERC20InsufficientBalance(address,uint256,uint256)": errors.BalanceTooLow,
    "ERC721InvalidReceiver(address)": errors.OwnerCannotReceive,
}
_BY_SELECTOR = {"0x" + keccak(text=signature)[:4].hex(): error for signature, error in REFUSALS.items()}
_SELECTOR_LENGTH = 10


@dataclass(frozen=True, slots=True)
class OnChainContracts:
    """Implements `ports.Contracts`. What a contract calls itself never changes, so it is asked once."""

    rpc: Rpc
    registry: str
    token: str
    _domains: dict[str, SigningDomain] = field(default_factory=dict[str, SigningDomain])

    @property
    def chain_id(self) -> int:
        return self.rpc.chain_id

    async def registration_terms(self, owner: str) -> SigningTerms:
        return await self._terms(self.registry, owner)

    async def permit_terms(self, owner: str) -> SigningTerms:
        return await self._terms(self.token, owner)

    def register(self, registration: Registration) -> Call:
        data = REGISTER_AGENT.encode(
            _bytes(registration.agent_id),
            registration.did,
            registration.cid,
            registration.stake_units,
            [_bytes(capability) for capability in registration.capabilities],
        )
        return Call(self.registry, data)

    def register_for(self, registration: Registration, authorization: Authorization, nonce: int) -> Call:
        signed = (
            registration.owner,
            _bytes(registration.agent_id),
            registration.did,
            registration.cid,
            registration.stake_units,
            [_bytes(capability) for capability in registration.capabilities],
            nonce,
            authorization.deadline,
        )
        if (permit := authorization.permit) is None:
            return Call(self.registry, REGISTER_FOR.encode(signed, authorization.signature))
        r, s, v = permit.signature[:32], permit.signature[32:64], permit.signature[64]
        allowed = (registration.stake_units, permit.deadline, v, r, s)
        return Call(self.registry, REGISTER_FOR_WITH_PERMIT.encode(signed, authorization.signature, allowed))

    def approve(self) -> Call:
        return Call(self.token, APPROVE.encode(self.registry, UNLIMITED))

    def refusal(self, reason: str) -> RegistrationRefused:
        known = _BY_SELECTOR.get(reason[:_SELECTOR_LENGTH])
        return RegistrationRefused() if known is None else known()

    async def _terms(self, contract: str, owner: str) -> SigningTerms:
        if contract not in self._domains:
            self._domains[contract] = await self._domain(contract)
        (nonce,) = await self.rpc.call(contract, NONCES, owner)
        return SigningTerms(domain=self._domains[contract], nonce=nonce)

    async def _domain(self, contract: str) -> SigningDomain:
        _, name, version, chain_id, *_ = await self.rpc.call(contract, EIP712_DOMAIN)
        return SigningDomain(name=name, version=version, chainId=chain_id, verifyingContract=contract)


def _bytes(hex_text: str) -> bytes:
    return bytes.fromhex(hex_text[2:])
