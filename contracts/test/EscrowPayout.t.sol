// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IMeshEscrow} from "../src/interfaces/IMeshEscrow.sol";
import {EscrowState} from "../src/types/EscrowState.sol";
import {Outcome} from "../src/types/Outcome.sol";
import {Terms} from "../src/types/Terms.sol";
import {EscrowFixture} from "./support/EscrowFixture.sol";
import {MeshTest} from "./support/MeshTest.sol";
import {OddToken} from "./support/OddToken.sol";

/// @notice Payees who are blocked or misbehave, and what is kept from a release.
contract EscrowPayoutTest is EscrowFixture, MeshTest {
    uint256 private constant FEE = AMOUNT * FEE_BPS / 10_000;

    event CreditAdded(address indexed token, address indexed account, uint256 amount);
    event CreditWithdrawn(address indexed token, address indexed account, uint256 amount);

    function testFuzz_credit_whenThePayeeIsBlocked(bool release, uint256 amount) external {
        (OddToken odd, bytes32 id) = _oddSubmitted(bound(amount, 1, WEALTH));
        uint256 held = odd.balanceOf(address(escrow));
        address payee = release ? bob : alice;
        uint256 owed = release ? held - held * FEE_BPS / 10_000 : held;
        odd.setBlocked(payee, true);
        vm.expectEmit();
        emit CreditAdded(address(odd), payee, owed);
        settle(id, release ? Outcome.Release : Outcome.Refund, 9000);
        assertState(id, release ? EscrowState.Released : EscrowState.Refunded);
        assertEq(escrow.credits(address(odd), payee), owed);

        odd.setBlocked(payee, false);
        uint256 before = odd.balanceOf(payee);
        vm.startPrank(payee);
        vm.expectEmit();
        emit CreditWithdrawn(address(odd), payee, owed);
        escrow.withdrawCredit(address(odd));
        assertEq(odd.balanceOf(payee) - before, owed);
        assertEq(odd.balanceOf(address(escrow)), 0);
        vm.expectRevert(abi.encodeWithSelector(IMeshEscrow.NoCredit.selector, address(odd), payee));
        escrow.withdrawCredit(address(odd));
    }

    function test_credit_staysWhenTheTokenRefusesAgain() external {
        (OddToken odd, bytes32 id) = _oddSubmitted(AMOUNT);
        odd.setBlocked(bob, true);
        settle(id, Outcome.Release, 9000);
        vm.prank(bob);
        vm.expectRevert("blocked");
        escrow.withdrawCredit(address(odd));
        assertEq(escrow.credits(address(odd), bob), AMOUNT - FEE);
    }

    function test_credit_aBlockedFeeRecipientStopsNobody() external {
        (OddToken odd, bytes32 id) = _oddSubmitted(AMOUNT);
        odd.setBlocked(feeRecipient, true);
        settle(id, Outcome.Release, 9000);
        assertEq(odd.balanceOf(bob), AMOUNT - FEE);
        assertEq(escrow.credits(address(odd), feeRecipient), FEE);
    }

    /// @dev A payee that re-enters while it is paid has its payment refused, finds the state final, and gets a credit.
    function test_reentering_payoutIsRefused() external {
        (OddToken odd, bytes32 id) = _oddSubmitted(AMOUNT);
        odd.setHook(address(escrow), abi.encodeCall(escrow.claimDefault, (id)));
        settle(id, Outcome.Release, 9000);
        assertEq(odd.balanceOf(bob), 0);
        assertEq(escrow.credits(address(odd), bob), AMOUNT - FEE);
        assertEq(escrow.credits(address(odd), feeRecipient), FEE); // the refused hook is still there
        assertEq(odd.balanceOf(address(escrow)), AMOUNT);
    }

    function test_reentering_withdrawCreditIsRefused() external {
        (OddToken odd, bytes32 id) = _oddSubmitted(AMOUNT);
        odd.setBlocked(bob, true);
        settle(id, Outcome.Release, 9000);
        odd.setBlocked(bob, false);
        odd.setHook(address(escrow), abi.encodeCall(escrow.withdrawCredit, (address(odd))));
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSignature("ReentrancyGuardReentrantCall()"));
        escrow.withdrawCredit(address(odd));
    }

    function testFuzz_fee_roundsDownAndIsOptional(uint16 feeBps, uint256 amount) external {
        feeBps = uint16(bound(feeBps, 0, 1000));
        escrow = deployEscrow(admin, feeBps == 0 ? address(0) : feeRecipient, feeBps);
        vm.prank(alice);
        token.approve(address(escrow), type(uint256).max);
        Terms memory terms = defaultTerms();
        terms.amount = bound(amount, 1, WEALTH);
        bytes32 id = submitted(terms);
        settle(id, Outcome.Release, 9000);
        uint256 fee = terms.amount * feeBps / 10_000;
        assertGains(-int256(terms.amount), int256(terms.amount - fee), fee, 0);
    }

    function _oddSubmitted(uint256 amount) private returns (OddToken odd, bytes32 id) {
        odd = new OddToken();
        odd.mint(alice, amount);
        vm.prank(alice);
        odd.approve(address(escrow), amount);
        Terms memory terms = defaultTerms();
        terms.token = address(odd);
        terms.amount = amount;
        id = submitted(terms);
    }
}
