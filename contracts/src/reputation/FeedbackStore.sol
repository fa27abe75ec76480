// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IReputation} from "../interfaces/IReputation.sol";
import {Tallies} from "../libraries/Tallies.sol";
import {Feedback} from "../types/Feedback.sol";
import {Tally} from "../types/Tally.sol";

/// @title FeedbackStore
/// @notice Where feedback is kept, and the totals over it: every question that would need a loop is answered on write.
abstract contract FeedbackStore is IReputation {
    using Tallies for Tally;

    /// @dev Hash of the empty tag, which stands for any tag.
    bytes32 internal constant ANY_TAG = keccak256("");

    mapping(uint256 agentId => address[]) internal _clients;
    mapping(uint256 agentId => mapping(address client => uint64)) internal _lastIndexes;
    mapping(uint256 agentId => mapping(address client => mapping(uint64 index => Feedback))) private _feedback;
    mapping(uint256 agentId => mapping(address client => mapping(uint64 index => bytes32))) internal _proofs;

    /// @dev Totals of an agent, and of an agent and one client, by the hashes of both tags.
    mapping(uint256 agentId => mapping(bytes32 tags => Tally)) internal _agentTallies;
    mapping(uint256 agentId => mapping(address client => mapping(bytes32 tags => Tally))) internal _clientTallies;

    /// @dev Counts by {_responseKey}; zero stands for any client, any index, any responder.
    mapping(bytes32 key => uint64) internal _responseCounts;

    function _record(
        uint256 agentId,
        address client,
        int128 value,
        uint8 valueDecimals,
        string calldata tag1,
        string calldata tag2
    ) internal returns (uint64 index) {
        index = ++_lastIndexes[agentId][client];
        if (index == 1) _clients[agentId].push(client);
        _feedback[agentId][client][index] = Feedback(value, valueDecimals, false, tag1, tag2);
        _tally(agentId, client, index, Tallies.add);
    }

    function _revoke(uint256 agentId, address client, uint64 index) internal {
        Feedback storage feedback = _feedbackAt(agentId, client, index);
        if (feedback.isRevoked) revert AlreadyRevoked(agentId, client, index);
        feedback.isRevoked = true;
        _tally(agentId, client, index, Tallies.remove);
    }

    function _recordProof(uint256 agentId, address client, uint64 index, bytes32 escrowId) internal {
        _proofs[agentId][client][index] = escrowId;
    }

    /// @dev One count per question that `getResponseCount` can be asked about this response.
    function _countResponse(uint256 agentId, address client, uint64 index, address responder) internal {
        _feedbackAt(agentId, client, index);
        address[2] memory responders = [address(0), responder];
        for (uint256 i; i < 2; ++i) {
            ++_responseCounts[_responseKey(agentId, address(0), 0, responders[i])];
            ++_responseCounts[_responseKey(agentId, client, 0, responders[i])];
            ++_responseCounts[_responseKey(agentId, client, index, responders[i])];
        }
    }

    function _feedbackAt(uint256 agentId, address client, uint64 index) internal view returns (Feedback storage) {
        if (index == 0 || index > _lastIndexes[agentId][client]) revert FeedbackNotFound(agentId, client, index);
        return _feedback[agentId][client][index];
    }

    function _responseKey(uint256 agentId, address client, uint64 index, address responder)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(agentId, client, index, responder));
    }

    function _tagsKey(bytes32 tag1, bytes32 tag2) internal pure returns (bytes32) {
        return keccak256(abi.encode(tag1, tag2));
    }

    /// @dev Counts feedback in or out of every filter that matches it.
    function _tally(uint256 agentId, address client, uint64 index, function(Tally storage, int224) internal count)
        private
    {
        Feedback storage feedback = _feedback[agentId][client][index];
        int224 wad = Tallies.toWad(feedback.value, feedback.valueDecimals);
        bytes32[] memory filters = _filtersOf(feedback);
        for (uint256 i; i < filters.length; ++i) {
            count(_agentTallies[agentId][filters[i]], wad);
            count(_clientTallies[agentId][client][filters[i]], wad);
        }
    }

    /// @dev Up to four: an empty tag matches the filter for any tag only.
    function _filtersOf(Feedback storage feedback) internal view returns (bytes32[] memory filters) {
        bytes32 tag1 = keccak256(bytes(feedback.tag1));
        bytes32 tag2 = keccak256(bytes(feedback.tag2));
        bool tagged1 = tag1 != ANY_TAG;
        bool tagged2 = tag2 != ANY_TAG;
        filters = new bytes32[]((tagged1 ? 2 : 1) * (tagged2 ? 2 : 1));
        uint256 n;
        filters[n++] = _tagsKey(ANY_TAG, ANY_TAG);
        if (tagged1) filters[n++] = _tagsKey(tag1, ANY_TAG);
        if (tagged2) filters[n++] = _tagsKey(ANY_TAG, tag2);
        if (tagged1 && tagged2) filters[n++] = _tagsKey(tag1, tag2);
    }
}
