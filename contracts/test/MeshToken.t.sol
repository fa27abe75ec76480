// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

import {Permit} from "../src/types/Permit.sol";
import {MeshTest} from "./support/MeshTest.sol";
import {Wallet1271} from "./support/Wallet1271.sol";

contract MeshTokenTest is MeshTest {
    bytes32 private constant NONCE = keccak256("nonce");

    function test_isAStandInForUsdc() external view {
        assert(token.decimals() == 6);
        assert(keccak256(bytes(token.name())) == keccak256("Mesh Test Token"));
        assert(keccak256(bytes(token.symbol())) == keccak256("MESH"));
        assert(token.DOMAIN_SEPARATOR() == domainOf(TOKEN_DOMAIN, address(token), block.chainid));
    }

    function testFuzz_mint(address to, uint128 amount) external {
        vm.assume(to != address(0) && token.balanceOf(to) == 0);
        vm.prank(admin);
        token.mint(to, amount);
        assertEq(token.balanceOf(to), amount);
    }

    function testFuzz_mint_onlyOwner(address stranger) external {
        vm.assume(stranger != admin);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, stranger));
        token.mint(stranger, 1);
    }

    function testFuzz_permit(uint256 value, uint256 ahead) external {
        uint256 deadline = START + bound(ahead, 0, 365 days);
        Permit memory p = signedPermit(keyOf("alice"), address(token), eve, value, 0, deadline);
        token.permit(alice, eve, value, deadline, p.v, p.r, p.s);
        assertEq(token.allowance(alice, eve), value);

        vm.expectRevert();
        token.permit(alice, eve, value, deadline, p.v, p.r, p.s);
    }

    function test_permit_expires() external {
        uint256 deadline = START - 1;
        Permit memory p = signedPermit(keyOf("alice"), address(token), eve, 1, 0, deadline);
        vm.expectRevert(abi.encodeWithSelector(ERC20Permit.ERC2612ExpiredSignature.selector, deadline));
        token.permit(alice, eve, 1, deadline, p.v, p.r, p.s);
    }

    function testFuzz_transferWithAuthorization(uint256 value, bytes32 nonce, bool asBytes) external {
        value = bound(value, 0, WEALTH);
        bytes memory signature = _authorize("Transfer", "alice", alice, eve, value, nonce);
        _transfer(alice, eve, value, nonce, signature, asBytes);
        assertEq(token.balanceOf(eve), value);
        assertTrue(token.authorizationState(alice, nonce));

        vm.expectRevert(abi.encodeWithSelector(ERC3009.ERC3009UsedAuthorization.selector, alice, nonce));
        _transfer(alice, eve, value, nonce, signature, asBytes);
    }

    function testFuzz_receiveWithAuthorization_onlyByThePayee(uint256 value, bytes32 nonce, bool asBytes) external {
        value = bound(value, 0, WEALTH);
        bytes memory signature = _authorize("Receive", "alice", alice, eve, value, nonce);

        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InvalidReceiver.selector, eve));
        _receive(alice, eve, value, nonce, signature, asBytes);

        vm.prank(eve);
        _receive(alice, eve, value, nonce, signature, asBytes);
        assertEq(token.balanceOf(eve), value);
    }

    function testFuzz_cancelAuthorization(bytes32 nonce, bool asBytes) external {
        bytes32 structHash =
            keccak256(abi.encode(keccak256("CancelAuthorization(address authorizer,bytes32 nonce)"), alice, nonce));
        bytes memory signature = signed(keyOf("alice"), digestOf(TOKEN_DOMAIN, address(token), structHash));
        if (asBytes) {
            token.cancelAuthorization(alice, nonce, signature);
        } else {
            (uint8 v, bytes32 r, bytes32 s) = _split(signature);
            token.cancelAuthorization(alice, nonce, v, r, s);
        }
        signature = _authorize("Transfer", "alice", alice, eve, 1, nonce);
        vm.expectRevert(abi.encodeWithSelector(ERC3009.ERC3009UsedAuthorization.selector, alice, nonce));
        _transfer(alice, eve, 1, nonce, signature, true);
    }

    function test_authorization_contractWalletsSignInBytes() external {
        Wallet1271 wallet = new Wallet1271(alice);
        enrich(address(wallet));
        bytes memory signature = _authorize("Transfer", "alice", address(wallet), eve, 5, NONCE);
        _transfer(address(wallet), eve, 5, NONCE, signature, true);
        assertEq(token.balanceOf(eve), 5);
    }

    function testFuzz_authorization_ofAnotherIsRefused(uint256 value, bool asBytes) external {
        value = bound(value, 0, WEALTH);
        bytes memory signature = _authorize("Transfer", "eve", alice, eve, value, NONCE);
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        _transfer(alice, eve, value, NONCE, signature, asBytes);
    }

    function test_authorization_kindsAreNotInterchangeable() external {
        bytes memory signature = _authorize("Transfer", "alice", alice, eve, 1, NONCE);
        vm.prank(eve);
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        _receive(alice, eve, 1, NONCE, signature, true);
    }

    function testFuzz_authorization_holdsInItsWindowOnly(uint64 moment) external {
        uint256 validAfter = START + 1 days;
        uint256 validBefore = START + 2 days;
        bytes32 structHash = authorizationHash("Transfer", alice, eve, 1, validAfter, validBefore, NONCE);
        bytes memory signature = signed(keyOf("alice"), digestOf(TOKEN_DOMAIN, address(token), structHash));
        uint256 time = bound(moment, START, START + 3 days);
        vm.warp(time);
        if (time <= validAfter || time >= validBefore) {
            vm.expectRevert(
                abi.encodeWithSelector(ERC3009.ERC3009InvalidAuthorizationTime.selector, validAfter, validBefore)
            );
        }
        token.transferWithAuthorization(alice, eve, 1, validAfter, validBefore, NONCE, signature);
    }

    function _authorize(
        string memory kind,
        string memory signer,
        address from,
        address to,
        uint256 value,
        bytes32 nonce
    ) private view returns (bytes memory) {
        bytes32 structHash = authorizationHash(kind, from, to, value, 0, type(uint64).max, nonce);
        return signed(keyOf(signer), digestOf(TOKEN_DOMAIN, address(token), structHash));
    }

    function _transfer(address from, address to, uint256 value, bytes32 nonce, bytes memory signature, bool asBytes)
        private
    {
        if (asBytes) {
            token.transferWithAuthorization(from, to, value, 0, type(uint64).max, nonce, signature);
        } else {
            (uint8 v, bytes32 r, bytes32 s) = _split(signature);
            token.transferWithAuthorization(from, to, value, 0, type(uint64).max, nonce, v, r, s);
        }
    }

    function _receive(address from, address to, uint256 value, bytes32 nonce, bytes memory signature, bool asBytes)
        private
    {
        if (asBytes) {
            token.receiveWithAuthorization(from, to, value, 0, type(uint64).max, nonce, signature);
        } else {
            (uint8 v, bytes32 r, bytes32 s) = _split(signature);
            token.receiveWithAuthorization(from, to, value, 0, type(uint64).max, nonce, v, r, s);
        }
    }

    function _split(bytes memory signature) private pure returns (uint8 v, bytes32 r, bytes32 s) {
        assembly ("memory-safe") {
            r := mload(add(signature, 0x20))
            s := mload(add(signature, 0x40))
            v := byte(0, mload(add(signature, 0x60)))
        }
    }
}
