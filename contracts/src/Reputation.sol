// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";

import {IERC8004Identity} from "./interfaces/IERC8004Identity.sol";
import {IERC8004Reputation} from "./interfaces/IERC8004Reputation.sol";
import {IMeshEscrow} from "./interfaces/IMeshEscrow.sol";
import {IReputation} from "./interfaces/IReputation.sol";
import {FeedbackReader} from "./reputation/FeedbackReader.sol";
import {Escrow} from "./types/Escrow.sol";
import {EscrowState} from "./types/EscrowState.sol";

/// @title Reputation
/// @notice ERC-8004's reputation registry, with summaries kept on write and feedback that can prove its payment.
contract Reputation is FeedbackReader {
    int128 private constant MAX_VALUE = 1e38;
    uint8 private constant MAX_DECIMALS = 18;
    uint256 private constant MAX_TAG_BYTES = 128;

    address private immutable _identity;
    /// @inheritdoc IReputation
    address public immutable escrow;

    mapping(bytes32 escrowId => bool) private _usedEscrows;

    /// @param identityRegistry The ERC-8004 registry whose agents are rated here.
    /// @param escrow_ The escrow contract whose settlements count as proof of payment.
    constructor(address identityRegistry, address escrow_) {
        if (identityRegistry == address(0) || escrow_ == address(0)) revert InvalidConfiguration();
        _identity = identityRegistry;
        escrow = escrow_;
    }

    /// @inheritdoc IERC8004Reputation
    function giveFeedback(
        uint256 agentId,
        int128 value,
        uint8 valueDecimals,
        string calldata tag1,
        string calldata tag2,
        string calldata endpoint,
        string calldata feedbackURI,
        bytes32 feedbackHash
    ) external {
        _give(agentId, value, valueDecimals, tag1, tag2, endpoint, feedbackURI, feedbackHash);
    }

    /// @inheritdoc IReputation
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
    ) external {
        _useEscrow(escrowId, agentId);
        uint64 index = _give(agentId, value, valueDecimals, tag1, tag2, endpoint, feedbackURI, feedbackHash);
        _recordProof(agentId, msg.sender, index, escrowId);
        emit FeedbackProof(agentId, msg.sender, index, escrowId);
    }

    /// @inheritdoc IERC8004Reputation
    function revokeFeedback(uint256 agentId, uint64 feedbackIndex) external {
        _revoke(agentId, msg.sender, feedbackIndex);
        emit FeedbackRevoked(agentId, msg.sender, feedbackIndex);
    }

    /// @inheritdoc IERC8004Reputation
    function appendResponse(
        uint256 agentId,
        address clientAddress,
        uint64 feedbackIndex,
        string calldata responseURI,
        bytes32 responseHash
    ) external {
        if (bytes(responseURI).length == 0) revert EmptyResponseURI();
        _countResponse(agentId, clientAddress, feedbackIndex, msg.sender);
        emit ResponseAppended(agentId, clientAddress, feedbackIndex, msg.sender, responseURI, responseHash);
    }

    /// @inheritdoc IERC8004Reputation
    function getIdentityRegistry() external view returns (address) {
        return _identity;
    }

    /// @inheritdoc IERC8004Reputation
    function getVersion() external pure returns (string memory) {
        return "2.0.0";
    }

    function _give(
        uint256 agentId,
        int128 value,
        uint8 valueDecimals,
        string calldata tag1,
        string calldata tag2,
        string calldata endpoint,
        string calldata feedbackURI,
        bytes32 feedbackHash
    ) private returns (uint64 index) {
        if (value > MAX_VALUE || value < -MAX_VALUE) revert ValueOutOfRange(value);
        if (valueDecimals > MAX_DECIMALS) revert TooManyDecimals(valueDecimals);
        _checkTag(tag1);
        _checkTag(tag2);
        _requireOutsider(agentId);
        index = _record(agentId, msg.sender, value, valueDecimals, tag1, tag2);
        emit NewFeedback(
            agentId, msg.sender, index, value, valueDecimals, tag1, tag1, tag2, endpoint, feedbackURI, feedbackHash
        );
    }

    /// @dev Ties one settled escrow between the caller and the agent to the feedback that follows.
    function _useEscrow(bytes32 escrowId, uint256 agentId) private {
        if (_usedEscrows[escrowId]) revert EscrowAlreadyUsed(escrowId);
        _usedEscrows[escrowId] = true;
        Escrow memory paid = IMeshEscrow(escrow).getEscrow(escrowId);
        if (paid.state != EscrowState.Released && paid.state != EscrowState.Refunded) {
            revert EscrowNotSettled(escrowId);
        }
        if (paid.payer != msg.sender || !_isPaidAt(agentId, paid.provider)) revert EscrowOfOthers(escrowId);
    }

    function _isPaidAt(uint256 agentId, address provider) private view returns (bool) {
        return provider == IERC8004Identity(_identity).getAgentWallet(agentId)
            || provider == IERC721(_identity).ownerOf(agentId);
    }

    /// @dev Also reverts when there is no such agent.
    function _requireOutsider(uint256 agentId) private view {
        bool insider = IERC8004Identity(_identity).isAuthorizedOrOwner(msg.sender, agentId);
        if (insider) revert SelfFeedback(agentId, msg.sender);
    }

    /// @dev Bounded, so that reading a page of feedback is bounded too.
    function _checkTag(string calldata tag) private pure {
        if (bytes(tag).length > MAX_TAG_BYTES) revert TagTooLong(bytes(tag).length, MAX_TAG_BYTES);
    }
}
