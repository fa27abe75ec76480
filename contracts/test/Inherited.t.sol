// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {IERC165} from "@openzeppelin/contracts/interfaces/IERC165.sol";
import {IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";

import {IAgentDirectory} from "../src/interfaces/IAgentDirectory.sol";
import {IAgentStaking} from "../src/interfaces/IAgentStaking.sol";
import {IERC8004Identity} from "../src/interfaces/IERC8004Identity.sol";
import {MeshTest} from "./support/MeshTest.sol";

/// @notice What the contracts have from OpenZeppelin and show to everyone: it must mean for them what it means elsewhere.
contract InheritedTest is MeshTest {
    // ------------------------------------------------------------------- roles

    function testFuzz_roles_areTheAdminsToGive(bytes32 role, address holder) external {
        vm.assume(holder != admin && holder != treasury);
        IAccessControl[2] memory guarded = _guarded();
        for (uint256 i; i < 2; ++i) {
            vm.startPrank(admin);
            guarded[i].grantRole(role, holder);
            assertTrue(guarded[i].hasRole(role, holder));
            guarded[i].revokeRole(role, holder);
            assertFalse(guarded[i].hasRole(role, holder));
            guarded[i].grantRole(role, holder);
            vm.stopPrank();

            vm.prank(holder);
            guarded[i].renounceRole(role, holder);
            assertFalse(guarded[i].hasRole(role, holder));
            assertEq(guarded[i].getRoleAdmin(role), bytes32(0));
        }
    }

    function testFuzz_roles_areNobodyElsesToGive(address stranger, bytes32 role) external {
        vm.assume(stranger != admin);
        IAccessControl[2] memory guarded = _guarded();
        bytes memory refused =
            abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, stranger, bytes32(0));
        vm.startPrank(stranger);
        for (uint256 i; i < 2; ++i) {
            vm.expectRevert(refused);
            guarded[i].grantRole(role, stranger);
            vm.expectRevert(refused);
            guarded[i].revokeRole(role, admin);
            vm.expectRevert(IAccessControl.AccessControlBadConfirmation.selector);
            guarded[i].renounceRole(0, admin);
        }
    }

    function testFuzz_ownershipOfTheTokenIsItsOwnersToGive(address heir, address stranger) external {
        vm.assume(heir != address(0) && stranger != admin);
        Ownable owned = Ownable(address(token));
        vm.startPrank(stranger);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, stranger));
        owned.transferOwnership(stranger);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, stranger));
        owned.renounceOwnership();
        vm.stopPrank();

        vm.prank(admin);
        owned.transferOwnership(heir);
        assertEq(owned.owner(), heir);
        vm.prank(heir);
        owned.renounceOwnership();
        assertEq(owned.owner(), address(0));
    }

    // ----------------------------------------------------------------- ERC-721

    function testFuzz_approvals(address operator, bool approved) external {
        vm.assume(operator != address(0));
        (, uint256 id) = registerAs(alice, "agent");
        vm.startPrank(alice);
        registry.setApprovalForAll(operator, approved);
        assertEq(registry.isApprovedForAll(alice, operator), approved);
        registry.approve(operator, id);
        assertEq(registry.getApproved(id), operator);
        registry.transferFrom(alice, bob, id);
        assertEq(registry.getApproved(id), address(0), "an approval ends with the ownership");
    }

    function testFuzz_safeTransferFrom(address to, bytes calldata data, bool withData) external {
        vm.assume(to != address(0) && to.code.length == 0);
        (, uint256 id) = registerAs(alice, "agent");
        vm.prank(alice);
        _safeTransfer(alice, to, id, data, withData);
        assertEq(registry.ownerOf(id), to);
        assertEq(registry.getAgentWallet(id), to == alice ? alice : address(0), "a wallet does not go with the agent");
    }

    function testFuzz_safeTransferFrom_onlyByTheOwner(address stranger, bytes calldata data, bool withData) external {
        vm.assume(stranger != alice && stranger != address(0));
        (, uint256 id) = registerAs(alice, "agent");
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721InsufficientApproval.selector, stranger, id));
        _safeTransfer(alice, stranger, id, data, withData);
    }

    function testFuzz_safeTransferFrom_toWhoTakesTokens(bytes calldata data, bool withData) external {
        (, uint256 id) = registerAs(alice, "agent");
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721InvalidReceiver.selector, address(token)));
        _safeTransfer(alice, address(token), id, data, withData);
    }

    // ----------------------------------------------------------------- ERC-165

    function testFuzz_supportsInterface_onlyWhatItHas(bytes4 interfaceId) external {
        bool isKnown = interfaceId == 0x01ffc9a7 || interfaceId == 0x80ac58cd // ERC-165, ERC-721
            || interfaceId == 0x5b5e139f || interfaceId == 0x49064906 // its metadata, ERC-4906
            || interfaceId == type(IAccessControl).interfaceId || interfaceId == type(IERC8004Identity).interfaceId
            || interfaceId == type(IAgentDirectory).interfaceId || interfaceId == type(IAgentStaking).interfaceId;
        assertEq(registry.supportsInterface(interfaceId), isKnown);
        bool isOfTheEscrow = interfaceId == 0x01ffc9a7 || interfaceId == type(IAccessControl).interfaceId;
        assertEq(IERC165(address(escrow)).supportsInterface(interfaceId), isOfTheEscrow);
    }

    function _safeTransfer(address from, address to, uint256 id, bytes calldata data, bool withData) private {
        if (withData) registry.safeTransferFrom(from, to, id, data);
        else registry.safeTransferFrom(from, to, id);
    }

    function _guarded() private view returns (IAccessControl[2] memory) {
        return [IAccessControl(address(registry)), IAccessControl(address(escrow))];
    }
}
