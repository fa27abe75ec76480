// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC8004Reputation} from "../interfaces/IERC8004Reputation.sol";
import {IReputation} from "../interfaces/IReputation.sol";
import {Paging} from "../libraries/Paging.sol";
import {Tallies} from "../libraries/Tallies.sol";
import {Feedback} from "../types/Feedback.sol";
import {FeedbackView} from "../types/FeedbackView.sol";
import {Tally} from "../types/Tally.sol";
import {FeedbackStore} from "./FeedbackStore.sol";

/// @title FeedbackReader
/// @notice Every view of the feedback. Each loops over a bounded list of the caller's, or over a bounded page.
abstract contract FeedbackReader is FeedbackStore {
    uint256 private constant MAX_ADDRESSES = 100;
    uint256 private constant MAX_FEEDBACK = 500;
    uint256 private constant MAX_CLIENTS = 1000;

    /// @inheritdoc IERC8004Reputation
    function getSummary(uint256 agentId, address[] calldata clientAddresses, string calldata tag1, string calldata tag2)
        external
        view
        returns (uint64 count, int128 summaryValue, uint8 summaryValueDecimals)
    {
        if (clientAddresses.length == 0) revert ClientsRequired();
        _requireFew(clientAddresses);
        bytes32 filter = _filter(tag1, tag2);
        int256 sumWad;
        for (uint256 i; i < clientAddresses.length; ++i) {
            Tally storage tally = _clientTallies[agentId][clientAddresses[i]][filter];
            count += tally.count;
            sumWad += tally.sumWad;
        }
        (summaryValue, summaryValueDecimals) = Tallies.average(sumWad, count);
    }

    /// @inheritdoc IReputation
    function getAgentSummary(uint256 agentId, string calldata tag1, string calldata tag2)
        external
        view
        returns (uint64 count, int128 summaryValue, uint8 summaryValueDecimals)
    {
        Tally storage tally = _agentTallies[agentId][_filter(tag1, tag2)];
        count = tally.count;
        (summaryValue, summaryValueDecimals) = Tallies.average(tally.sumWad, count);
    }

    /// @inheritdoc IERC8004Reputation
    function readFeedback(uint256 agentId, address clientAddress, uint64 feedbackIndex)
        external
        view
        returns (int128 value, uint8 valueDecimals, string memory tag1, string memory tag2, bool isRevoked)
    {
        Feedback storage feedback = _feedbackAt(agentId, clientAddress, feedbackIndex);
        return (feedback.value, feedback.valueDecimals, feedback.tag1, feedback.tag2, feedback.isRevoked);
    }

    /// @inheritdoc IReputation
    function readFeedbackPage(uint256 agentId, address client, uint256 cursor, uint256 limit)
        external
        view
        returns (FeedbackView[] memory items, uint256 nextCursor)
    {
        uint256 end;
        (end, nextCursor) = Paging.bounds(cursor, limit, MAX_FEEDBACK, _lastIndexes[agentId][client]);
        items = new FeedbackView[](end - cursor);
        for (uint256 i; i < items.length; ++i) {
            items[i] = _view(agentId, client, uint64(cursor + i + 1));
        }
    }

    /// @inheritdoc IERC8004Reputation
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
        )
    {
        FeedbackView[] memory rows = _matching(agentId, clientAddresses, _filter(tag1, tag2), includeRevoked);
        clients = new address[](rows.length);
        feedbackIndexes = new uint64[](rows.length);
        values = new int128[](rows.length);
        valueDecimals = new uint8[](rows.length);
        tag1s = new string[](rows.length);
        tag2s = new string[](rows.length);
        revokedStatuses = new bool[](rows.length);
        for (uint256 i; i < rows.length; ++i) {
            FeedbackView memory row = rows[i];
            (clients[i], feedbackIndexes[i], values[i]) = (row.client, row.feedbackIndex, row.value);
            (valueDecimals[i], tag1s[i], tag2s[i]) = (row.valueDecimals, row.tag1, row.tag2);
            revokedStatuses[i] = row.isRevoked;
        }
    }

    /// @inheritdoc IERC8004Reputation
    function getResponseCount(
        uint256 agentId,
        address clientAddress,
        uint64 feedbackIndex,
        address[] calldata responders
    ) external view returns (uint64 count) {
        _requireFew(responders);
        uint64 index = clientAddress == address(0) ? 0 : feedbackIndex;
        if (responders.length == 0) return _responseCounts[_responseKey(agentId, clientAddress, index, address(0))];
        for (uint256 i; i < responders.length; ++i) {
            if (responders[i] == address(0)) continue; // would mean anyone
            count += _responseCounts[_responseKey(agentId, clientAddress, index, responders[i])];
        }
    }

    /// @inheritdoc IERC8004Reputation
    function getClients(uint256 agentId) external view returns (address[] memory) {
        return _clientsWithin(agentId, MAX_CLIENTS);
    }

    /// @inheritdoc IReputation
    function getClientsPage(uint256 agentId, uint256 cursor, uint256 limit)
        external
        view
        returns (address[] memory clients, uint256 nextCursor)
    {
        uint256 end;
        (end, nextCursor) = Paging.bounds(cursor, limit, MAX_CLIENTS, _clients[agentId].length);
        clients = new address[](end - cursor);
        for (uint256 i; i < clients.length; ++i) {
            clients[i] = _clients[agentId][cursor + i];
        }
    }

    /// @inheritdoc IERC8004Reputation
    function getLastIndex(uint256 agentId, address clientAddress) external view returns (uint64) {
        return _lastIndexes[agentId][clientAddress];
    }

    /// @inheritdoc IReputation
    function proofOf(uint256 agentId, address client, uint64 feedbackIndex) external view returns (bytes32) {
        return _proofs[agentId][client][feedbackIndex];
    }

    /// @dev The rows of {readAllFeedback}, looked for in all feedback of the clients.
    function _matching(uint256 agentId, address[] memory clients, bytes32 filter, bool includeRevoked)
        private
        view
        returns (FeedbackView[] memory rows)
    {
        _requireFew(clients);
        if (clients.length == 0) clients = _clientsWithin(agentId, MAX_ADDRESSES);
        rows = new FeedbackView[](_countFeedback(agentId, clients));
        uint256 found;
        for (uint256 i; i < clients.length; ++i) {
            uint64 last = _lastIndexes[agentId][clients[i]];
            for (uint64 index = 1; index <= last; ++index) {
                if (!_matches(_feedbackAt(agentId, clients[i], index), filter, includeRevoked)) continue;
                rows[found++] = _view(agentId, clients[i], index);
            }
        }
        assembly ("memory-safe") {
            mstore(rows, found) // found <= rows.length: only shortens
        }
    }

    /// @dev How much feedback there is to look through.
    function _countFeedback(uint256 agentId, address[] memory clients) private view returns (uint256 total) {
        for (uint256 i; i < clients.length; ++i) {
            total += _lastIndexes[agentId][clients[i]];
        }
        if (total > MAX_FEEDBACK) {
            revert TooMuchToRead(total, MAX_FEEDBACK, "readFeedbackPage(uint256,address,uint256,uint256)");
        }
    }

    function _clientsWithin(uint256 agentId, uint256 max) private view returns (address[] memory) {
        uint256 count = _clients[agentId].length;
        if (count > max) revert TooMuchToRead(count, max, "getClientsPage(uint256,uint256,uint256)");
        return _clients[agentId];
    }

    function _view(uint256 agentId, address client, uint64 index) private view returns (FeedbackView memory) {
        Feedback storage feedback = _feedbackAt(agentId, client, index);
        return FeedbackView({
            client: client,
            feedbackIndex: index,
            value: feedback.value,
            valueDecimals: feedback.valueDecimals,
            tag1: feedback.tag1,
            tag2: feedback.tag2,
            isRevoked: feedback.isRevoked,
            escrowId: _proofs[agentId][client][index]
        });
    }

    function _matches(Feedback storage feedback, bytes32 filter, bool includeRevoked) private view returns (bool) {
        if (feedback.isRevoked && !includeRevoked) return false;
        bytes32[] memory filters = _filtersOf(feedback);
        for (uint256 i; i < filters.length; ++i) {
            if (filters[i] == filter) return true;
        }
        return false;
    }

    function _filter(string calldata tag1, string calldata tag2) private pure returns (bytes32) {
        return _tagsKey(keccak256(bytes(tag1)), keccak256(bytes(tag2)));
    }

    function _requireFew(address[] memory addresses) private pure {
        if (addresses.length > MAX_ADDRESSES) revert TooManyAddresses(addresses.length, MAX_ADDRESSES);
    }
}
