// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC721Receiver} from "@openzeppelin/contracts/token/ERC721/IERC721Receiver.sol";

/// @notice An owner of agents whose code runs during the mint, and which then makes one call back.
contract ReenteringReceiver is IERC721Receiver {
    bytes private _onMint;
    bool public called;
    bytes public revertData;

    /// @notice What to call on the registry while it mints.
    function plan(bytes calldata onMint) external {
        _onMint = onMint;
    }

    function execute(address target, bytes calldata data) external returns (bytes memory) {
        (bool ok, bytes memory result) = target.call(data);
        if (ok) return result;
        assembly ("memory-safe") {
            revert(add(result, 0x20), mload(result))
        }
    }

    function onERC721Received(address, address, uint256, bytes calldata) external returns (bytes4) {
        if (_onMint.length != 0) {
            bytes memory data = _onMint;
            delete _onMint;
            bool ok;
            (ok, revertData) = msg.sender.call(data);
            called = ok;
        }
        return IERC721Receiver.onERC721Received.selector;
    }
}
