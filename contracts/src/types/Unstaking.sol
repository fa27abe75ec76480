// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice Stake on its way out: still slashable, no longer counted as stake.
/// @param amount Base units of the stake token.
/// @param readyAt Unix seconds from which it may be withdrawn.
struct Unstaking {
    uint128 amount;
    uint64 readyAt;
}
