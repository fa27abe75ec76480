// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice Cheatcodes of forge 1.x that are younger than the interface which ships with @prb/test.
interface Cheats {
    function deployCode(string calldata artifact, bytes calldata args) external returns (address);
    function expectPartialRevert(bytes4 selector) external;
    function snapshotGasLastCall(string calldata group, string calldata name) external returns (uint256);
}
