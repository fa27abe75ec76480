// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {FeedbackView} from "../types/FeedbackView.sol";
import {IERC8004Reputation} from "./IERC8004Reputation.sol";

/// @title IReputation
/// @notice What the mesh adds to ERC-8004: feedback that proves its payment, summaries over everyone, pages.
interface IReputation is IERC8004Reputation {
    /// @notice The feedback announced by the `NewFeedback` before it was paid for in this escrow.
    event FeedbackProof(
        uint256 indexed agentId, address indexed clientAddress, uint64 feedbackIndex, bytes32 indexed escrowId
    );

    /// @notice A constructor argument is zero.
    error InvalidConfiguration();

    /// @notice An agent's owner, approved account and operators cannot rate it.
    error SelfFeedback(uint256 agentId, address account);

    /// @notice A value is at most 1e38 either way.
    error ValueOutOfRange(int128 value);

    /// @notice A value has 18 decimals at most.
    error TooManyDecimals(uint8 decimals);

    /// @notice A tag has `max` bytes at most.
    error TagTooLong(uint256 length, uint256 max);

    /// @notice A response needs a URI.
    error EmptyResponseURI();

    /// @notice ERC-8004 leaves summaries over everybody out, because they invite Sybils: name the clients you trust.
    error ClientsRequired();

    /// @notice The client has given no feedback with this index.
    error FeedbackNotFound(uint256 agentId, address client, uint64 feedbackIndex);

    /// @notice The feedback has been revoked before.
    error AlreadyRevoked(uint256 agentId, address client, uint64 feedbackIndex);

    /// @notice The answer would take a loop over more than `max` entries.
    /// @param useInstead The function that reads it in parts.
    error TooMuchToRead(uint256 count, uint256 max, string useInstead);

    /// @notice Ask for fewer addresses at once.
    error TooManyAddresses(uint256 count, uint256 max);

    /// @notice The escrow is not settled yet.
    error EscrowNotSettled(bytes32 escrowId);

    /// @notice The caller is not the escrow's payer, or its provider is neither owner nor wallet of the agent.
    error EscrowOfOthers(bytes32 escrowId);

    /// @notice One settlement proves one piece of feedback.
    error EscrowAlreadyUsed(bytes32 escrowId);

    /// @notice As `giveFeedback`, by the payer of a settled escrow whose provider is the agent's owner or wallet.
    /// @param escrowId Released or refunded: unpaid work may be rated too, as long as money was at stake.
    function giveFeedbackWithProof(
        bytes32 escrowId,
        uint256 agentId,
        int128 value,
        uint8 valueDecimals,
        string calldata tag1,
        string calldata tag2,
        string calldata endpoint,
        string calldata feedbackURI,
        bytes32 feedbackHash
    ) external;

    /// @notice Count and average over all clients, in constant time. Anyone can be a client: weigh it accordingly.
    /// @return count Pieces of feedback that are not revoked.
    /// @return summaryValue Their average, rounded towards zero, with `summaryValueDecimals` decimals.
    /// @return summaryValueDecimals 18, or the most for which the average fits `int128`; 0 when `count` is 0.
    function getAgentSummary(uint256 agentId, string calldata tag1, string calldata tag2)
        external
        view
        returns (uint64 count, int128 summaryValue, uint8 summaryValueDecimals);

    /// @notice One page of everyone who has rated the agent, oldest first.
    /// @param cursor 0 to begin, then the last `nextCursor`.
    /// @param limit 1 to 1,000.
    /// @return clients Their addresses.
    /// @return nextCursor 0 at the end.
    function getClientsPage(uint256 agentId, uint256 cursor, uint256 limit)
        external
        view
        returns (address[] memory clients, uint256 nextCursor);

    /// @notice One page of what a client has said about an agent, revoked feedback included, oldest first.
    /// @param cursor 0 to begin, then the last `nextCursor`.
    /// @param limit 1 to 500.
    /// @return items The feedback.
    /// @return nextCursor 0 at the end.
    function readFeedbackPage(uint256 agentId, address client, uint256 cursor, uint256 limit)
        external
        view
        returns (FeedbackView[] memory items, uint256 nextCursor);

    /// @notice The escrow that proves the payment behind a piece of feedback, or zero.
    function proofOf(uint256 agentId, address client, uint64 feedbackIndex) external view returns (bytes32 escrowId);

    /// @notice The escrow contract whose settlements count as proof.
    function escrow() external view returns (address);
}
