// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice What an owner signs so that somebody else may submit its update (EIP-712).
/// @param expectedVersion The version that the owner has seen; any other refuses the update.
/// @param nonce The owner's current nonce.
/// @param deadline Unix seconds; the signature is void after it.
struct AgentUpdate {
    bytes32 agentKey;
    string ipfsHash;
    bytes32[] capabilities;
    uint64 expectedVersion;
    uint256 nonce;
    uint256 deadline;
}
