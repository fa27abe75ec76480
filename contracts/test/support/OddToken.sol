// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @notice A token with every habit that contracts holding tokens have been robbed by.
contract OddToken is ERC20 {
    uint256 public feeBps;
    mapping(address account => bool) public isBlocked;
    address private _target;
    bytes private _hook;

    constructor() ERC20("Odd", "ODD") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    /// @notice Keeps a part of each transfer.
    function setFee(uint256 bps) external {
        feeBps = bps;
    }

    /// @notice Refuses to pay `account`.
    function setBlocked(address account, bool blocked) external {
        isBlocked[account] = blocked;
    }

    /// @notice Calls `target` once during the next transfer.
    function setHook(address target, bytes calldata data) external {
        (_target, _hook) = (target, data);
    }

    function _update(address from, address to, uint256 amount) internal override {
        require(!isBlocked[to], "blocked");
        if (_target != address(0)) _callBack();
        uint256 fee = from == address(0) ? 0 : amount * feeBps / 10_000;
        if (fee != 0) super._update(from, address(0), fee);
        super._update(from, to, amount - fee);
    }

    /// @dev Passes on why the call back failed, so that tests see who refused it.
    function _callBack() private {
        address target = _target;
        _target = address(0);
        (bool ok, bytes memory result) = target.call(_hook);
        if (ok) return;
        assembly ("memory-safe") {
            revert(add(result, 0x20), mload(result))
        }
    }
}
