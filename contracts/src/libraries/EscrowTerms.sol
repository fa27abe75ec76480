// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IMeshEscrow} from "../interfaces/IMeshEscrow.sol";
import {Terms} from "../types/Terms.sol";

/// @title EscrowTerms
/// @notice Which terms an escrow may be opened under.
library EscrowTerms {
    /// @dev Far above any money, far below what could overflow a fee.
    uint256 private constant MAX_AMOUNT = type(uint128).max;

    /// @notice Reverts unless these terms can be carried out and leave nobody as judge in their own case unawares.
    function check(Terms calldata terms, address payer) internal view {
        if (terms.amount == 0 || terms.amount > MAX_AMOUNT) revert IMeshEscrow.AmountOutOfRange(terms.amount);
        if (terms.disputeBond > MAX_AMOUNT) revert IMeshEscrow.AmountOutOfRange(terms.disputeBond);
        if (terms.provider == address(0) || terms.provider == payer) revert IMeshEscrow.InvalidProvider();
        _checkEvaluator(terms, payer);
        if (_isParty(terms, payer, terms.arbiter)) revert IMeshEscrow.InvalidArbiter();
        _checkDeadlines(terms);
    }

    function _checkEvaluator(Terms calldata terms, address payer) private pure {
        bool biased = _isParty(terms, payer, terms.evaluator) && !terms.selfEvaluated;
        if (terms.evaluator == address(0) || biased) revert IMeshEscrow.InvalidEvaluator();
    }

    function _checkDeadlines(Terms calldata terms) private view {
        bool inOrder = block.timestamp <= terms.submitBy && terms.submitBy < terms.reviewBy
            && (terms.arbiter == address(0) || terms.reviewBy < terms.ruleBy);
        if (!inOrder) revert IMeshEscrow.InvalidDeadlines();
    }

    function _isParty(Terms calldata terms, address payer, address account) private pure returns (bool) {
        return account == payer || account == terms.provider;
    }
}
