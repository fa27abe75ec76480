// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice A request for validation and the latest answer to it.
/// @param validator Who was asked; zero where there is no such request.
/// @param response 0 to 100; 0 while there is none, which `hasResponse` tells apart.
/// @param hasResponse Whether the validator has answered.
/// @param lastUpdate Unix seconds of the request, then of the latest answer.
/// @param agentId Whose work is validated.
/// @param responseHash Keccak-256 of the answer's details, unless their URI is content-addressed.
/// @param tag What the validator calls its kind of check, at most 128 bytes; may be empty.
struct ValidationStatus {
    address validator;
    uint8 response;
    bool hasResponse;
    uint64 lastUpdate;
    uint256 agentId;
    bytes32 responseHash;
    string tag;
}
