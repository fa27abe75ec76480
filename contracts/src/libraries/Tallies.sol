// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Tally} from "../types/Tally.sol";

/// @title Tallies
/// @notice Running totals of fixed-point values, kept with 18 decimals.
library Tallies {
    uint8 internal constant WAD_DECIMALS = 18;

    /// @notice Counts a value in.
    function add(Tally storage tally, int224 wad) internal {
        tally.count += 1;
        tally.sumWad += wad;
    }

    /// @notice Counts a value out that was counted in.
    function remove(Tally storage tally, int224 wad) internal {
        tally.count -= 1;
        tally.sumWad -= wad;
    }

    /// @notice `value` with 18 decimals.
    /// @param value At most 1e38 either way.
    /// @param decimals 0 to 18.
    function toWad(int128 value, uint8 decimals) internal pure returns (int224) {
        return int224(value) * int224(int256(10 ** (WAD_DECIMALS - decimals)));
    }

    /// @notice The average, rounded towards zero, with as many decimals as fit `int128`, but at most 18.
    /// @dev The average of values up to 1e38 always fits without decimals, so the loop ends within 18 steps.
    function average(int256 sumWad, uint256 count) internal pure returns (int128 value, uint8 decimals) {
        if (count == 0) return (0, 0);
        int256 mean = sumWad / int256(count);
        decimals = WAD_DECIMALS;
        while (mean != int128(mean)) {
            mean /= 10;
            --decimals;
        }
        return (int128(mean), decimals);
    }
}
