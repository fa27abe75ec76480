// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";

import {IERC3009Bytes} from "./interfaces/IERC3009Bytes.sol";
import {IMeshToken} from "./interfaces/IMeshToken.sol";
import {Signatures} from "./libraries/Signatures.sol";

/// @title MeshToken
/// @notice Money for local chains: ERC-20 with ERC-2612 permits and EIP-3009 authorizations, minted by its owner at will.
/// @dev Stands in for USDC: six decimals, and both signature forms (`v, r, s` and `bytes`) that USDC v2.2 offers.
///      It has no value and no supply cap; never deploy it where either matters.
contract MeshToken is ERC20Permit, ERC3009, Ownable, IMeshToken {
    /// @param owner The only account that may mint.
    constructor(address owner) ERC20("Mesh Test Token", "MESH") ERC20Permit("Mesh Test Token") Ownable(owner) {}

    /// @inheritdoc IMeshToken
    function mint(address to, uint256 amount) external onlyOwner {
        _mint(to, amount);
    }

    /// @inheritdoc IERC3009Bytes
    function transferWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external {
        _checkSigned(
            from,
            abi.encode(TRANSFER_WITH_AUTHORIZATION_TYPEHASH, from, to, value, validAfter, validBefore, nonce),
            signature
        );
        _transferWithAuthorization(from, to, value, validAfter, validBefore, nonce);
    }

    /// @inheritdoc IERC3009Bytes
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external {
        // Only the payee may submit: a third party must not decide when the payee's code runs (EIP-3009).
        require(to == msg.sender, ERC20InvalidReceiver(to));
        _checkSigned(
            from,
            abi.encode(RECEIVE_WITH_AUTHORIZATION_TYPEHASH, from, to, value, validAfter, validBefore, nonce),
            signature
        );
        _transferWithAuthorization(from, to, value, validAfter, validBefore, nonce);
    }

    /// @inheritdoc IERC3009Bytes
    function cancelAuthorization(address authorizer, bytes32 nonce, bytes calldata signature) external {
        _checkSigned(authorizer, abi.encode(CANCEL_AUTHORIZATION_TYPEHASH, authorizer, nonce), signature);
        _cancelAuthorization(authorizer, nonce);
    }

    /// @notice Six, like USDC: one unit is a millionth of a token.
    function decimals() public pure override returns (uint8) {
        return 6;
    }

    function _checkSigned(address signer, bytes memory message, bytes calldata signature) private view {
        bytes32 digest = _hashTypedDataV4(keccak256(message));
        require(Signatures.isValid(signer, digest, signature), ERC3009InvalidSignature());
    }
}
