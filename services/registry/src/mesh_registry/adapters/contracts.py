"""AgentRegistry and the stake's token, as this service calls them (contracts/src/interfaces)."""

from dataclasses import dataclass, field
from typing import Any

from eth_utils.crypto import keccak
from mesh_shared.chain import wallets
from mesh_shared.chain.abi import Function
from mesh_shared.chain.journal import REPLACED, Call
from mesh_shared.chain.rpc import Rpc

from mesh_registry import errors
from mesh_registry.domain.intents import (
    Change,
    Registration,
    SignedChange,
    Stake,
    Switch,
    Unstake,
    Update,
    Withdrawal,
)
from mesh_registry.domain.signing import Authorization, Permit, SigningDomain, SigningTerms
from mesh_registry.errors import OperationRefused, TransactionReplaced

_REGISTRATION = "(address,bytes32,string,string,uint256,bytes32[],uint256,uint256)"
_PERMIT = "(uint256,uint256,uint8,bytes32,bytes32)"
_AMOUNT = "(bytes32,uint256,uint256,uint256)"

REGISTER_AGENT = Function(
    "registerAgent", ["bytes32", "string", "string", "uint256", "bytes32[]"], ["uint256"]
)
REGISTER_FOR = Function("registerFor", [_REGISTRATION, "bytes"], ["uint256"])
REGISTER_FOR_WITH_PERMIT = Function("registerForWithPermit", [_REGISTRATION, "bytes", _PERMIT], ["uint256"])
UPDATE_AGENT = Function("updateAgent", ["bytes32", "string", "bytes32[]", "uint64"])
UPDATE_AGENT_FOR = Function("updateAgentFor", ["(bytes32,string,bytes32[],uint64,uint256,uint256)", "bytes"])
SET_ACTIVE = Function("setActive", ["bytes32", "bool", "uint64"])
SET_ACTIVE_FOR = Function("setActiveFor", ["(bytes32,bool,uint64,uint256,uint256)", "bytes"])
STAKE = Function("stake", ["bytes32", "uint256"])
STAKE_FOR = Function("stakeFor", [_AMOUNT, "bytes"])
STAKE_FOR_WITH_PERMIT = Function("stakeForWithPermit", [_AMOUNT, "bytes", _PERMIT])
REQUEST_UNSTAKE = Function("requestUnstake", ["bytes32", "uint256"])
REQUEST_UNSTAKE_FOR = Function("requestUnstakeFor", [_AMOUNT, "bytes"])
WITHDRAW = Function("withdraw", ["bytes32"])
NONCES = Function("nonces", ["address"], ["uint256"])
EIP712_DOMAIN = Function(
    "eip712Domain", [], ["bytes1", "string", "string", "uint256", "address", "bytes32", "uint256[]"]
)
APPROVE = Function("approve", ["address", "uint256"], ["bool"])
UNLIMITED = 2**256 - 1

REFUSALS: dict[str, type[OperationRefused]] = {
    "AgentKeyTaken(bytes32)": errors.AgentExists,
    "InvalidAccountNonce(address,uint256)": errors.NonceUsed,
    "DeadlinePassed(uint256)": errors.DeadlinePassed,
    "InvalidSignature()": errors.SignatureDoesNotMatch,
    "ERC20InsufficientAllowance(address,uint256,uint256)": errors.AllowanceTooLow,
    "ERC20InsufficientBalance(address,uint256,uint256)": errors.BalanceTooLow,
    "ERC721InvalidReceiver(address)": errors.OwnerCannotReceive,
    "ERC721InsufficientApproval(address,uint256)": errors.OwnerMustSign,
    "VersionMismatch(uint64,uint64)": errors.VersionMismatch,
    "InsufficientStake(uint256,uint256)": errors.StakeTooLow,
    "NotReady(uint64)": errors.CoolingDown,
    "NothingToWithdraw()": errors.NothingToWithdraw,
    "UnexpectedAmount(uint256,uint256)": errors.TokenTakesFee,
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
        allowed = _allowed(registration.stake_units, permit)
        return Call(self.registry, REGISTER_FOR_WITH_PERMIT.encode(signed, authorization.signature, allowed))

    def change(self, change: Change) -> Call:
        return Call(self.registry, _encode(change))

    def change_for(self, change: SignedChange, authorization: Authorization, nonce: int) -> Call:
        function, *signed = _signed(change)
        message = (_bytes(change.agent_id), *signed, nonce, authorization.deadline)
        if isinstance(change, Stake) and authorization.permit is not None:
            allowed = _allowed(change.units, authorization.permit)
            data = STAKE_FOR_WITH_PERMIT.encode(message, authorization.signature, allowed)
            return Call(self.registry, data)
        return Call(self.registry, function.encode(message, authorization.signature))

    def approve(self) -> Call:
        return Call(self.token, APPROVE.encode(self.registry, UNLIMITED))

    async def accepts(self, account: str, digest: bytes, signature: bytes) -> bool:
        return await wallets.accepts(self.rpc, account, digest, signature)

    def refusal(self, reason: str) -> OperationRefused:
        if reason == REPLACED:
            return TransactionReplaced()
        known = _BY_SELECTOR.get(reason[:_SELECTOR_LENGTH])
        return OperationRefused() if known is None else known()

    async def _terms(self, contract: str, owner: str) -> SigningTerms:
        if contract not in self._domains:
            self._domains[contract] = await self._domain(contract)
        (nonce,) = await self.rpc.call(contract, NONCES, owner)
        return SigningTerms(domain=self._domains[contract], nonce=nonce)

    async def _domain(self, contract: str) -> SigningDomain:
        _, name, version, chain_id, *_ = await self.rpc.call(contract, EIP712_DOMAIN)
        return SigningDomain(name=name, version=version, chainId=chain_id, verifyingContract=contract)


def _encode(change: Change) -> bytes:
    agent = _bytes(change.agent_id)
    match change:
        case Update():
            capabilities = [_bytes(capability) for capability in change.capabilities]
            return UPDATE_AGENT.encode(agent, change.cid, capabilities, change.expected_version)
        case Switch():
            return SET_ACTIVE.encode(agent, change.is_active, change.expected_version)
        case Stake():
            return STAKE.encode(agent, change.units)
        case Unstake():
            return REQUEST_UNSTAKE.encode(agent, change.units)
        case Withdrawal():
            return WITHDRAW.encode(agent)


def _signed(change: SignedChange) -> tuple[Any, ...]:
    """The function that takes the owner's signature, and what of the message is the change's own."""
    match change:
        case Update():
            capabilities = [_bytes(capability) for capability in change.capabilities]
            return UPDATE_AGENT_FOR, change.cid, capabilities, change.expected_version
        case Switch():
            return SET_ACTIVE_FOR, change.is_active, change.expected_version
        case Stake():
            return STAKE_FOR, change.units
        case Unstake():
            return REQUEST_UNSTAKE_FOR, change.units


def _allowed(units: int, permit: Permit) -> tuple[Any, ...]:
    """The permit as the contract takes it."""
    signature = permit.signature
    return units, permit.deadline, signature[64], signature[:32], signature[32:64]


def _bytes(hex_text: str) -> bytes:
    return bytes.fromhex(hex_text[2:])
