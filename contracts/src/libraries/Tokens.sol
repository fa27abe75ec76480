// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC3009} from "@openzeppelin/contracts/interfaces/draft-IERC3009.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {IERC3009Bytes} from "../interfaces/IERC3009Bytes.sol";
import {ISignatureErrors} from "../interfaces/ISignatureErrors.sol";
import {ITokenErrors} from "../interfaces/ITokenErrors.sol";
import {Permit} from "../types/Permit.sol";

/// @title Tokens
/// @notice Takes tokens in, and believes only the balance about how many came.
library Tokens {
    using SafeERC20 for IERC20;

    /// @notice Pulls exactly `amount` from `from` by allowance.
    function pull(IERC20 token, address from, uint256 amount) internal {
        if (amount == 0) return;
        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(from, address(this), amount);
        _checkReceived(token, before, amount);
    }

    /// @notice Uses an ERC-2612 permit of `owner` for this contract if it still can be used.
    /// @dev A permit is public once it is broadcast, and whoever submits it first makes this one fail. The allowance
    ///      is there all the same, and if it is not, the pull that follows says so.
    function tryPermit(IERC20 token, address owner, Permit calldata permit) internal {
        try IERC20Permit(address(token))
            .permit(owner, address(this), permit.value, permit.deadline, permit.v, permit.r, permit.s) {}
            catch {}
    }

    /// @notice Pulls exactly `amount` from `from` by EIP-3009 authorization under `nonce`.
    /// @dev An account without code signs `r, s, v` in 65 bytes, for the form that every EIP-3009 token has; a contract
    ///      signs as it likes, for the form that asks it (ERC-1271).
    function pullAuthorized(
        IERC20 token,
        address from,
        uint256 amount,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) internal {
        uint256 before = token.balanceOf(address(this));
        if (from.code.length == 0) {
            if (signature.length != 65) revert ISignatureErrors.InvalidSignature();
            (bytes32 r, bytes32 s) = (bytes32(signature[:32]), bytes32(signature[32:64]));
            IERC3009(address(token))
                .receiveWithAuthorization(
                    from, address(this), amount, validAfter, validBefore, nonce, uint8(signature[64]), r, s
                );
        } else {
            IERC3009Bytes(address(token))
                .receiveWithAuthorization(from, address(this), amount, validAfter, validBefore, nonce, signature);
        }
        _checkReceived(token, before, amount);
    }

    function _checkReceived(IERC20 token, uint256 before, uint256 amount) private view {
        uint256 received = token.balanceOf(address(this)) - before;
        if (received != amount) revert ITokenErrors.UnexpectedAmount(amount, received);
    }
}
