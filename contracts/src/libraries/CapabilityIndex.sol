// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {CapabilityList} from "../types/CapabilityList.sol";

/// @title CapabilityIndex
/// @notice Which agents have offered a capability, and in which version of theirs.
/// @dev Entries are never removed: one counts only while its version is the one in which its agent last changed its
///      capabilities. That spares both loops and a second index. The first three entries share a slot with the
///      length, so a capability that nobody has offered before costs one fresh slot.
library CapabilityIndex {
    uint256 private constant LANES = 4;
    uint256 private constant LANE_BITS = 64;

    /// @notice How many entries there are, those that no longer count included.
    function length(CapabilityList storage list) internal view returns (uint256) {
        return uint64(list.words[0]);
    }

    /// @notice Appends an entry.
    function push(CapabilityList storage list, uint32 agentId, uint32 version) internal {
        uint256 head = list.words[0] + 1;
        (uint256 word, uint256 shift) = _position(uint64(head) - 1);
        uint256 entry = ((uint256(agentId) << 32) | version) << shift;
        list.words[0] = head;
        list.words[word] |= entry;
    }

    /// @notice Reads the entry at `index`, which must be less than the length.
    function entryAt(CapabilityList storage list, uint256 index)
        internal
        view
        returns (uint32 agentId, uint32 version)
    {
        (uint256 word, uint256 shift) = _position(index);
        uint64 entry = uint64(list.words[word] >> shift);
        return (uint32(entry >> 32), uint32(entry));
    }

    /// @dev Lane 0 of word 0 is the length, so entries begin one lane later.
    function _position(uint256 index) private pure returns (uint256 word, uint256 shift) {
        uint256 lane = index + 1;
        return (lane / LANES, (lane % LANES) * LANE_BITS);
    }
}
