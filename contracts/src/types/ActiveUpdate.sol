// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice What an owner signs so that somebody else may switch its agent on or off (EIP-712).
/// @param expectedVersion The version that the owner has seen; any other refuses the update.
/// @param nonce The owner's current nonce.
/// @param deadline Unix seconds; the signature is void after it.
struct ActiveUpdate {
    bytes32 agentKey;
    bool active;
    uint64 expectedVersion;
    uint256 nonce;
    uint256 deadline;
}
