// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {IAgentDirectory} from "../interfaces/IAgentDirectory.sol";
import {IAgentStaking} from "../interfaces/IAgentStaking.sol";
import {AgentMessages} from "../libraries/AgentMessages.sol";
import {Tokens} from "../libraries/Tokens.sol";
import {Agent} from "../types/Agent.sol";
import {Permit} from "../types/Permit.sol";
import {SlashProposal} from "../types/SlashProposal.sol";
import {StakeDeposit} from "../types/StakeDeposit.sol";
import {UnstakeRequest} from "../types/UnstakeRequest.sol";
import {Unstaking} from "../types/Unstaking.sol";
import {AgentDirectory} from "./AgentDirectory.sol";
import {AgentIdentity} from "./AgentIdentity.sol";

/// @title AgentStaking
/// @notice Stake behind an agent.
/// @dev Every change first settles the books, then moves tokens. Stake and unstaking of an agent together never fall
///      below what a pending proposal froze, so a proposal can always be executed in full.
abstract contract AgentStaking is AgentDirectory, AccessControl, IAgentStaking {
    using SafeCast for uint256;
    using SafeERC20 for IERC20;

    /// @inheritdoc IAgentStaking
    bytes32 public constant SLASHER_ROLE = keccak256("SLASHER_ROLE");
    uint256 private constant BPS = 10_000;

    /// @inheritdoc IAgentStaking
    IERC20 public immutable stakeToken;
    /// @inheritdoc IAgentStaking
    address public immutable treasury;
    /// @inheritdoc IAgentStaking
    uint64 public immutable cooldownSeconds;
    /// @inheritdoc IAgentStaking
    uint64 public immutable slashDelaySeconds;
    /// @inheritdoc IAgentStaking
    uint16 public immutable maxSlashBps;

    mapping(uint256 agentId => Unstaking) private _unstakings;
    mapping(uint256 agentId => SlashProposal) private _slashes;

    constructor(
        IERC20 stakeToken_,
        address admin,
        address treasury_,
        uint64 cooldown_s,
        uint64 slashDelay_s,
        uint16 maxSlashBps_
    ) {
        bool missing =
            address(stakeToken_) == address(0) || admin == address(0) || treasury_ == address(0);
        if (missing || maxSlashBps_ > BPS) revert InvalidConfiguration();
        stakeToken = stakeToken_;
        treasury = treasury_;
        cooldownSeconds = cooldown_s;
        slashDelaySeconds = slashDelay_s;
        maxSlashBps = maxSlashBps_;
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
    }

    /// @inheritdoc IAgentStaking
    function stake(bytes32 agentKey, uint256 amount) external nonReentrant {
        _stake(_agentOf(agentKey), msg.sender, amount);
    }

    /// @inheritdoc IAgentStaking
    function stakeFor(StakeDeposit calldata deposit, bytes calldata signature) external nonReentrant {
        Agent storage agent = _agentOf(deposit.agentKey);
        _stakeFor(agent, _ownerOf(agent.id), deposit, signature);
    }

    /// @inheritdoc IAgentStaking
    function stakeForWithPermit(StakeDeposit calldata deposit, bytes calldata signature, Permit calldata permit)
        external
        nonReentrant
    {
        Agent storage agent = _agentOf(deposit.agentKey);
        address owner = _ownerOf(agent.id);
        Tokens.tryPermit(stakeToken, owner, permit);
        _stakeFor(agent, owner, deposit, signature);
    }

    /// @inheritdoc IAgentStaking
    function requestUnstake(bytes32 agentKey, uint256 amount) external {
        Agent storage agent = _agentOf(agentKey);
        _requireAuthorized(agent.id);
        _requestUnstake(agent, amount);
    }

    /// @inheritdoc IAgentStaking
    function requestUnstakeFor(UnstakeRequest calldata request, bytes calldata signature) external {
        Agent storage agent = _agentOf(request.agentKey);
        _useSignature(_ownerOf(agent.id), request.nonce, request.deadline, AgentMessages.hash(request), signature);
        _requestUnstake(agent, request.amount);
    }

    /// @inheritdoc IAgentStaking
    function withdraw(bytes32 agentKey) external nonReentrant {
        Agent storage agent = _agentOf(agentKey);
        uint256 id = agent.id;
        Unstaking storage unstaking = _unstakings[id];
        if (block.timestamp < unstaking.readyAt) revert NotReady(unstaking.readyAt);
        uint256 amount = Math.min(unstaking.amount, _atRisk(agent) - _slashes[id].amount);
        if (amount == 0) revert NothingToWithdraw();
        address owner = _ownerOf(id);
        unstaking.amount -= amount.toUint128();
        emit Withdrawn(id, owner, amount);
        stakeToken.safeTransfer(owner, amount);
    }

    /// @inheritdoc IAgentStaking
    function proposeSlash(bytes32 agentKey, uint256 amount, bytes32 reasonHash) external onlyRole(SLASHER_ROLE) {
        Agent storage agent = _agentOf(agentKey);
        if (amount == 0) revert ZeroAmount();
        if (_slashes[agent.id].amount != 0) revert SlashPending(agent.id);
        uint256 cap = _atRisk(agent) * maxSlashBps / BPS;
        if (amount > cap) revert SlashAboveCap(amount, cap);
        uint64 executableAt = uint64(block.timestamp) + slashDelaySeconds;
        _slashes[agent.id] = SlashProposal(amount.toUint128(), executableAt, reasonHash);
        emit SlashProposed(agent.id, msg.sender, amount, reasonHash, executableAt);
    }

    /// @inheritdoc IAgentStaking
    function executeSlash(bytes32 agentKey) external nonReentrant {
        Agent storage agent = _agentOf(agentKey);
        SlashProposal memory slash = _takeSlash(agent.id);
        if (block.timestamp < slash.executableAt) revert NotReady(slash.executableAt);
        _deduct(agent, slash.amount);
        emit Slashed(agent.id, slash.amount, slash.reasonHash);
        stakeToken.safeTransfer(treasury, slash.amount);
    }

    /// @inheritdoc IAgentStaking
    function cancelSlash(bytes32 agentKey) external onlyRole(DEFAULT_ADMIN_ROLE) {
        uint256 id = _agentOf(agentKey).id;
        SlashProposal memory slash = _takeSlash(id);
        emit SlashCancelled(id, slash.amount, slash.reasonHash);
    }

    /// @inheritdoc IAgentStaking
    function unstakingOf(bytes32 agentKey) external view returns (uint256 amount, uint64 readyAt) {
        Unstaking storage unstaking = _unstakings[_agentOf(agentKey).id];
        return (unstaking.amount, unstaking.readyAt);
    }

    /// @inheritdoc IAgentStaking
    function slashOf(bytes32 agentKey) external view returns (SlashProposal memory) {
        return _slashes[_agentOf(agentKey).id];
    }

    /// @notice ERC-165: what {AgentIdentity} supports, access control, directory and staking.
    function supportsInterface(bytes4 interfaceId) public view override(AgentIdentity, AccessControl) returns (bool) {
        return interfaceId == type(IAgentDirectory).interfaceId || interfaceId == type(IAgentStaking).interfaceId
            || super.supportsInterface(interfaceId);
    }

    function _setStake(Agent storage agent, uint256 amount) internal {
        agent.stake = amount.toUint128();
        emit StakeChanged(agent.id, amount);
    }

    /// @dev Keeps the treasury out of the role that fills it.
    function _grantRole(bytes32 role, address account) internal override returns (bool) {
        if (role == SLASHER_ROLE && account == treasury) revert TreasuryCannotSlash();
        return super._grantRole(role, account);
    }

    function _stakeFor(Agent storage agent, address owner, StakeDeposit calldata deposit, bytes calldata signature)
        private
    {
        _useSignature(owner, deposit.nonce, deposit.deadline, AgentMessages.hash(deposit), signature);
        _stake(agent, owner, deposit.amount);
    }

    function _stake(Agent storage agent, address payer, uint256 amount) private {
        if (amount == 0) revert ZeroAmount();
        _setStake(agent, agent.stake + amount);
        Tokens.pull(stakeToken, payer, amount);
    }

    function _requestUnstake(Agent storage agent, uint256 amount) private {
        if (amount == 0) revert ZeroAmount();
        if (amount > agent.stake) revert InsufficientStake(amount, agent.stake);
        Unstaking storage unstaking = _unstakings[agent.id];
        unstaking.amount += uint128(amount);
        unstaking.readyAt = uint64(block.timestamp) + cooldownSeconds;
        _setStake(agent, agent.stake - amount);
        emit UnstakeRequested(agent.id, unstaking.amount, unstaking.readyAt);
    }

    /// @dev Bonded stake goes first: it is what ranks the agent.
    function _deduct(Agent storage agent, uint256 amount) private {
        uint256 bonded = Math.min(agent.stake, amount);
        _setStake(agent, agent.stake - bonded);
        _unstakings[agent.id].amount -= uint128(amount - bonded);
    }

    function _takeSlash(uint256 agentId) private returns (SlashProposal memory slash) {
        slash = _slashes[agentId];
        if (slash.amount == 0) revert NoSlashPending(agentId);
        delete _slashes[agentId];
    }

    /// @dev All that a slash may reach: asking to leave is no way out.
    function _atRisk(Agent storage agent) private view returns (uint256) {
        return uint256(agent.stake) + _unstakings[agent.id].amount;
    }
}
