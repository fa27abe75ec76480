// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice Running total of the latest answers under one filter; one storage slot.
/// @param count Requests that were answered.
/// @param sum Of their answers, each at most 100: it cannot overflow before the count does.
struct ResponseTally {
    uint64 count;
    uint192 sum;
}
