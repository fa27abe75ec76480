// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice An ERC-2612 permit without the parts that the call it travels in already names (owner, spender, nonce).
/// @param value Allowance granted, in base units of the token.
/// @param deadline Unix seconds; the permit is void after it.
struct Permit {
    uint256 value;
    uint256 deadline;
    uint8 v;
    bytes32 r;
    bytes32 s;
}
