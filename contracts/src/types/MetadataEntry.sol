// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice One key and value of an agent's on-chain metadata (ERC-8004).
/// @param metadataKey Any string but `agentWallet`, which is reserved.
/// @param metadataValue Opaque bytes.
struct MetadataEntry {
    string metadataKey;
    bytes metadataValue;
}
