// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice One piece of feedback as a page returns it.
/// @param feedbackIndex From 1, per agent and client.
/// @param escrowId The settled escrow that proves the payment, or zero.
struct FeedbackView {
    address client;
    uint64 feedbackIndex;
    int128 value;
    uint8 valueDecimals;
    string tag1;
    string tag2;
    bool isRevoked;
    bytes32 escrowId;
}
