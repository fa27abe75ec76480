// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice What an owner signs so that somebody else may pay the gas of registering its agent (EIP-712).
/// @param owner Becomes owner of the agent; its allowance pays the stake.
/// @param agentKey The agent's name, hashed by the caller; at least 2^192, unique, first come first served.
/// @param did Decentralised identifier, 0 to 256 bytes.
/// @param ipfsHash CID of the registration file, 1 to 128 bytes.
/// @param stake Base units of the stake token, may be 0.
/// @param capabilities Hashes of capability names, strictly ascending, at most 32.
/// @param nonce The owner's current nonce.
/// @param deadline Unix seconds; the signature is void after it.
struct Registration {
    address owner;
    bytes32 agentKey;
    string did;
    string ipfsHash;
    uint256 stake;
    bytes32[] capabilities;
    uint256 nonce;
    uint256 deadline;
}
