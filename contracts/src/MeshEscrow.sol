// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {EscrowVault} from "./escrow/EscrowVault.sol";
import {IMeshEscrow} from "./interfaces/IMeshEscrow.sol";
import {ISignatureErrors} from "./interfaces/ISignatureErrors.sol";
import {Signatures} from "./libraries/Signatures.sol";
import {Tokens} from "./libraries/Tokens.sol";
import {Escrow} from "./types/Escrow.sol";
import {EscrowState} from "./types/EscrowState.sol";
import {Outcome} from "./types/Outcome.sol";

/// @title MeshEscrow
/// @notice Money for one piece of work, paid or returned by verdict, ruling or deadline; never by this contract's admin.
/// @dev Every ending goes through {_finish}, which makes the state final before any token moves. Every way to end an
///      escrow does nothing when the escrow has ended so already, and reverts when it has ended the other way; thus a
///      caller who does not know what became of a transaction may send it again.
contract MeshEscrow is EscrowVault, EIP712, ISignatureErrors {
    bytes32 private constant SUBMISSION_TYPEHASH = keccak256("Submission(bytes32 escrowId,bytes32 resultHash)");
    bytes32 private constant VERDICT_TYPEHASH =
        keccak256("Verdict(bytes32 escrowId,uint8 outcome,uint16 scoreBps,bytes32 reasonHash)");

    uint256 private constant BPS = 10_000;
    uint256 private constant MAX_FEE_BPS = 1000;
    /// @dev A verdict to release needs a score above this.
    uint256 private constant RELEASE_ABOVE_BPS = 8000;

    /// @inheritdoc IMeshEscrow
    address public immutable feeRecipient;
    /// @inheritdoc IMeshEscrow
    uint16 public immutable feeBps;

    /// @param admin Grants the role of the pauser and holds it first; has no say over money.
    /// @param feeRecipient_ Where the fees go; may be zero when there are none.
    /// @param feeBps_ The part of a release that is kept, in hundredths of a percent, at most 1,000.
    constructor(address admin, address feeRecipient_, uint16 feeBps_) EscrowVault(admin) EIP712("MeshEscrow", "1") {
        bool unpaid = feeBps_ != 0 && feeRecipient_ == address(0);
        if (feeBps_ > MAX_FEE_BPS || unpaid) revert InvalidConfiguration();
        feeRecipient = feeRecipient_;
        feeBps = feeBps_;
    }

    /// @inheritdoc IMeshEscrow
    function submit(bytes32 id, bytes32 resultHash) external {
        _requireCaller(_escrows[id].provider);
        _submit(id, resultHash);
    }

    /// @inheritdoc IMeshEscrow
    function submitFor(bytes32 id, bytes32 resultHash, bytes calldata signature) external {
        bytes32 structHash = keccak256(abi.encode(SUBMISSION_TYPEHASH, id, resultHash));
        _checkSignature(_escrows[id].provider, structHash, signature);
        _submit(id, resultHash);
    }

    /// @inheritdoc IMeshEscrow
    function settle(bytes32 id, Outcome outcome, uint16 scoreBps, bytes32 reasonHash, bytes calldata signature)
        external
        nonReentrant
    {
        Escrow storage escrow = _escrows[id];
        if (_endedAs(outcome, id, escrow)) return;
        _checkScore(outcome, scoreBps);
        bool unsubmittedRefund = outcome == Outcome.Refund && escrow.state == EscrowState.Funded;
        if (!unsubmittedRefund) _requireUnderReview(id, escrow);
        bytes32 structHash = keccak256(abi.encode(VERDICT_TYPEHASH, id, outcome, scoreBps, reasonHash));
        _checkSignature(escrow.evaluator, structHash, signature);
        escrow.scoreBps = scoreBps;
        emit VerdictGiven(id, escrow.evaluator, outcome, scoreBps, reasonHash);
        _finish(id, escrow, outcome, address(0));
    }

    /// @inheritdoc IMeshEscrow
    function release(bytes32 id) external nonReentrant {
        Escrow storage escrow = _escrows[id];
        _requireCaller(escrow.payer);
        if (_endedAs(Outcome.Release, id, escrow)) return;
        _requireUnderReview(id, escrow);
        _finish(id, escrow, Outcome.Release, address(0));
    }

    /// @inheritdoc IMeshEscrow
    function refund(bytes32 id) external nonReentrant {
        Escrow storage escrow = _escrows[id];
        if (_endedAs(Outcome.Refund, id, escrow)) return;
        if (escrow.state == EscrowState.None) revert WrongState(id, EscrowState.None);
        if (msg.sender != escrow.provider) _requireMayRefund(id, escrow);
        // A provider who gives up a dispute loses it.
        _finish(id, escrow, Outcome.Refund, escrow.payer);
    }

    /// @inheritdoc IMeshEscrow
    function claimDefault(bytes32 id) external nonReentrant {
        Escrow storage escrow = _escrows[id];
        Outcome outcome = escrow.defaultOutcome;
        if (_endedAs(outcome, id, escrow)) return;
        if (escrow.state == EscrowState.Submitted) {
            _requireAfter(escrow.reviewBy);
        } else {
            _requireState(id, escrow, EscrowState.Disputed);
            _requireAfter(escrow.ruleBy);
        }
        // Nobody has ruled, so nobody has lost the bond.
        _finish(id, escrow, outcome, escrow.disputedBy);
    }

    /// @inheritdoc IMeshEscrow
    function dispute(bytes32 id) external nonReentrant {
        Escrow storage escrow = _escrows[id];
        if (msg.sender != escrow.payer) _requireCaller(escrow.provider);
        if (escrow.arbiter == address(0)) revert NoArbiter();
        _requireUnderReview(id, escrow);
        escrow.state = EscrowState.Disputed;
        escrow.disputedBy = msg.sender;
        emit EscrowDisputed(id, msg.sender, escrow.disputeBond);
        Tokens.pull(IERC20(escrow.token), msg.sender, escrow.disputeBond);
    }

    /// @inheritdoc IMeshEscrow
    function rule(bytes32 id, Outcome outcome) external nonReentrant {
        Escrow storage escrow = _escrows[id];
        _requireCaller(escrow.arbiter);
        if (_endedAs(outcome, id, escrow)) return;
        _requireState(id, escrow, EscrowState.Disputed);
        _requireBy(escrow.ruleBy);
        _finish(id, escrow, outcome, outcome == Outcome.Release ? escrow.provider : escrow.payer);
    }

    function _submit(bytes32 id, bytes32 resultHash) private {
        Escrow storage escrow = _escrows[id];
        if (resultHash == 0) revert EmptyResult();
        _requireState(id, escrow, EscrowState.Funded);
        _requireBy(escrow.submitBy);
        escrow.state = EscrowState.Submitted;
        escrow.resultHash = resultHash;
        emit ResultSubmitted(id, escrow.provider, resultHash);
    }

    /// @param bondTo Who gets the bond, when there is one.
    function _finish(bytes32 id, Escrow storage escrow, Outcome outcome, address bondTo) private {
        bool disputed = escrow.state == EscrowState.Disputed;
        escrow.state = outcome == Outcome.Release ? EscrowState.Released : EscrowState.Refunded;
        if (disputed) emit DisputeClosed(id, outcome, bondTo, escrow.disputeBond);
        if (outcome == Outcome.Release) _payOut(id, escrow);
        else _payBack(id, escrow);
        if (disputed) _pay(escrow.token, bondTo, escrow.disputeBond);
    }

    function _payOut(bytes32 id, Escrow storage escrow) private {
        uint256 fee = escrow.amount * feeBps / BPS;
        uint256 paid = escrow.amount - fee;
        emit EscrowReleased(id, escrow.provider, paid, fee, escrow.scoreBps);
        _pay(escrow.token, escrow.provider, paid);
        _pay(escrow.token, feeRecipient, fee);
    }

    function _payBack(bytes32 id, Escrow storage escrow) private {
        emit EscrowRefunded(id, escrow.payer, escrow.amount, escrow.scoreBps);
        _pay(escrow.token, escrow.payer, escrow.amount);
    }

    function _checkSignature(address signer, bytes32 structHash, bytes calldata signature) private view {
        if (!Signatures.isValid(signer, _hashTypedDataV4(structHash), signature)) revert InvalidSignature();
    }

    /// @dev Who but the provider may refund, and when.
    function _requireMayRefund(bytes32 id, Escrow storage escrow) private view {
        bool isEvaluator = msg.sender == escrow.evaluator;
        if (escrow.state == EscrowState.Funded) {
            if (!isEvaluator) _requireAfter(escrow.submitBy);
        } else {
            _requireCaller(escrow.evaluator);
            _requireUnderReview(id, escrow);
        }
    }

    /// @dev Whether the escrow has ended so already; reverts when it has ended the other way.
    function _endedAs(Outcome outcome, bytes32 id, Escrow storage escrow) private view returns (bool) {
        EscrowState state = escrow.state;
        if (state != EscrowState.Released && state != EscrowState.Refunded) return false;
        bool same = (state == EscrowState.Released) == (outcome == Outcome.Release);
        if (!same) revert AlreadySettled(id, state);
        return true;
    }

    /// @dev The window in which evaluator and parties decide.
    function _requireUnderReview(bytes32 id, Escrow storage escrow) private view {
        _requireState(id, escrow, EscrowState.Submitted);
        _requireBy(escrow.reviewBy);
    }

    function _requireState(bytes32 id, Escrow storage escrow, EscrowState expected) private view {
        if (escrow.state != expected) revert WrongState(id, escrow.state);
    }

    function _requireCaller(address expected) private view {
        if (msg.sender != expected) revert NotAllowed(msg.sender);
    }

    function _requireBy(uint256 deadline) private view {
        if (block.timestamp > deadline) revert DeadlinePassed(deadline);
    }

    function _requireAfter(uint256 deadline) private view {
        if (block.timestamp <= deadline) revert TooEarly(deadline);
    }

    function _checkScore(Outcome outcome, uint16 scoreBps) private pure {
        bool tooLow = outcome == Outcome.Release && scoreBps <= RELEASE_ABOVE_BPS;
        if (tooLow || scoreBps > BPS) revert ScoreOutOfRange(scoreBps);
    }
}
