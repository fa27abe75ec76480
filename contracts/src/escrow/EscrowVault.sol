// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IMeshEscrow} from "../interfaces/IMeshEscrow.sol";
import {EscrowTerms} from "../libraries/EscrowTerms.sol";
import {Tokens} from "../libraries/Tokens.sol";
import {Escrow} from "../types/Escrow.sol";
import {EscrowState} from "../types/EscrowState.sol";
import {Permit} from "../types/Permit.sol";
import {Terms} from "../types/Terms.sol";

/// @title EscrowVault
/// @notice How money comes in and goes out; when it may go out is {MeshEscrow}'s part.
abstract contract EscrowVault is IMeshEscrow, AccessControl, Pausable, ReentrancyGuardTransient {
    using EscrowTerms for Terms;
    using SafeERC20 for IERC20;

    /// @inheritdoc IMeshEscrow
    bytes32 public constant PAUSER_ROLE = keccak256("PAUSER_ROLE");

    /// @inheritdoc IMeshEscrow
    mapping(address token => mapping(address account => uint256)) public credits;

    mapping(bytes32 id => Escrow) internal _escrows;

    constructor(address admin) {
        if (admin == address(0)) revert InvalidConfiguration();
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
        _grantRole(PAUSER_ROLE, admin);
    }

    /// @inheritdoc IMeshEscrow
    function open(Terms calldata terms) external nonReentrant returns (bytes32 id) {
        bool isNew;
        (id, isNew) = _record(msg.sender, terms);
        if (isNew) Tokens.pull(IERC20(terms.token), msg.sender, terms.amount);
    }

    /// @inheritdoc IMeshEscrow
    function openWithPermit(Terms calldata terms, Permit calldata permit) external nonReentrant returns (bytes32 id) {
        bool isNew;
        (id, isNew) = _record(msg.sender, terms);
        if (!isNew) return id;
        Tokens.tryPermit(IERC20(terms.token), msg.sender, permit);
        Tokens.pull(IERC20(terms.token), msg.sender, terms.amount);
    }

    /// @inheritdoc IMeshEscrow
    function openWithAuthorization(
        address payer,
        Terms calldata terms,
        uint256 validAfter,
        uint256 validBefore,
        bytes calldata signature
    ) external nonReentrant returns (bytes32 id) {
        bool isNew;
        (id, isNew) = _record(payer, terms);
        if (!isNew) return id;
        IERC20 token = IERC20(terms.token);
        Tokens.pullAuthorized(token, payer, terms.amount, validAfter, validBefore, id, signature);
    }

    /// @inheritdoc IMeshEscrow
    function withdrawCredit(address token) external nonReentrant {
        uint256 amount = credits[token][msg.sender];
        if (amount == 0) revert NoCredit(token, msg.sender);
        credits[token][msg.sender] = 0;
        emit CreditWithdrawn(token, msg.sender, amount);
        IERC20(token).safeTransfer(msg.sender, amount);
    }

    /// @inheritdoc IMeshEscrow
    function pause() external onlyRole(PAUSER_ROLE) {
        _pause();
    }

    /// @inheritdoc IMeshEscrow
    function unpause() external onlyRole(PAUSER_ROLE) {
        _unpause();
    }

    /// @inheritdoc IMeshEscrow
    function getEscrow(bytes32 id) external view returns (Escrow memory) {
        return _escrows[id];
    }

    /// @inheritdoc IMeshEscrow
    function escrowId(address payer, Terms calldata terms) public view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), payer, terms));
    }

    /// @dev Pays, or credits what the token refuses to pay: a blocked payee must not keep the escrow from ending.
    ///      Callers hold the re-entrancy guard, so that crediting after the call is safe.
    function _pay(address token, address to, uint256 amount) internal {
        if (amount == 0 || IERC20(token).trySafeTransfer(to, amount)) return;
        credits[token][to] += amount;
        emit CreditAdded(token, to, amount);
    }

    /// @dev Equal id means equal terms, so what exists already needs no second look, and no second payment.
    function _record(address payer, Terms calldata terms) private returns (bytes32 id, bool isNew) {
        id = escrowId(payer, terms);
        Escrow storage escrow = _escrows[id];
        if (escrow.state != EscrowState.None) return (id, false);
        _requireNotPaused();
        terms.check(payer);
        escrow.state = EscrowState.Funded;
        escrow.payer = payer;
        _copy(terms, escrow);
        emit EscrowOpened(
            id, payer, terms.provider, terms.token, terms.amount, terms.evaluator, terms.termsHash, terms.salt
        );
        return (id, true);
    }

    function _copy(Terms calldata terms, Escrow storage escrow) private {
        escrow.provider = terms.provider;
        escrow.token = terms.token;
        escrow.amount = terms.amount;
        escrow.evaluator = terms.evaluator;
        escrow.termsHash = terms.termsHash;
        escrow.selfEvaluated = terms.selfEvaluated;
        escrow.submitBy = terms.submitBy;
        escrow.reviewBy = terms.reviewBy;
        escrow.ruleBy = terms.ruleBy;
        escrow.defaultOutcome = terms.defaultOutcome;
        if (terms.arbiter == address(0)) return;
        escrow.arbiter = terms.arbiter;
        escrow.disputeBond = terms.disputeBond;
    }
}
