// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title IPagingErrors
/// @notice Why a page was refused.
interface IPagingErrors {
    /// @notice A page has 1 to `max` entries.
    error LimitOutOfRange(uint256 limit, uint256 max);
}
