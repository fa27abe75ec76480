// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice How an escrow can end: the provider is paid, or the payer gets the money back.
enum Outcome {
    Release,
    Refund
}
