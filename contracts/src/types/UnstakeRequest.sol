// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice What an owner signs so that somebody else may start its cooldown (EIP-712).
/// @param amount Base units of the stake token.
/// @param nonce The owner's current nonce.
/// @param deadline Unix seconds; the signature is void after it.
struct UnstakeRequest {
    bytes32 agentKey;
    uint256 amount;
    uint256 nonce;
    uint256 deadline;
}
