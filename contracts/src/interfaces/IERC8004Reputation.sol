// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title IERC8004Reputation
/// @notice The reputation registry of ERC-8004 "Trustless Agents", version 2.0.0: same selectors, same topics.
/// @dev `initialize` is absent: this registry is not behind a proxy. An empty tag in a filter means any tag.
interface IERC8004Reputation {
    /// @notice `clientAddress` rated an agent.
    event NewFeedback(
        uint256 indexed agentId,
        address indexed clientAddress,
        uint64 feedbackIndex,
        int128 value,
        uint8 valueDecimals,
        string indexed indexedTag1,
        string tag1,
        string tag2,
        string endpoint,
        string feedbackURI,
        bytes32 feedbackHash
    );

    /// @notice `clientAddress` took its feedback back.
    event FeedbackRevoked(uint256 indexed agentId, address indexed clientAddress, uint64 indexed feedbackIndex);

    /// @notice `responder` answered feedback: a refund, a defence, a spam mark.
    event ResponseAppended(
        uint256 indexed agentId,
        address indexed clientAddress,
        uint64 feedbackIndex,
        address indexed responder,
        string responseURI,
        bytes32 responseHash
    );

    /// @notice Rates an agent. Its owner, approved account and operators may not.
    /// @param value Fixed-point number with `valueDecimals` decimals, at most 1e38 either way.
    /// @param valueDecimals 0 to 18.
    /// @param tag1 What was measured, at most 128 bytes; may be empty.
    /// @param tag2 As `tag1`.
    /// @param endpoint Which endpoint was used; only emitted.
    /// @param feedbackURI Where the details are; only emitted.
    /// @param feedbackHash Keccak-256 of those details, unless the URI is content-addressed; only emitted.
    function giveFeedback(
        uint256 agentId,
        int128 value,
        uint8 valueDecimals,
        string calldata tag1,
        string calldata tag2,
        string calldata endpoint,
        string calldata feedbackURI,
        bytes32 feedbackHash
    ) external;

    /// @notice Takes the caller's own feedback back: it stays readable and leaves every summary.
    function revokeFeedback(uint256 agentId, uint64 feedbackIndex) external;

    /// @notice Answers feedback. Anyone may, any number of times.
    /// @param responseURI Not empty; only emitted.
    function appendResponse(
        uint256 agentId,
        address clientAddress,
        uint64 feedbackIndex,
        string calldata responseURI,
        bytes32 responseHash
    ) external;

    /// @notice Count and average of what the given clients said. The cost does not depend on how much they said.
    /// @param clientAddresses 1 to 100 addresses; one that is listed twice counts twice.
    /// @return count Pieces of feedback that are not revoked.
    /// @return summaryValue Their average, rounded towards zero, with `summaryValueDecimals` decimals.
    /// @return summaryValueDecimals 18, or the most for which the average fits `int128`; 0 when `count` is 0.
    function getSummary(uint256 agentId, address[] calldata clientAddresses, string calldata tag1, string calldata tag2)
        external
        view
        returns (uint64 count, int128 summaryValue, uint8 summaryValueDecimals);

    /// @notice One piece of feedback.
    /// @param feedbackIndex From 1, per agent and client.
    function readFeedback(uint256 agentId, address clientAddress, uint64 feedbackIndex)
        external
        view
        returns (int128 value, uint8 valueDecimals, string memory tag1, string memory tag2, bool isRevoked);

    /// @notice All feedback of the given clients, or of all clients when none is given, in columns.
    /// @dev Refuses to look at more than 500 pieces or 100 clients: use `readFeedbackPage` and `getClientsPage` there.
    function readAllFeedback(
        uint256 agentId,
        address[] calldata clientAddresses,
        string calldata tag1,
        string calldata tag2,
        bool includeRevoked
    )
        external
        view
        returns (
            address[] memory clients,
            uint64[] memory feedbackIndexes,
            int128[] memory values,
            uint8[] memory valueDecimals,
            string[] memory tag1s,
            string[] memory tag2s,
            bool[] memory revokedStatuses
        );

    /// @notice How many responses there are.
    /// @param clientAddress Zero for all clients.
    /// @param feedbackIndex Zero for all feedback of the client; ignored for all clients.
    /// @param responders At most 100; empty for all responders.
    function getResponseCount(
        uint256 agentId,
        address clientAddress,
        uint64 feedbackIndex,
        address[] calldata responders
    ) external view returns (uint64 count);

    /// @notice Everyone who has rated the agent, oldest first. Refuses above 1,000: use `getClientsPage` there.
    function getClients(uint256 agentId) external view returns (address[] memory);

    /// @notice How much a client has said about an agent; also the index of its latest feedback.
    function getLastIndex(uint256 agentId, address clientAddress) external view returns (uint64);

    /// @notice The registry whose agents are rated here.
    function getIdentityRegistry() external view returns (address);

    /// @notice The version of ERC-8004's reference that this ABI follows.
    function getVersion() external pure returns (string memory);
}
