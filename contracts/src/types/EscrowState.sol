// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice The life of an escrow. `Released` and `Refunded` are terminal.
enum EscrowState {
    None,
    Funded,
    Submitted,
    Disputed,
    Released,
    Refunded
}
