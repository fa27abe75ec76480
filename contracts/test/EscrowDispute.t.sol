// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IMeshEscrow} from "../src/interfaces/IMeshEscrow.sol";
import {ISignatureErrors} from "../src/interfaces/ISignatureErrors.sol";
import {ITokenErrors} from "../src/interfaces/ITokenErrors.sol";
import {EscrowState} from "../src/types/EscrowState.sol";
import {Outcome} from "../src/types/Outcome.sol";
import {Terms} from "../src/types/Terms.sol";
import {EscrowFixture} from "./support/EscrowFixture.sol";
import {MeshTest} from "./support/MeshTest.sol";
import {OddToken} from "./support/OddToken.sol";

contract EscrowDisputeTest is EscrowFixture, MeshTest {
    uint256 private constant FEE = AMOUNT * FEE_BPS / 10_000;

    event EscrowDisputed(bytes32 indexed escrowId, address indexed by, uint256 bond);
    event DisputeClosed(bytes32 indexed escrowId, Outcome outcome, address indexed bondTo, uint256 bond);

    function testFuzz_dispute_byEitherParty(bool byPayer, uint64 moment) external {
        address by = byPayer ? alice : bob;
        bytes32 id = submitted();
        vm.warp(bound(moment, START, REVIEW_BY));
        vm.expectEmit();
        emit EscrowDisputed(id, by, BOND);
        vm.prank(by);
        escrow.dispute(id);
        assertState(id, EscrowState.Disputed);
        assertEq(escrow.getEscrow(id).disputedBy, by);
        assertEq(token.balanceOf(address(escrow)), AMOUNT + BOND);
    }

    function testFuzz_dispute_refusals(address stranger, uint64 late) external {
        vm.assume(stranger != alice && stranger != bob);
        bytes32 id = funded();
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IMeshEscrow.NotAllowed.selector, stranger));
        escrow.dispute(id);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IMeshEscrow.WrongState.selector, id, EscrowState.Funded));
        escrow.dispute(id);
        vm.prank(bob);
        escrow.submit(id, RESULT);
        vm.warp(bound(late, REVIEW_BY + 1, type(uint64).max));
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(ISignatureErrors.DeadlinePassed.selector, REVIEW_BY));
        escrow.dispute(id);
    }

    function test_dispute_notWithoutAnArbiter() external {
        Terms memory terms = defaultTerms();
        terms.arbiter = address(0);
        bytes32 id = submitted(terms);
        assertEq(escrow.getEscrow(id).disputeBond, 0);
        vm.prank(alice);
        vm.expectRevert(IMeshEscrow.NoArbiter.selector);
        escrow.dispute(id);
    }

    function test_dispute_bondArrivesWhole() external {
        OddToken odd = new OddToken();
        odd.mint(alice, WEALTH);
        vm.prank(alice);
        odd.approve(address(escrow), WEALTH);
        Terms memory terms = defaultTerms();
        terms.token = address(odd);
        bytes32 id = submitted(terms);
        odd.setFee(100);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(ITokenErrors.UnexpectedAmount.selector, BOND, BOND - 5));
        escrow.dispute(id);
    }

    function testFuzz_dispute_takesTheCaseFromTheEvaluator(bool release) external {
        Outcome outcome = release ? Outcome.Release : Outcome.Refund;
        bytes32 id = disputed(alice);
        bytes memory signature = verdict(id, outcome, 9000);
        bytes memory refusal = abi.encodeWithSelector(IMeshEscrow.WrongState.selector, id, EscrowState.Disputed);
        vm.expectRevert(refusal);
        escrow.settle(id, outcome, 9000, REASON, signature);
        vm.prank(carol);
        vm.expectRevert(refusal);
        escrow.refund(id);
        vm.prank(alice);
        vm.expectRevert(refusal);
        escrow.release(id);
        vm.prank(bob);
        vm.expectRevert(refusal);
        escrow.dispute(id);
    }

    function testFuzz_rule_theWinnerGetsTheBond(bool byPayer, bool release, uint64 moment) external {
        bytes32 id = disputed(byPayer ? alice : bob);
        Outcome outcome = release ? Outcome.Release : Outcome.Refund;
        vm.warp(bound(moment, START, RULE_BY));
        vm.expectEmit();
        emit DisputeClosed(id, outcome, release ? bob : alice, BOND);
        vm.prank(arbiter);
        escrow.rule(id, outcome);
        assertState(id, release ? EscrowState.Released : EscrowState.Refunded);

        int256 bondOfPayer = byPayer ? -int256(BOND) : int256(0);
        int256 bondOfProvider = byPayer ? int256(0) : -int256(BOND);
        if (release) {
            bondOfProvider += int256(BOND);
            assertGains(bondOfPayer - int256(AMOUNT), bondOfProvider + int256(AMOUNT - FEE), FEE, 0);
        } else {
            bondOfPayer += int256(BOND);
            assertGains(bondOfPayer, bondOfProvider, 0, 0);
        }
    }

    function testFuzz_rule_refusals(address stranger, uint64 late) external {
        vm.assume(stranger != arbiter);
        bytes32 id = submitted();
        vm.prank(arbiter);
        vm.expectRevert(abi.encodeWithSelector(IMeshEscrow.WrongState.selector, id, EscrowState.Submitted));
        escrow.rule(id, Outcome.Release);
        vm.prank(alice);
        escrow.dispute(id);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IMeshEscrow.NotAllowed.selector, stranger));
        escrow.rule(id, Outcome.Release);
        vm.warp(bound(late, RULE_BY + 1, type(uint64).max));
        vm.prank(arbiter);
        vm.expectRevert(abi.encodeWithSelector(ISignatureErrors.DeadlinePassed.selector, RULE_BY));
        escrow.rule(id, Outcome.Release);
    }

    function testFuzz_rule_sameAgainDoesNothing_otherwiseReverts(bool release) external {
        Outcome outcome = release ? Outcome.Release : Outcome.Refund;
        bytes32 id = disputed(bob);
        vm.startPrank(arbiter);
        escrow.rule(id, outcome);
        uint256 paid = token.balanceOf(bob);
        escrow.rule(id, outcome);
        assertEq(token.balanceOf(bob), paid);
        CHEATS.expectPartialRevert(IMeshEscrow.AlreadySettled.selector);
        escrow.rule(id, release ? Outcome.Refund : Outcome.Release);
    }

    function testFuzz_claimDefault_withoutARulingTheBondReturns(bool byPayer, bool refundByDefault, uint64 moment)
        external
    {
        Terms memory terms = defaultTerms();
        if (refundByDefault) terms.defaultOutcome = Outcome.Refund;
        bytes32 id = submitted(terms);
        vm.prank(byPayer ? alice : bob);
        escrow.dispute(id);
        uint256 time = bound(moment, START, RULE_BY + 1 hours);
        vm.warp(time);
        if (time <= RULE_BY) {
            vm.expectRevert(abi.encodeWithSelector(IMeshEscrow.TooEarly.selector, RULE_BY));
            escrow.claimDefault(id);
            return;
        }
        escrow.claimDefault(id);
        if (refundByDefault) assertGains(0, 0, 0, 0);
        else assertGains(-int256(AMOUNT), int256(AMOUNT - FEE), FEE, 0);
    }

    function testFuzz_refund_aProviderWhoGivesUpLosesTheBond(bool byPayer) external {
        bytes32 id = disputed(byPayer ? alice : bob);
        vm.prank(bob);
        escrow.refund(id);
        int256 lost = byPayer ? int256(0) : int256(BOND);
        assertGains(lost, -lost, 0, 0);
    }

    function test_credit_blockedWinnerOfABond() external {
        OddToken odd = new OddToken();
        odd.mint(alice, AMOUNT + BOND);
        vm.prank(alice);
        odd.approve(address(escrow), AMOUNT + BOND);
        Terms memory terms = defaultTerms();
        terms.token = address(odd);
        bytes32 id = submitted(terms);
        vm.prank(alice);
        escrow.dispute(id);
        odd.setBlocked(bob, true);
        vm.prank(arbiter);
        escrow.rule(id, Outcome.Release);
        assertEq(escrow.credits(address(odd), bob), AMOUNT - FEE + BOND);
    }
}
