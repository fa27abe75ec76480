// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Outcome} from "./Outcome.sol";

/// @notice Everything that payer and provider agree on. The escrow's id is a hash of all of it.
/// @param amount Base units of `token`, 1 to 2^128 − 1.
/// @param evaluator Signs the verdict; neither payer nor provider unless `selfEvaluated` says so.
/// @param arbiter Rules on disputes; zero means that there are none.
/// @param termsHash Hash of the off-chain terms: criteria, weights, threshold.
/// @param submitBy Unix seconds; last moment for the result.
/// @param reviewBy Unix seconds, after `submitBy`; last moment for the verdict or a dispute.
/// @param ruleBy Unix seconds, after `reviewBy` when there is an arbiter; last moment for the ruling.
/// @param disputeBond Base units of `token` that whoever disputes puts up.
/// @param defaultOutcome What happens when nobody speaks in time.
/// @param selfEvaluated Declares that the evaluator is not independent, so that reputation can ignore the score.
/// @param salt Tells otherwise equal escrows apart: hash of run, step and attempt.
struct Terms {
    address provider;
    address token;
    uint256 amount;
    address evaluator;
    address arbiter;
    bytes32 termsHash;
    uint64 submitBy;
    uint64 reviewBy;
    uint64 ruleBy;
    uint256 disputeBond;
    Outcome defaultOutcome;
    bool selfEvaluated;
    bytes32 salt;
}
