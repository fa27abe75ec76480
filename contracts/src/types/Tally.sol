// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice Running total of the feedback under one filter; one storage slot.
/// @dev The sum cannot overflow before the count does: 2^32 values of at most 1e38 · 1e18 stay below 2^223.
/// @param count Pieces of feedback that are not revoked.
/// @param sumWad Sum of their values with 18 decimals.
struct Tally {
    uint32 count;
    int224 sumWad;
}
