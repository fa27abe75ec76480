// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title ISignatureErrors
/// @notice Why a signed message was refused.
interface ISignatureErrors {
    /// @notice The signature is not that of the account which had to give it.
    error InvalidSignature();

    /// @notice The moment up to which this was possible has passed.
    /// @param deadline Unix seconds.
    error DeadlinePassed(uint256 deadline);
}
