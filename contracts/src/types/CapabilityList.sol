// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice Append-only list of 64-bit entries, four to a storage word. Lane 0 of word 0 holds the length.
struct CapabilityList {
    mapping(uint256 index => uint256 word) words;
}
