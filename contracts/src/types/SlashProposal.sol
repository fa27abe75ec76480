// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice A slash that waits for its delay. An `amount` of zero means that there is none.
/// @param amount Base units of the stake token; frozen until the proposal is executed or cancelled.
/// @param executableAt Unix seconds from which anyone may execute it.
/// @param reasonHash Hash of the evidence.
struct SlashProposal {
    uint128 amount;
    uint64 executableAt;
    bytes32 reasonHash;
}
