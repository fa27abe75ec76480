// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IMeshEscrow} from "../src/interfaces/IMeshEscrow.sol";
import {ISignatureErrors} from "../src/interfaces/ISignatureErrors.sol";
import {EscrowState} from "../src/types/EscrowState.sol";
import {Outcome} from "../src/types/Outcome.sol";
import {Terms} from "../src/types/Terms.sol";
import {EscrowFixture} from "./support/EscrowFixture.sol";
import {MeshTest} from "./support/MeshTest.sol";
import {Wallet1271} from "./support/Wallet1271.sol";

contract EscrowOutcomeTest is EscrowFixture, MeshTest {
    uint256 private constant FEE = AMOUNT * FEE_BPS / 10_000;

    event ResultSubmitted(bytes32 indexed escrowId, address indexed provider, bytes32 resultHash);
    event VerdictGiven(
        bytes32 indexed escrowId, address indexed evaluator, Outcome outcome, uint16 scoreBps, bytes32 reasonHash
    );
    event EscrowReleased(
        bytes32 indexed escrowId, address indexed provider, uint256 paid, uint256 fee, uint16 scoreBps
    );
    event EscrowRefunded(bytes32 indexed escrowId, address indexed payer, uint256 amount, uint16 scoreBps);

    // ------------------------------------------------------------------- submit

    function testFuzz_submit(bytes32 resultHash, uint64 moment) external {
        vm.assume(resultHash != 0);
        bytes32 id = funded();
        vm.warp(bound(moment, START, SUBMIT_BY));
        vm.expectEmit();
        emit ResultSubmitted(id, bob, resultHash);
        vm.prank(bob);
        escrow.submit(id, resultHash);
        assertState(id, EscrowState.Submitted);
        assertEq(escrow.getEscrow(id).resultHash, resultHash);
    }

    function testFuzz_submit_refusals(address stranger, uint64 late) external {
        vm.assume(stranger != bob);
        bytes32 id = funded();
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IMeshEscrow.NotAllowed.selector, stranger));
        escrow.submit(id, RESULT);
        vm.startPrank(bob);
        vm.expectRevert(IMeshEscrow.EmptyResult.selector);
        escrow.submit(id, 0);
        vm.warp(bound(late, SUBMIT_BY + 1, type(uint64).max));
        vm.expectRevert(abi.encodeWithSelector(ISignatureErrors.DeadlinePassed.selector, SUBMIT_BY));
        escrow.submit(id, RESULT);
    }

    function test_submit_once() external {
        bytes32 id = submitted();
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(IMeshEscrow.WrongState.selector, id, EscrowState.Submitted));
        escrow.submit(id, REASON);
    }

    function testFuzz_submitFor_relayedByAnyone(bytes32 resultHash, address relayer) external {
        vm.assume(resultHash != 0);
        bytes32 id = funded();
        bytes memory signature = _submission("bob", id, resultHash);
        vm.prank(relayer);
        escrow.submitFor(id, resultHash, signature);
        assertEq(escrow.getEscrow(id).resultHash, resultHash);
    }

    function testFuzz_submitFor_onlyWhatTheProviderSigned(bytes32 resultHash) external {
        vm.assume(resultHash != RESULT && resultHash != 0);
        bytes32 id = funded();
        bytes memory signature = _submission("bob", id, RESULT);
        vm.expectRevert(ISignatureErrors.InvalidSignature.selector);
        escrow.submitFor(id, resultHash, signature);
        signature = _submission("eve", id, resultHash);
        vm.expectRevert(ISignatureErrors.InvalidSignature.selector);
        escrow.submitFor(id, resultHash, signature);
    }

    function test_submitFor_unknownEscrow() external {
        vm.expectRevert(ISignatureErrors.InvalidSignature.selector);
        escrow.submitFor(keccak256("unknown"), RESULT, new bytes(65));
    }

    // ------------------------------------------------------------------- settle

    function testFuzz_settle_releasesAboveEightThousand(uint16 score, uint256 amount, address relayer) external {
        score = uint16(bound(score, 8001, 10_000));
        Terms memory terms = defaultTerms();
        terms.amount = bound(amount, 1, WEALTH);
        bytes32 id = submitted(terms);
        uint256 fee = terms.amount * FEE_BPS / 10_000;
        bytes memory signature = verdict(id, Outcome.Release, score);
        vm.expectEmit();
        emit VerdictGiven(id, carol, Outcome.Release, score, REASON);
        vm.expectEmit();
        emit EscrowReleased(id, bob, terms.amount - fee, fee, score);
        vm.prank(relayer);
        escrow.settle(id, Outcome.Release, score, REASON, signature);
        assertState(id, EscrowState.Released);
        assertEq(escrow.getEscrow(id).scoreBps, score);
        assertGains(-int256(terms.amount), int256(terms.amount - fee), fee, 0);
    }

    function test_settle_eightThousandIsNotEnough() external {
        bytes32 id = submitted();
        bytes memory signature = verdict(id, Outcome.Release, 8000);
        vm.expectRevert(abi.encodeWithSelector(IMeshEscrow.ScoreOutOfRange.selector, 8000));
        escrow.settle(id, Outcome.Release, 8000, REASON, signature);
        settle(id, Outcome.Release, 8001);
        assertState(id, EscrowState.Released);
    }

    function testFuzz_settle_scores(uint16 score, bool release) external {
        Outcome outcome = release ? Outcome.Release : Outcome.Refund;
        bytes32 id = submitted();
        bytes memory signature = verdict(id, outcome, score);
        bool valid = score <= 10_000 && (!release || score > 8000);
        if (!valid) vm.expectRevert(abi.encodeWithSelector(IMeshEscrow.ScoreOutOfRange.selector, score));
        escrow.settle(id, outcome, score, REASON, signature);
    }

    function testFuzz_settle_refundsFreeOfFee(uint16 score, bool beforeTheResult) external {
        score = uint16(bound(score, 0, 10_000));
        bytes32 id = beforeTheResult ? funded() : submitted();
        bytes memory signature = verdict(id, Outcome.Refund, score);
        vm.expectEmit();
        emit EscrowRefunded(id, alice, AMOUNT, score);
        escrow.settle(id, Outcome.Refund, score, REASON, signature);
        assertState(id, EscrowState.Refunded);
        assertGains(0, 0, 0, 0);
    }

    function testFuzz_settle_refundOfUnsubmittedWorkHasNoDeadline(uint64 moment) external {
        bytes32 id = funded();
        vm.warp(bound(moment, START, type(uint64).max));
        settle(id, Outcome.Refund, 0);
        assertState(id, EscrowState.Refunded);
    }

    function test_settle_nothingToReleaseBeforeTheResult() external {
        bytes32 id = funded();
        bytes memory signature = verdict(id, Outcome.Release, 9000);
        vm.expectRevert(abi.encodeWithSelector(IMeshEscrow.WrongState.selector, id, EscrowState.Funded));
        escrow.settle(id, Outcome.Release, 9000, REASON, signature);
    }

    function testFuzz_settle_byReviewBy(uint64 late, bool release) external {
        Outcome outcome = release ? Outcome.Release : Outcome.Refund;
        bytes32 id = submitted();
        bytes memory signature = verdict(id, outcome, 9000);
        vm.warp(bound(late, REVIEW_BY + 1, type(uint64).max));
        vm.expectRevert(abi.encodeWithSelector(ISignatureErrors.DeadlinePassed.selector, REVIEW_BY));
        escrow.settle(id, outcome, 9000, REASON, signature);
        vm.warp(REVIEW_BY);
        escrow.settle(id, outcome, 9000, REASON, signature);
    }

    function testFuzz_settle_sameAgainDoesNothing_otherwiseReverts(bool release) external {
        Outcome outcome = release ? Outcome.Release : Outcome.Refund;
        Outcome other = release ? Outcome.Refund : Outcome.Release;
        bytes32 id = submitted();
        settle(id, outcome, 9000);
        uint256 paid = token.balanceOf(bob);
        settle(id, outcome, 9000);
        settle(id, outcome, 10_000);
        assertEq(escrow.getEscrow(id).scoreBps, 9000);
        assertEq(token.balanceOf(bob), paid);

        bytes memory signature = verdict(id, other, 9000);
        EscrowState state = release ? EscrowState.Released : EscrowState.Refunded;
        vm.expectRevert(abi.encodeWithSelector(IMeshEscrow.AlreadySettled.selector, id, state));
        escrow.settle(id, other, 9000, REASON, signature);
    }

    function testFuzz_settle_onlyWhatTheEvaluatorSigned(uint8 field) external {
        bytes32 id = submitted();
        field = uint8(bound(field, 0, 3));
        bytes memory signature = verdict(id, Outcome.Release, 9000);
        Outcome outcome = field == 0 ? Outcome.Refund : Outcome.Release;
        uint16 score = field == 1 ? 9001 : 9000;
        bytes32 reason = field == 2 ? bytes32(0) : REASON;
        if (field == 3) {
            bytes32 structHash = verdictHash(id, outcome, score, reason);
            signature = signed(keyOf("eve"), digestOf(ESCROW_DOMAIN, address(escrow), structHash));
        }
        vm.expectRevert(ISignatureErrors.InvalidSignature.selector);
        escrow.settle(id, outcome, score, reason, signature);
    }

    function testFuzz_settle_verdictsDoNotTravel(uint64 chainId, bytes32 salt) external {
        vm.assume(chainId != 0 && chainId != block.chainid && salt != defaultTerms().salt);
        bytes32 id = submitted();
        Terms memory terms = defaultTerms();
        terms.salt = salt;
        bytes32 other = submitted(terms);
        bytes memory signature = verdict(other, Outcome.Release, 9000);
        vm.expectRevert(ISignatureErrors.InvalidSignature.selector);
        escrow.settle(id, Outcome.Release, 9000, REASON, signature);

        bytes32 structHash = verdictHash(id, Outcome.Release, 9000, REASON);
        signature = signed(keyOf("carol"), digestOn(chainId, ESCROW_DOMAIN, address(escrow), structHash));
        vm.expectRevert(ISignatureErrors.InvalidSignature.selector);
        escrow.settle(id, Outcome.Release, 9000, REASON, signature);

        signature = signed(keyOf("carol"), digestOf(ESCROW_DOMAIN, address(registry), structHash));
        vm.expectRevert(ISignatureErrors.InvalidSignature.selector);
        escrow.settle(id, Outcome.Release, 9000, REASON, signature);
    }

    function test_settle_contractEvaluator() external {
        Terms memory terms = defaultTerms();
        terms.evaluator = address(new Wallet1271(carol));
        bytes32 id = submitted(terms);
        settle(id, Outcome.Release, 9000);
        assertState(id, EscrowState.Released);
    }

    function testFuzz_settle_unknownEscrow(bytes32 id) external {
        bytes memory signature = verdict(id, Outcome.Release, 9000);
        vm.expectRevert(abi.encodeWithSelector(IMeshEscrow.WrongState.selector, id, EscrowState.None));
        escrow.settle(id, Outcome.Release, 9000, REASON, signature);
        vm.expectRevert(abi.encodeWithSelector(IMeshEscrow.WrongState.selector, id, EscrowState.None));
        escrow.refund(id);
        vm.expectRevert(abi.encodeWithSelector(IMeshEscrow.WrongState.selector, id, EscrowState.None));
        escrow.claimDefault(id);
        vm.expectRevert(abi.encodeWithSelector(IMeshEscrow.NotAllowed.selector, address(this)));
        escrow.release(id);
        vm.expectRevert(abi.encodeWithSelector(IMeshEscrow.NotAllowed.selector, address(this)));
        escrow.dispute(id);
        vm.expectRevert(abi.encodeWithSelector(IMeshEscrow.NotAllowed.selector, address(this)));
        escrow.rule(id, Outcome.Release);
    }

    // ------------------------------------------------------------------ release

    function testFuzz_release_byThePayerEarly(uint64 moment) external {
        bytes32 id = submitted();
        vm.warp(bound(moment, START, REVIEW_BY));
        vm.startPrank(alice);
        escrow.release(id);
        assertGains(-int256(AMOUNT), int256(AMOUNT - FEE), FEE, 0);
        escrow.release(id);
        assertGains(-int256(AMOUNT), int256(AMOUNT - FEE), FEE, 0);
    }

    function testFuzz_release_refusals(address stranger, uint64 late) external {
        vm.assume(stranger != alice);
        bytes32 id = funded();
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IMeshEscrow.NotAllowed.selector, stranger));
        escrow.release(id);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IMeshEscrow.WrongState.selector, id, EscrowState.Funded));
        escrow.release(id);
        vm.prank(bob);
        escrow.submit(id, RESULT);
        vm.warp(bound(late, REVIEW_BY + 1, type(uint64).max));
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(ISignatureErrors.DeadlinePassed.selector, REVIEW_BY));
        escrow.release(id);
    }

    // ------------------------------------------------------------------- refund

    function testFuzz_refund_byTheProviderAtAnyTime(uint64 moment, uint8 state) external {
        state = uint8(bound(state, 0, 2));
        bytes32 id = state == 0 ? funded() : state == 1 ? submitted() : disputed(alice);
        vm.warp(bound(moment, START, type(uint64).max));
        vm.prank(bob);
        escrow.refund(id);
        assertState(id, EscrowState.Refunded);
        assertGains(0, 0, 0, 0);
    }

    function testFuzz_refund_byTheEvaluator(uint64 moment, bool afterTheResult) external {
        bytes32 id = afterTheResult ? submitted() : funded();
        uint256 time = bound(moment, START, REVIEW_BY + 1 hours);
        vm.warp(time);
        vm.prank(carol);
        if (afterTheResult && time > REVIEW_BY) {
            vm.expectRevert(abi.encodeWithSelector(ISignatureErrors.DeadlinePassed.selector, REVIEW_BY));
            escrow.refund(id);
        } else {
            escrow.refund(id);
            assertGains(0, 0, 0, 0);
        }
    }

    function testFuzz_refund_byAnyoneWhenTheProviderIsLate(uint64 moment, address caller) external {
        vm.assume(caller != bob && caller != carol);
        bytes32 id = funded();
        uint256 time = bound(moment, START, SUBMIT_BY + 1 hours);
        vm.warp(time);
        vm.prank(caller);
        if (time <= SUBMIT_BY) {
            vm.expectRevert(abi.encodeWithSelector(IMeshEscrow.TooEarly.selector, SUBMIT_BY));
            escrow.refund(id);
        } else {
            escrow.refund(id);
            assertGains(0, 0, 0, 0);
        }
    }

    function testFuzz_refund_notByOthersOnceThereIsAResult(address stranger, uint64 moment) external {
        vm.assume(stranger != bob && stranger != carol);
        bytes32 id = submitted();
        vm.warp(bound(moment, START, type(uint64).max));
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IMeshEscrow.NotAllowed.selector, stranger));
        escrow.refund(id);
    }

    function test_refund_againDoesNothing_butCannotUndoARelease() external {
        bytes32 id = funded();
        vm.startPrank(bob);
        escrow.refund(id);
        escrow.refund(id);
        assertGains(0, 0, 0, 0);
        vm.stopPrank();

        Terms memory terms = defaultTerms();
        terms.salt = 0;
        id = submitted(terms);
        settle(id, Outcome.Release, 9000);
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(IMeshEscrow.AlreadySettled.selector, id, EscrowState.Released));
        escrow.refund(id);
    }

    // ------------------------------------------------------------------ default

    function testFuzz_claimDefault_byAnyoneAfterReviewBy(bool refundByDefault, uint64 moment, address caller) external {
        Terms memory terms = defaultTerms();
        if (refundByDefault) terms.defaultOutcome = Outcome.Refund;
        bytes32 id = submitted(terms);
        uint256 time = bound(moment, START, REVIEW_BY + 1 hours);
        vm.warp(time);
        vm.prank(caller);
        if (time <= REVIEW_BY) {
            vm.expectRevert(abi.encodeWithSelector(IMeshEscrow.TooEarly.selector, REVIEW_BY));
            escrow.claimDefault(id);
            return;
        }
        escrow.claimDefault(id);
        assertState(id, refundByDefault ? EscrowState.Refunded : EscrowState.Released);
        escrow.claimDefault(id);
        if (refundByDefault) assertGains(0, 0, 0, 0);
        else assertGains(-int256(AMOUNT), int256(AMOUNT - FEE), FEE, 0);
    }

    function test_deadlines_theirLastSecondIsStillInside() external {
        bytes32 id = funded();
        vm.warp(SUBMIT_BY);
        vm.expectRevert(abi.encodeWithSelector(IMeshEscrow.TooEarly.selector, SUBMIT_BY));
        escrow.refund(id);
        vm.prank(bob);
        escrow.submit(id, RESULT);

        vm.warp(REVIEW_BY);
        vm.expectRevert(abi.encodeWithSelector(IMeshEscrow.TooEarly.selector, REVIEW_BY));
        escrow.claimDefault(id);
        vm.prank(alice);
        escrow.dispute(id);

        vm.warp(RULE_BY);
        vm.expectRevert(abi.encodeWithSelector(IMeshEscrow.TooEarly.selector, RULE_BY));
        escrow.claimDefault(id);
        vm.prank(arbiter);
        escrow.rule(id, Outcome.Release);
        assertState(id, EscrowState.Released);
    }

    function testFuzz_claimDefault_notForUnsubmittedWork(uint64 moment) external {
        bytes32 id = funded();
        vm.warp(bound(moment, START, type(uint64).max));
        vm.expectRevert(abi.encodeWithSelector(IMeshEscrow.WrongState.selector, id, EscrowState.Funded));
        escrow.claimDefault(id);
    }

    function _submission(string memory signer, bytes32 id, bytes32 resultHash) private view returns (bytes memory) {
        return signed(keyOf(signer), digestOf(ESCROW_DOMAIN, address(escrow), submissionHash(id, resultHash)));
    }
}
