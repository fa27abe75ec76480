// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Escrow} from "../types/Escrow.sol";
import {EscrowState} from "../types/EscrowState.sol";
import {Outcome} from "../types/Outcome.sol";
import {Permit} from "../types/Permit.sol";
import {Terms} from "../types/Terms.sol";

/// @title IMeshEscrow
/// @notice Money held between payer and provider of one piece of work, until a verdict, a ruling or a deadline.
/// @dev The states of ERC-8183 (draft), hardened: ids bind the terms, opening is atomic and idempotent, every wait has
///      an end that anyone can claim. "By" a deadline includes its second. Amounts are base units of the escrow's token.
interface IMeshEscrow {
    /// @notice Money is locked under these terms.
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

    /// @notice The provider has handed in its result.
    event ResultSubmitted(bytes32 indexed escrowId, address indexed provider, bytes32 resultHash);

    /// @notice The evaluator's verdict settles the escrow.
    event VerdictGiven(
        bytes32 indexed escrowId, address indexed evaluator, Outcome outcome, uint16 scoreBps, bytes32 reasonHash
    );

    /// @notice A party took the case from the evaluator to the arbiter.
    event EscrowDisputed(bytes32 indexed escrowId, address indexed by, uint256 bond);

    /// @notice The dispute is over and its bond goes to `bondTo`.
    event DisputeClosed(bytes32 indexed escrowId, Outcome outcome, address indexed bondTo, uint256 bond);

    /// @notice The provider is paid. `paid + fee` is the escrow's amount; the score is 0 without a verdict.
    event EscrowReleased(
        bytes32 indexed escrowId, address indexed provider, uint256 paid, uint256 fee, uint16 scoreBps
    );

    /// @notice The payer has the money back. The score is 0 without a verdict.
    event EscrowRefunded(bytes32 indexed escrowId, address indexed payer, uint256 amount, uint16 scoreBps);

    /// @notice The token refused to pay `account`, who may fetch the amount with {withdrawCredit}.
    event CreditAdded(address indexed token, address indexed account, uint256 amount);

    /// @notice `account` has fetched its credit.
    event CreditWithdrawn(address indexed token, address indexed account, uint256 amount);

    /// @notice A constructor argument is zero or out of range.
    error InvalidConfiguration();

    /// @notice An amount is zero or above 2^128 − 1, or a bond above it.
    error AmountOutOfRange(uint256 amount);

    /// @notice The provider is zero or the payer.
    error InvalidProvider();

    /// @notice The evaluator is zero, or a party without `selfEvaluated` saying so.
    error InvalidEvaluator();

    /// @notice The arbiter is a party.
    error InvalidArbiter();

    /// @notice Not: now ≤ submitBy < reviewBy (< ruleBy, with an arbiter).
    error InvalidDeadlines();

    /// @notice The escrow's state does not allow this.
    error WrongState(bytes32 escrowId, EscrowState actual);

    /// @notice The caller has no say in this.
    error NotAllowed(address caller);

    /// @notice Not yet: possible after `deadline` (Unix seconds).
    error TooEarly(uint256 deadline);

    /// @notice A result needs a hash.
    error EmptyResult();

    /// @notice The escrow has been settled the other way.
    error AlreadySettled(bytes32 escrowId, EscrowState actual);

    /// @notice Above 10,000, or not above 8,000 although the verdict is to release.
    error ScoreOutOfRange(uint16 scoreBps);

    /// @notice These terms have no arbiter.
    error NoArbiter();

    /// @notice There is nothing to withdraw.
    error NoCredit(address token, address account);

    /// @notice Locks the caller's money by allowance. The same terms again do nothing and return the same id.
    function open(Terms calldata terms) external returns (bytes32 id);

    /// @notice As {open}, with the allowance in the same transaction (ERC-2612).
    /// @dev A permit that fails is ignored: whoever submits it first must not be able to block the opening.
    function openWithPermit(Terms calldata terms, Permit calldata permit) external returns (bytes32 id);

