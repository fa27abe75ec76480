// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice An agent as it is read.
/// @param agentId ERC-721 token id, from 1.
/// @param ipfsHash CID of the registration file; empty when the agent's URI is not an `ipfs://` one.
/// @param stake Bonded base units of the stake token, without those on their way out.
/// @param version Rises by one whenever the URI, the capabilities or `active` change; starts at 1.
/// @param registeredAt Unix seconds.
struct AgentView {
    uint256 agentId;
    bytes32 agentKey;
    address owner;
    string did;
    string ipfsHash;
    uint256 stake;
    uint64 version;
    bool active;
    uint64 registeredAt;
}
