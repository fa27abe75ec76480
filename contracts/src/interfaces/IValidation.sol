// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC8004Validation} from "./IERC8004Validation.sol";

/// @title IValidation
/// @notice What the mesh adds to ERC-8004: keys that nobody can occupy before their owner does, and pages.
/// @dev In the reference a request is known by its hash alone, so whoever sends a hash first, on an agent of its own,
///      keeps everyone else from using it. Here its key is made of agent, validator and hash.
interface IValidation is IERC8004Validation {
    /// @notice The key of the request that `ValidationRequest` has just announced.
    event ValidationRequestKeyed(
        bytes32 indexed requestKey, uint256 indexed agentId, address indexed validatorAddress, bytes32 requestHash
    );

    /// @notice The constructor's argument is zero.
    error InvalidConfiguration();

    /// @notice Only the agent's owner, approved account and operators ask for validation.
    error NotAuthorized(uint256 agentId, address account);

    /// @notice There is nobody at address zero to be asked.
    error InvalidValidator();

    /// @notice An agent's owner, approved account and operators cannot validate it.
    error SelfValidation(uint256 agentId, address account);

    /// @notice This agent has asked this validator with this hash before.
    error AlreadyRequested(bytes32 requestKey);

    /// @notice Neither a key nor a hash of any request.
    error RequestNotFound(bytes32 requestHash);

    /// @notice Several requests carry that hash: name the key.
    error AmbiguousRequest(bytes32 requestHash);

    /// @notice The request was sent to somebody else.
    error NotValidator(bytes32 requestKey, address account);

    /// @notice An answer is 0 to 100.
    error ResponseOutOfRange(uint8 response);

    /// @notice A tag has `max` bytes at most.
    error TagTooLong(uint256 length, uint256 max);

    /// @notice Ask for fewer addresses at once.
    error TooManyAddresses(uint256 count, uint256 max);

    /// @notice The answer would take a loop over more than `max` entries.
    /// @param useInstead The function that reads it in parts.
    error TooMuchToRead(uint256 count, uint256 max, string useInstead);

    /// @notice The key of a request: `keccak256(abi.encode(agentId, validatorAddress, requestHash))`.
    function requestKeyOf(uint256 agentId, address validatorAddress, bytes32 requestHash)
        external
        pure
        returns (bytes32 requestKey);

    /// @notice One page of the keys of an agent's requests, oldest first.
    /// @param cursor 0 to begin, then the last `nextCursor`.
    /// @param limit 1 to 1,000.
    /// @return requestKeys The keys.
    /// @return nextCursor 0 at the end.
    function getAgentValidationsPage(uint256 agentId, uint256 cursor, uint256 limit)
        external
        view
        returns (bytes32[] memory requestKeys, uint256 nextCursor);

    /// @notice One page of the keys of the requests to a validator, oldest first.
    /// @param cursor 0 to begin, then the last `nextCursor`.
    /// @param limit 1 to 1,000.
    /// @return requestKeys The keys.
    /// @return nextCursor 0 at the end.
    function getValidatorRequestsPage(address validatorAddress, uint256 cursor, uint256 limit)
        external
        view
        returns (bytes32[] memory requestKeys, uint256 nextCursor);
}
