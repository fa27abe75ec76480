// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Vm} from "@prb/test/Vm.sol";

import {ActiveUpdate} from "../../src/types/ActiveUpdate.sol";
import {AgentUpdate} from "../../src/types/AgentUpdate.sol";
import {Outcome} from "../../src/types/Outcome.sol";
import {Permit} from "../../src/types/Permit.sol";
import {Registration} from "../../src/types/Registration.sol";
import {StakeDeposit} from "../../src/types/StakeDeposit.sol";
import {UnstakeRequest} from "../../src/types/UnstakeRequest.sol";

/// @notice What wallets do: typed-data digests written out by hand, so that the contracts' own are checked against them.
abstract contract Signing {
    Vm private constant CHEAT = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    string internal constant REGISTRY_DOMAIN = "ERC8004IdentityRegistry";
    string internal constant ESCROW_DOMAIN = "MeshEscrow";
    string internal constant TOKEN_DOMAIN = "Mesh Test Token";

    function domainOf(string memory name, address verifier, uint256 chainId) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256(bytes(name)),
                keccak256("1"),
                chainId,
                verifier
            )
        );
    }

    function digestOf(string memory name, address verifier, bytes32 structHash) internal view returns (bytes32) {
        return digestOn(block.chainid, name, verifier, structHash);
    }

    function digestOn(uint256 chainId, string memory name, address verifier, bytes32 structHash)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encodePacked(hex"1901", domainOf(name, verifier, chainId), structHash));
    }

    function signed(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = CHEAT.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function hashOf(Registration memory r) internal pure returns (bytes32) {
        bytes32 typeHash = keccak256(
            "Registration(address owner,bytes32 agentKey,string did,string ipfsHash,uint256 stake,"
            "bytes32[] capabilities,uint256 nonce,uint256 deadline)"
        );
        bytes32 did = keccak256(bytes(r.did));
        bytes32 cid = keccak256(bytes(r.ipfsHash));
        bytes32 list = keccak256(abi.encodePacked(r.capabilities));
        return keccak256(abi.encode(typeHash, r.owner, r.agentKey, did, cid, r.stake, list, r.nonce, r.deadline));
    }

    function hashOf(AgentUpdate memory u) internal pure returns (bytes32) {
        bytes32 typeHash = keccak256(
            "AgentUpdate(bytes32 agentKey,string ipfsHash,bytes32[] capabilities,uint64 expectedVersion,"
            "uint256 nonce,uint256 deadline)"
        );
        bytes32 cid = keccak256(bytes(u.ipfsHash));
        bytes32 list = keccak256(abi.encodePacked(u.capabilities));
        return keccak256(abi.encode(typeHash, u.agentKey, cid, list, u.expectedVersion, u.nonce, u.deadline));
    }

    function hashOf(ActiveUpdate memory u) internal pure returns (bytes32) {
        bytes32 typeHash = keccak256(
            "ActiveUpdate(bytes32 agentKey,bool active,uint64 expectedVersion,uint256 nonce,uint256 deadline)"
        );
        return keccak256(abi.encode(typeHash, u.agentKey, u.active, u.expectedVersion, u.nonce, u.deadline));
    }

    function hashOf(StakeDeposit memory d) internal pure returns (bytes32) {
        bytes32 typeHash = keccak256("StakeDeposit(bytes32 agentKey,uint256 amount,uint256 nonce,uint256 deadline)");
        return keccak256(abi.encode(typeHash, d.agentKey, d.amount, d.nonce, d.deadline));
    }

    function hashOf(UnstakeRequest memory u) internal pure returns (bytes32) {
        bytes32 typeHash = keccak256("UnstakeRequest(bytes32 agentKey,uint256 amount,uint256 nonce,uint256 deadline)");
        return keccak256(abi.encode(typeHash, u.agentKey, u.amount, u.nonce, u.deadline));
    }

    function walletHash(uint256 agentId, address wallet, address owner, uint256 deadline)
        internal
        pure
        returns (bytes32)
    {
        bytes32 typeHash = keccak256("AgentWalletSet(uint256 agentId,address newWallet,address owner,uint256 deadline)");
        return keccak256(abi.encode(typeHash, agentId, wallet, owner, deadline));
    }

    function verdictHash(bytes32 id, Outcome outcome, uint16 scoreBps, bytes32 reason) internal pure returns (bytes32) {
        bytes32 typeHash = keccak256("Verdict(bytes32 escrowId,uint8 outcome,uint16 scoreBps,bytes32 reasonHash)");
        return keccak256(abi.encode(typeHash, id, outcome, scoreBps, reason));
    }

    function submissionHash(bytes32 id, bytes32 resultHash) internal pure returns (bytes32) {
        return keccak256(abi.encode(keccak256("Submission(bytes32 escrowId,bytes32 resultHash)"), id, resultHash));
    }

    function permitHash(address owner, address spender, uint256 value, uint256 nonce, uint256 deadline)
        internal
        pure
        returns (bytes32)
    {
        bytes32 typeHash =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        return keccak256(abi.encode(typeHash, owner, spender, value, nonce, deadline));
    }

    /// @dev EIP-3009; `kind` is Transfer or Receive.
    function authorizationHash(
        string memory kind,
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce
    ) internal pure returns (bytes32) {
        bytes32 typeHash = keccak256(
            abi.encodePacked(
                kind,
                "WithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
            )
        );
        return keccak256(abi.encode(typeHash, from, to, value, validAfter, validBefore, nonce));
    }

    function signedPermit(uint256 key, address token, address spender, uint256 value, uint256 nonce, uint256 deadline)
        internal
        view
        returns (Permit memory permit)
    {
        bytes32 structHash = permitHash(CHEAT.addr(key), spender, value, nonce, deadline);
        (permit.v, permit.r, permit.s) = CHEAT.sign(key, digestOf(TOKEN_DOMAIN, token, structHash));
        (permit.value, permit.deadline) = (value, deadline);
    }
}
