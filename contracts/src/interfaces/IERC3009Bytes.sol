// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title IERC3009Bytes
/// @notice The half of EIP-3009 that takes signatures as bytes, so that contract wallets can sign too (ERC-1271).
/// @dev Not in the EIP; USDC has it since v2.2.
interface IERC3009Bytes {
    /// @notice Moves `value` from `from`, who signed for it.
    /// @param validAfter Unix seconds; the authorization is valid strictly after it.
    /// @param validBefore Unix seconds; the authorization is valid strictly before it.
    /// @param nonce Any 32 bytes that `from` has not used yet.
    function transferWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external;

    /// @notice As {transferWithAuthorization}, but only `to` itself may submit it.
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external;

    /// @notice Burns an unused nonce of `authorizer`.
    function cancelAuthorization(address authorizer, bytes32 nonce, bytes calldata signature) external;
}
