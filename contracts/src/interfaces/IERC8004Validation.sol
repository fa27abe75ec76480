// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title IERC8004Validation
/// @notice The validation registry of ERC-8004 "Trustless Agents", version 2.0.0: same selectors, same topics.
/// @dev `initialize` is absent: this registry is not behind a proxy. Where a function takes a `requestHash`, it takes
///      the request's key as well (see `IValidation`), which nobody can make ambiguous.
interface IERC8004Validation {
    /// @notice An agent asks `validatorAddress` to validate its work.
    event ValidationRequest(
        address indexed validatorAddress, uint256 indexed agentId, string requestURI, bytes32 indexed requestHash
    );

    /// @notice The validator answered.
    event ValidationResponse(
        address indexed validatorAddress,
        uint256 indexed agentId,
        bytes32 indexed requestHash,
        uint8 response,
        string responseURI,
        bytes32 responseHash,
        string tag
    );

    /// @notice Asks a validator. The agent's owner, approved account and operators may.
    /// @param requestURI Where everything is that the validator needs; only emitted.
    /// @param requestHash Commits to it; free for everyone else to use, too.
    function validationRequest(
        address validatorAddress,
        uint256 agentId,
        string calldata requestURI,
        bytes32 requestHash
    ) external;

    /// @notice Answers a request. Its validator may, any number of times; the latest answer counts.
    /// @param requestHash The request's hash, when it is the only one with it that the caller was sent, or its key.
    /// @param response 0 to 100.
    /// @param responseURI Where the evidence is; only emitted.
    /// @param responseHash Commits to it.
    /// @param tag The kind of check, at most 128 bytes; may be empty.
    function validationResponse(
        bytes32 requestHash,
        uint8 response,
        string calldata responseURI,
        bytes32 responseHash,
        string calldata tag
    ) external;

    /// @notice The request and the latest answer to it.
    function getValidationStatus(bytes32 requestHash)
        external
        view
        returns (
            address validatorAddress,
            uint256 agentId,
            uint8 response,
            bytes32 responseHash,
            string memory tag,
            uint256 lastUpdate
        );

    /// @notice Count and average of the latest answers, in time that does not depend on how many there are.
    /// @param validatorAddresses At most 100; empty for all validators. One that is listed twice counts twice.
    /// @param tag Empty for any tag.
    /// @return count Requests that were answered.
    /// @return averageResponse Rounded down; 0 when `count` is 0.
    function getSummary(uint256 agentId, address[] calldata validatorAddresses, string calldata tag)
        external
        view
        returns (uint64 count, uint8 averageResponse);

    /// @notice Keys of all requests of an agent, oldest first. Refuses above 1,000: use the page there.
    function getAgentValidations(uint256 agentId) external view returns (bytes32[] memory requestHashes);

    /// @notice Keys of all requests to a validator, oldest first. Refuses above 1,000: use the page there.
    function getValidatorRequests(address validatorAddress) external view returns (bytes32[] memory requestHashes);

    /// @notice The registry whose agents are validated here.
    function getIdentityRegistry() external view returns (address);

    /// @notice The version of ERC-8004's reference that this ABI follows.
    function getVersion() external pure returns (string memory);
}
