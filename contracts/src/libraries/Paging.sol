// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IPagingErrors} from "../interfaces/IPagingErrors.sol";

/// @title Paging
/// @notice One rule for every paged view: a cursor is a position, and the next one is 0 at the end.
library Paging {
    /// @notice Where the page that begins at `cursor` ends in a list of `length`, and where the next one begins.
    /// @param max The largest `limit` allowed.
    /// @return end At least `cursor`.
    /// @return nextCursor 0 when there is nothing after `end`.
    function bounds(uint256 cursor, uint256 limit, uint256 max, uint256 length)
        internal
        pure
        returns (uint256 end, uint256 nextCursor)
    {
        if (limit == 0 || limit > max) revert IPagingErrors.LimitOutOfRange(limit, max);
        if (cursor >= length) return (cursor, 0);
        return limit < length - cursor ? (cursor + limit, cursor + limit) : (length, 0);
    }
}
