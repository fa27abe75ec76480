// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {EscrowState} from "./EscrowState.sol";
import {Outcome} from "./Outcome.sol";

/// @notice An escrow, stored and read in this one form; see {Terms} for what the fields mean.
/// @dev Ordered so that opening one without an arbiter writes seven slots.
/// @param resultHash Hash of the provider's result; zero until it is submitted.
/// @param scoreBps The verdict's score, 0 to 10,000; zero when no verdict settled it.
/// @param disputedBy Whoever put up the bond; zero when there is no dispute.
struct Escrow {
    EscrowState state;
    address payer;
    address provider;
    address token;
    uint256 amount;
    address evaluator;
    bytes32 termsHash;
    bytes32 resultHash;
    uint16 scoreBps;
    bool selfEvaluated;
    uint64 submitBy;
    uint64 reviewBy;
    uint64 ruleBy;
    Outcome defaultOutcome;
    address arbiter;
    uint256 disputeBond;
    address disputedBy;
}
