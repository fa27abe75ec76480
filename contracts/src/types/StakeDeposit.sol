// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice What an owner signs so that somebody else may move its tokens behind its agent (EIP-712).
/// @param amount Base units of the stake token, from the owner's allowance.
/// @param nonce The owner's current nonce.
/// @param deadline Unix seconds; the signature is void after it.
struct StakeDeposit {
    bytes32 agentKey;
    uint256 amount;
    uint256 nonce;
    uint256 deadline;
}
