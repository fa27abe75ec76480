// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";

import {IMeshEscrow} from "../src/interfaces/IMeshEscrow.sol";
import {ISignatureErrors} from "../src/interfaces/ISignatureErrors.sol";
import {ITokenErrors} from "../src/interfaces/ITokenErrors.sol";
import {Escrow} from "../src/types/Escrow.sol";
import {EscrowState} from "../src/types/EscrowState.sol";
import {Outcome} from "../src/types/Outcome.sol";
import {Permit} from "../src/types/Permit.sol";
import {Terms} from "../src/types/Terms.sol";
import {EscrowFixture} from "./support/EscrowFixture.sol";
import {EscrowFace} from "./support/Faces.sol";
import {MeshTest} from "./support/MeshTest.sol";
import {OddToken} from "./support/OddToken.sol";
import {Wallet1271} from "./support/Wallet1271.sol";

contract EscrowOpeningTest is EscrowFixture, MeshTest {
    event EscrowOpened(
        bytes32 indexed escrowId,
        address indexed payer,
        address indexed provider,
        address token,
        uint256 amount,
        address evaluator,
        bytes32 termsHash,
        bytes32 salt
    );

    // --------------------------------------------------------------------- open

    function testFuzz_open(uint256 amount, bool self, bool refundByDefault, bytes32 salt) external {
        Terms memory terms = defaultTerms();
        terms.amount = bound(amount, 1, WEALTH);
        terms.selfEvaluated = self;
        terms.evaluator = self ? alice : carol;
        terms.defaultOutcome = refundByDefault ? Outcome.Refund : Outcome.Release;
        terms.salt = salt;
        bytes32 id = escrow.escrowId(alice, terms);
        vm.expectEmit();
        emit EscrowOpened(id, alice, bob, address(token), terms.amount, terms.evaluator, terms.termsHash, terms.salt);
        assertEq(opened(terms), id);
        assertGains(-int256(terms.amount), 0, 0, terms.amount);
        _assertStored(id, terms);
    }

    function test_open_idBindsChainContractPayerAndEveryTerm() external {
        Terms memory terms = defaultTerms();
        bytes32 id = escrow.escrowId(alice, terms);
        assertEq(id, keccak256(abi.encode(block.chainid, address(escrow), alice, terms)));
        assertNotEq(id, escrow.escrowId(bob, terms));
        assertNotEq(id, deployEscrow(admin, feeRecipient, 0).escrowId(alice, terms));
        for (uint256 field; field < 13; ++field) {
            Terms memory other = defaultTerms();
            assembly ("memory-safe") {
                let slot := add(other, mul(field, 0x20))
                mstore(slot, xor(mload(slot), 1))
            }
            assertNotEq(id, escrow.escrowId(alice, other));
        }
        vm.chainId(2);
        assertNotEq(id, escrow.escrowId(alice, terms));
    }

    function testFuzz_open_againMovesNothing(uint8 times) external {
        bytes32 id = funded();
        for (uint256 i; i < bound(times, 1, 5); ++i) {
            assertEq(funded(), id);
        }
        assertGains(-int256(AMOUNT), 0, 0, AMOUNT);
    }

    function test_open_againAfterTheEndMovesNothing() external {
        bytes32 id = submitted();
        settle(id, Outcome.Release, 9000);
        vm.warp(RULE_BY + 1 days);
        assertEq(funded(), id);
        assertState(id, EscrowState.Released);
        assertEq(token.balanceOf(address(escrow)), 0);
    }

    function test_open_anotherPayerHasAnotherEscrow() external {
        bytes32 id = funded();
        vm.prank(carol);
        vm.expectRevert(IMeshEscrow.InvalidEvaluator.selector);
        escrow.open(defaultTerms());
        enrich(eve);
        vm.prank(eve);
        assertNotEq(escrow.open(defaultTerms()), id);
        assertEq(token.balanceOf(address(escrow)), 2 * AMOUNT);
    }

    // -------------------------------------------------------------------- terms

    function testFuzz_terms_amounts(uint256 amount, uint256 bond) external {
        Terms memory terms = defaultTerms();
        terms.amount = bound(amount, uint256(type(uint128).max) + 1, type(uint256).max);
        _refused(terms, abi.encodeWithSelector(IMeshEscrow.AmountOutOfRange.selector, terms.amount));
        terms.amount = 0;
        _refused(terms, abi.encodeWithSelector(IMeshEscrow.AmountOutOfRange.selector, 0));
        terms = defaultTerms();
        terms.disputeBond = bound(bond, uint256(type(uint128).max) + 1, type(uint256).max);
        _refused(terms, abi.encodeWithSelector(IMeshEscrow.AmountOutOfRange.selector, terms.disputeBond));
    }

    function test_terms_people() external {
        Terms memory terms = defaultTerms();
        terms.provider = address(0);
        _refused(terms, abi.encodePacked(IMeshEscrow.InvalidProvider.selector));
        terms.provider = alice;
        _refused(terms, abi.encodePacked(IMeshEscrow.InvalidProvider.selector));
        terms = defaultTerms();
        terms.arbiter = alice;
        _refused(terms, abi.encodePacked(IMeshEscrow.InvalidArbiter.selector));
        terms.arbiter = bob;
        _refused(terms, abi.encodePacked(IMeshEscrow.InvalidArbiter.selector));
    }

    function test_terms_evaluatorIsNoPartyUnlessDeclared() external {
        Terms memory terms = defaultTerms();
        terms.evaluator = address(0);
        _refused(terms, abi.encodePacked(IMeshEscrow.InvalidEvaluator.selector));
        terms.selfEvaluated = true;
        _refused(terms, abi.encodePacked(IMeshEscrow.InvalidEvaluator.selector));
        terms.selfEvaluated = false;
        terms.evaluator = alice;
        _refused(terms, abi.encodePacked(IMeshEscrow.InvalidEvaluator.selector));
        terms.evaluator = bob;
        _refused(terms, abi.encodePacked(IMeshEscrow.InvalidEvaluator.selector));
        terms.selfEvaluated = true;
        assertTrue(escrow.getEscrow(opened(terms)).selfEvaluated);
    }

    function testFuzz_terms_deadlinesInOrder(uint64 submitBy, uint64 reviewBy, uint64 ruleBy, bool withArbiter)
        external
    {
        Terms memory terms = defaultTerms();
        terms.submitBy = uint64(bound(submitBy, START - 3, START + 3));
        terms.reviewBy = uint64(bound(reviewBy, START - 3, START + 6));
        terms.ruleBy = uint64(bound(ruleBy, START - 3, START + 9));
        if (!withArbiter) terms.arbiter = address(0);
        bool valid = terms.submitBy >= START && terms.submitBy < terms.reviewBy
            && (!withArbiter || terms.reviewBy < terms.ruleBy);
        if (valid) assertState(opened(terms), EscrowState.Funded);
        else _refused(terms, abi.encodePacked(IMeshEscrow.InvalidDeadlines.selector));
    }

    function testFuzz_open_feeOnTransferTokensAreRefused(uint256 amount) external {
        Terms memory terms = defaultTerms();
        OddToken odd = _odd();
        odd.setFee(100);
        terms.token = address(odd);
        terms.amount = bound(amount, 100, WEALTH);
        uint256 received = terms.amount - terms.amount / 100;
        _refused(terms, abi.encodeWithSelector(ITokenErrors.UnexpectedAmount.selector, terms.amount, received));
    }

    function test_open_tokenCannotReenter() external {
        Terms memory terms = defaultTerms();
        OddToken odd = _odd();
        terms.token = address(odd);
        odd.setHook(address(escrow), abi.encodeCall(escrow.open, (terms)));
        _refused(terms, abi.encodeWithSignature("ReentrancyGuardReentrantCall()"));
    }

    function test_open_needsAToken() external {
        Terms memory terms = defaultTerms();
        terms.token = eve;
        vm.prank(alice);
        vm.expectRevert();
        escrow.open(terms);
    }

    // ------------------------------------------------------------------- permit

    function testFuzz_openWithPermit(uint256 amount) external {
        Terms memory terms = defaultTerms();
        terms.amount = bound(amount, 1, WEALTH);
        Permit memory permit = _permit(terms.amount);
        vm.prank(alice);
        bytes32 id = escrow.openWithPermit(terms, permit);
        assertState(id, EscrowState.Funded);
        vm.prank(alice);
        assertEq(escrow.openWithPermit(terms, permit), id);
        assertEq(token.balanceOf(address(escrow)), terms.amount);
    }

    function test_openWithPermit_survivesAFrontRunPermit() external {
        Permit memory permit = _permit(AMOUNT);
        vm.prank(eve);
        token.permit(alice, address(escrow), AMOUNT, permit.deadline, permit.v, permit.r, permit.s);
        vm.prank(alice);
        assertState(escrow.openWithPermit(defaultTerms(), permit), EscrowState.Funded);
    }

    // ------------------------------------------------------------ authorization

    function testFuzz_openWithAuthorization_relayedByAnyone(uint256 amount, address relayer) external {
        Terms memory terms = defaultTerms();
        terms.amount = bound(amount, 1, WEALTH);
        bytes32 id = escrow.escrowId(alice, terms);
        bytes memory signature = _authorize("alice", alice, terms.amount, id);
        vm.prank(relayer);
        assertEq(escrow.openWithAuthorization(alice, terms, 0, type(uint64).max, signature), id);
        assertTrue(token.authorizationState(alice, id));
        assertGains(-int256(terms.amount), 0, 0, terms.amount);

        // Replayed, it says where the money is and takes none.
        vm.prank(relayer);
        assertEq(escrow.openWithAuthorization(alice, terms, 0, type(uint64).max, signature), id);
        assertGains(-int256(terms.amount), 0, 0, terms.amount);
    }

    function testFuzz_openWithAuthorization_bindsTheTerms(uint8 field) external {
        Terms memory terms = defaultTerms();
        bytes memory signature = _authorize("alice", alice, AMOUNT, escrow.escrowId(alice, terms));
        field = uint8(bound(field, 0, 4));
        if (field == 0) terms.provider = eve;
        if (field == 1) terms.evaluator = eve;
        if (field == 2) terms.amount = 1;
        if (field == 3) terms.defaultOutcome = Outcome.Refund;
        if (field == 4) terms.salt = 0;
        vm.prank(eve);
        vm.expectRevert(abi.encodeWithSignature("ERC3009InvalidSignature()"));
        escrow.openWithAuthorization(alice, terms, 0, type(uint64).max, signature);
    }

    function test_openWithAuthorization_contractWallet() external {
        Wallet1271 wallet = new Wallet1271(alice);
        enrich(address(wallet));
        Terms memory terms = defaultTerms();
        bytes32 id = escrow.escrowId(address(wallet), terms);
        bytes memory signature = _authorize("alice", address(wallet), AMOUNT, id);
        escrow.openWithAuthorization(address(wallet), terms, 0, type(uint64).max, signature);
        assertEq(escrow.getEscrow(id).payer, address(wallet));
    }

    function testFuzz_openWithAuthorization_needsAWholeSignature(bytes calldata signature) external {
        vm.assume(signature.length != 65);
        vm.expectRevert(ISignatureErrors.InvalidSignature.selector);
        escrow.openWithAuthorization(alice, defaultTerms(), 0, type(uint64).max, signature);
    }

    function test_openWithAuthorization_cannotBeUsedPastTheEscrow() external {
        bytes32 id = escrow.escrowId(alice, defaultTerms());
        bytes memory signature = _authorize("alice", alice, AMOUNT, id);
        vm.prank(eve);
        vm.expectRevert(abi.encodeWithSignature("ERC20InvalidReceiver(address)", address(escrow)));
        token.receiveWithAuthorization(alice, address(escrow), AMOUNT, 0, type(uint64).max, id, signature);
    }

    // -------------------------------------------------------------------- pause

    function testFuzz_pause_stopsOpeningOnly(uint8 way) external {
        bytes32 id = submitted();
        vm.prank(admin);
        escrow.pause();

        Terms memory terms = defaultTerms();
        assertEq(opened(terms), id); // exists: nothing to stop
        terms.salt = keccak256("another");
        vm.prank(alice);
        vm.expectRevert(Pausable.EnforcedPause.selector);
        escrow.open(terms);
        vm.prank(alice);
        vm.expectRevert(Pausable.EnforcedPause.selector);
        escrow.openWithPermit(terms, Permit(0, 0, 0, 0, 0));
        vm.expectRevert(Pausable.EnforcedPause.selector);
        escrow.openWithAuthorization(alice, terms, 0, 0, "");

        way = uint8(bound(way, 0, 3));
        if (way == 0) settle(id, Outcome.Release, 9000);
        vm.prank(way == 1 ? alice : bob);
        if (way == 1) escrow.release(id);
        if (way == 2) escrow.refund(id);
        vm.warp(REVIEW_BY + 1);
        if (way == 3) escrow.claimDefault(id);
        assertEq(token.balanceOf(address(escrow)), 0);

        vm.prank(admin);
        escrow.unpause();
        vm.warp(START);
        assertState(opened(terms), EscrowState.Funded);
    }

    function testFuzz_pause_needsTheRole(address stranger) external {
        vm.assume(stranger != admin);
        bytes memory refusal = abi.encodeWithSignature(
            "AccessControlUnauthorizedAccount(address,bytes32)", stranger, escrow.PAUSER_ROLE()
        );
        vm.startPrank(stranger);
        vm.expectRevert(refusal);
        escrow.pause();
        vm.expectRevert(refusal);
        escrow.unpause();
    }

    // -------------------------------------------------------------- constructor

    function testFuzz_configuration(uint16 feeBps, bool withRecipient) external {
        bool valid = feeBps <= 1000 && (feeBps == 0 || withRecipient);
        if (!valid) vm.expectRevert(IMeshEscrow.InvalidConfiguration.selector);
        EscrowFace other = deployEscrow(admin, withRecipient ? feeRecipient : address(0), feeBps);
        if (!valid) return;
        assertEq(other.feeBps(), feeBps);
        assertEq(other.feeRecipient(), withRecipient ? feeRecipient : address(0));
    }

    function test_configuration_needsAnAdmin() external {
        vm.expectRevert(IMeshEscrow.InvalidConfiguration.selector);
        deployEscrow(address(0), feeRecipient, 0);
    }

    // ------------------------------------------------------------------ helpers

    function _refused(Terms memory terms, bytes memory refusal) private {
        vm.prank(alice);
        vm.expectRevert(refusal);
        escrow.open(terms);
    }

    function _assertStored(bytes32 id, Terms memory terms) private {
        Escrow memory stored = escrow.getEscrow(id);
        assertEq(uint256(stored.state), uint256(EscrowState.Funded));
        assertEq(stored.payer, alice);
        assertEq(stored.provider, terms.provider);
        assertEq(stored.token, terms.token);
        assertEq(stored.amount, terms.amount);
        assertEq(stored.evaluator, terms.evaluator);
        assertEq(stored.termsHash, terms.termsHash);
        assertEq(stored.resultHash, bytes32(0));
        assertEq(stored.scoreBps, 0);
        assertEq(stored.selfEvaluated, terms.selfEvaluated);
        assertEq(stored.submitBy, terms.submitBy);
        assertEq(stored.reviewBy, terms.reviewBy);
        assertEq(stored.ruleBy, terms.ruleBy);
        assertEq(uint256(stored.defaultOutcome), uint256(terms.defaultOutcome));
        assertEq(stored.arbiter, terms.arbiter);
        assertEq(stored.disputeBond, terms.disputeBond);
        assertEq(stored.disputedBy, address(0));
    }

    function _permit(uint256 value) private returns (Permit memory) {
        vm.prank(alice);
        token.approve(address(escrow), 0);
        return signedPermit(keyOf("alice"), address(token), address(escrow), value, 0, START);
    }

    function _authorize(string memory signer, address payer, uint256 amount, bytes32 nonce)
        private
        view
        returns (bytes memory)
    {
        bytes32 structHash = authorizationHash("Receive", payer, address(escrow), amount, 0, type(uint64).max, nonce);
        return signed(keyOf(signer), digestOf(TOKEN_DOMAIN, address(token), structHash));
    }

    function _odd() private returns (OddToken odd) {
        odd = new OddToken();
        odd.mint(alice, WEALTH);
        vm.prank(alice);
        odd.approve(address(escrow), type(uint256).max);
    }
}
