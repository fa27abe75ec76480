// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice Where an agent's payment wallet comes from.
/// @dev `Owner` is zero, so that a fresh agent pays for no wallet slot.
enum WalletState {
    Owner,
    Cleared,
    Chosen
}