    /// @notice As {open}, for a payer who signed EIP-3009 `ReceiveWithAuthorization`. Anyone may submit it.
    /// @dev The authorization's nonce is the escrow's id: it pays for these terms only, and only once.
    /// @param validAfter Unix seconds; valid strictly after it.
    /// @param validBefore Unix seconds; valid strictly before it.
    /// @param signature 65 bytes `r, s, v` go to the `v, r, s` form that every EIP-3009 token has; any other length to
    ///        the `bytes` form for contract wallets.
    function openWithAuthorization(
        address payer,
        Terms calldata terms,
        uint256 validAfter,
        uint256 validBefore,
        bytes calldata signature
    ) external returns (bytes32 id);

    /// @notice Hands in the result, by the provider and by `submitBy`.
    /// @param resultHash Hash of the result, not zero.
    function submit(bytes32 id, bytes32 resultHash) external;

    /// @notice As {submit}, for a provider who signed EIP-712 `Submission(bytes32 escrowId,bytes32 resultHash)`.
    function submitFor(bytes32 id, bytes32 resultHash, bytes calldata signature) external;

    /// @notice Carries out the evaluator's verdict, whoever brings it.
    /// @dev Release: from Submitted, by `reviewBy`, score above 8,000. Refund: from Funded at any time, from Submitted by
    ///      `reviewBy`. On a settled escrow the same outcome does nothing, and another reverts.
    /// @param scoreBps 0 to 10,000.
    /// @param reasonHash Hash of the reasons; only emitted.
    /// @param signature EIP-712 `Verdict(bytes32 escrowId,uint8 outcome,uint16 scoreBps,bytes32 reasonHash)`.
    function settle(bytes32 id, Outcome outcome, uint16 scoreBps, bytes32 reasonHash, bytes calldata signature) external;

    /// @notice Pays the provider without a verdict, by the payer, from Submitted and by `reviewBy`.
    function release(bytes32 id) external;

    /// @notice Returns the money: by the provider at any time, by the evaluator from Funded at any time and from
    ///         Submitted by `reviewBy`, by anyone from Funded after `submitBy`.
    function refund(bytes32 id) external;

    /// @notice Carries out the default outcome: from Submitted after `reviewBy`, from Disputed after `ruleBy`. Anyone may.
    function claimDefault(bytes32 id) external;

    /// @notice Takes the case to the arbiter, by payer or provider, from Submitted and by `reviewBy`.
    /// @dev Pulls `disputeBond` from the caller by allowance. Whoever wins gets it; without a ruling it returns.
    function dispute(bytes32 id) external;

    /// @notice Decides a dispute, by the arbiter and by `ruleBy`.
    function rule(bytes32 id, Outcome outcome) external;

    /// @notice Pays the caller what a token refused to pay before.
    function withdrawCredit(address token) external;

    /// @notice Stops new escrows. Every way out of existing ones stays open. Needs `PAUSER_ROLE`.
    function pause() external;

    /// @notice Allows new escrows again. Needs `PAUSER_ROLE`.
    function unpause() external;

    /// @notice The id that these terms have, or would have, for this payer.
    /// @return `keccak256(abi.encode(block.chainid, address(this), payer, terms))`
    function escrowId(address payer, Terms calldata terms) external view returns (bytes32);

    /// @notice An escrow; all zero (state `None`) when there is none.
    function getEscrow(bytes32 id) external view returns (Escrow memory);

    /// @notice What an account may fetch with {withdrawCredit}.
    function credits(address token, address account) external view returns (uint256);

    /// @notice The role that may pause.
    function PAUSER_ROLE() external view returns (bytes32);

    /// @notice Where the fees go.
    function feeRecipient() external view returns (address);

    /// @notice The part of a release that is kept, in hundredths of a percent, at most 1,000.
    function feeBps() external view returns (uint16);
}
