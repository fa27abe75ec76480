// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC3009Bytes} from "./IERC3009Bytes.sol";

/// @title IMeshToken
/// @notice What the test token adds to ERC-20, ERC-2612 and the `v, r, s` half of EIP-3009.
interface IMeshToken is IERC3009Bytes {
    /// @notice Creates `amount` base units for `to`. Owner only.
    function mint(address to, uint256 amount) external;
}
