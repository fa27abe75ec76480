// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice One piece of feedback as it is stored (ERC-8004).
/// @param value Fixed-point number with `valueDecimals` decimals, at most 1e38 either way.
/// @param valueDecimals 0 to 18.
struct Feedback {
    int128 value;
    uint8 valueDecimals;
    bool isRevoked;
    string tag1;
    string tag2;
}
