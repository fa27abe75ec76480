// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title ITokenErrors
/// @notice Why a token was refused.
interface ITokenErrors {
    /// @notice The token moved another amount than asked: it takes fees on transfer, rebases, or lies.
    error UnexpectedAmount(uint256 expected, uint256 received);
}
