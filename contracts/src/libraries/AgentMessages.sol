// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ActiveUpdate} from "../types/ActiveUpdate.sol";
import {AgentUpdate} from "../types/AgentUpdate.sol";
import {Registration} from "../types/Registration.sol";
import {StakeDeposit} from "../types/StakeDeposit.sol";
import {UnstakeRequest} from "../types/UnstakeRequest.sol";

/// @title AgentMessages
/// @notice EIP-712 struct hashes of everything that a wallet signs for the agent registry.
library AgentMessages {
    bytes32 private constant WALLET_TYPEHASH =
        keccak256("AgentWalletSet(uint256 agentId,address newWallet,address owner,uint256 deadline)");

    bytes32 private constant REGISTRATION_TYPEHASH = keccak256(
        "Registration(address owner,bytes32 agentKey,string did,string ipfsHash,uint256 stake,bytes32[] capabilities,uint256 nonce,uint256 deadline)"
    );

    bytes32 private constant UPDATE_TYPEHASH = keccak256(
        "AgentUpdate(bytes32 agentKey,string ipfsHash,bytes32[] capabilities,uint64 expectedVersion,uint256 nonce,uint256 deadline)"
    );

    bytes32 private constant ACTIVE_TYPEHASH =
        keccak256("ActiveUpdate(bytes32 agentKey,bool active,uint64 expectedVersion,uint256 nonce,uint256 deadline)");

    bytes32 private constant STAKE_TYPEHASH =
        keccak256("StakeDeposit(bytes32 agentKey,uint256 amount,uint256 nonce,uint256 deadline)");

    bytes32 private constant UNSTAKE_TYPEHASH =
        keccak256("UnstakeRequest(bytes32 agentKey,uint256 amount,uint256 nonce,uint256 deadline)");

    function walletSet(uint256 agentId, address newWallet, address owner, uint256 deadline)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(WALLET_TYPEHASH, agentId, newWallet, owner, deadline));
    }

    function hash(Registration calldata message) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                REGISTRATION_TYPEHASH,
                message.owner,
                message.agentKey,
                keccak256(bytes(message.did)),
                keccak256(bytes(message.ipfsHash)),
                message.stake,
                keccak256(abi.encodePacked(message.capabilities)),
                message.nonce,
                message.deadline
            )
        );
    }

    function hash(AgentUpdate calldata message) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                UPDATE_TYPEHASH,
                message.agentKey,
                keccak256(bytes(message.ipfsHash)),
                keccak256(abi.encodePacked(message.capabilities)),
                message.expectedVersion,
                message.nonce,
                message.deadline
            )
        );
    }

    function hash(ActiveUpdate calldata message) internal pure returns (bytes32) {
        return keccak256(abi.encode(ACTIVE_TYPEHASH, message));
    }

    function hash(StakeDeposit calldata message) internal pure returns (bytes32) {
        return keccak256(abi.encode(STAKE_TYPEHASH, message));
    }

    function hash(UnstakeRequest calldata message) internal pure returns (bytes32) {
        return keccak256(abi.encode(UNSTAKE_TYPEHASH, message));
    }
}
