// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {PRBTest} from "@prb/test/PRBTest.sol";

import {Escrow} from "../src/types/Escrow.sol";
import {EscrowState} from "../src/types/EscrowState.sol";
import {EscrowHandler} from "./support/EscrowHandler.sol";

contract EscrowInvariantTest is PRBTest {
    EscrowHandler private _handler;

    function setUp() external {
        _handler = new EscrowHandler();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }

    /// @dev What was put in is what was paid, kept as fees, given back, or is still there: locked or credited.
    function invariant_moneyIsConserved() external {
        uint256 owed = _handler.paid() + _handler.fees() + _handler.refunded() + _handler.bondsReturned();
        assertEq(_handler.deposited(), owed + _locked(), "deposits");
        assertEq(_handler.held(), _locked() + _credits(), "held");
    }

    function invariant_creditsAreWhatWasCreditedAndNotWithdrawn() external {
        assertEq(_credits(), _handler.credited() - _handler.withdrawn());
    }

    function invariant_atMostOneEnding() external {
        for (uint256 i; i < _handler.count(); ++i) {
            bytes32 id = _handler.ids(i);
            EscrowState state = _handler.escrowOf(id).state;
            bool ended = state == EscrowState.Released || state == EscrowState.Refunded;
            assertEq(_handler.endings(id), ended ? 1 : 0, "endings");
            if (ended) assertEq(uint256(_handler.ending(id)), uint256(state), "ending");
        }
    }

    function invariant_aReleaseByVerdictScoredAboveEightThousand() external {
        for (uint256 i; i < _handler.count(); ++i) {
            Escrow memory escrow = _handler.escrowOf(_handler.ids(i));
            if (escrow.state != EscrowState.Released) continue;
            assertTrue(escrow.scoreBps == 0 || escrow.scoreBps > 8000);
            assertNotEq(escrow.resultHash, bytes32(0));
        }
    }

    function _locked() private view returns (uint256 sum) {
        for (uint256 i; i < _handler.count(); ++i) {
            Escrow memory escrow = _handler.escrowOf(_handler.ids(i));
            if (escrow.state == EscrowState.Funded || escrow.state == EscrowState.Submitted) sum += escrow.amount;
            if (escrow.state == EscrowState.Disputed) sum += escrow.amount + escrow.disputeBond;
        }
    }

    function _credits() private view returns (uint256 sum) {
        address[3] memory payees = _handler.payees();
        for (uint256 i; i < 3; ++i) {
            sum += _handler.creditOf(payees[i]);
        }
    }
}
