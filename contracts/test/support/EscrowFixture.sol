// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {EscrowState} from "../../src/types/EscrowState.sol";
import {Outcome} from "../../src/types/Outcome.sol";
import {Terms} from "../../src/types/Terms.sol";
import {World} from "./World.sol";

/// @notice Alice pays Bob for work that Carol evaluates; an arbiter is there when they quarrel.
abstract contract EscrowFixture is World {
    uint256 internal constant AMOUNT = 10_000;
    uint256 internal constant BOND = 500;
    uint64 internal constant SUBMIT_BY = START + 1 hours;
    uint64 internal constant REVIEW_BY = START + 2 hours;
    uint64 internal constant RULE_BY = START + 3 hours;
    bytes32 internal constant RESULT = keccak256("result");
    bytes32 internal constant REASON = keccak256("reason");

    address internal immutable arbiter = account("arbiter");

    function defaultTerms() internal view returns (Terms memory) {
        return Terms({
            provider: bob,
            token: address(token),
            amount: AMOUNT,
            evaluator: carol,
            arbiter: arbiter,
            termsHash: keccak256("terms"),
            submitBy: SUBMIT_BY,
            reviewBy: REVIEW_BY,
            ruleBy: RULE_BY,
            disputeBond: BOND,
            defaultOutcome: Outcome.Release,
            selfEvaluated: false,
            salt: keccak256("run 1, step 1, attempt 1")
        });
    }

    function funded() internal returns (bytes32) {
        return opened(defaultTerms());
    }

    function submitted() internal returns (bytes32) {
        return submitted(defaultTerms());
    }

    function disputed(address by) internal returns (bytes32 id) {
        id = submitted();
        vm.prank(by);
        escrow.dispute(id);
    }

    function opened(Terms memory terms) internal returns (bytes32) {
        vm.prank(alice);
        return escrow.open(terms);
    }

    function submitted(Terms memory terms) internal returns (bytes32 id) {
        id = opened(terms);
        vm.prank(terms.provider);
        escrow.submit(id, RESULT);
    }

    function verdict(bytes32 id, Outcome outcome, uint16 scoreBps) internal view returns (bytes memory) {
        return
            signed(keyOf("carol"), digestOf(ESCROW_DOMAIN, address(escrow), verdictHash(id, outcome, scoreBps, REASON)));
    }

    function settle(bytes32 id, Outcome outcome, uint16 scoreBps) internal {
        escrow.settle(id, outcome, scoreBps, REASON, verdict(id, outcome, scoreBps));
    }

    function assertState(bytes32 id, EscrowState expected) internal {
        assertEq(uint256(escrow.getEscrow(id).state), uint256(expected));
    }

    /// @dev What each has more or less than in the beginning.
    function assertGains(int256 payer, int256 provider, uint256 fees, uint256 held) internal {
        assertEq(int256(token.balanceOf(alice)) - int256(WEALTH), payer, "payer");
        assertEq(int256(token.balanceOf(bob)) - int256(WEALTH), provider, "provider");
        assertEq(token.balanceOf(feeRecipient), fees, "fees");
        assertEq(token.balanceOf(address(escrow)), held, "held");
    }
}
