// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {Permit} from "../types/Permit.sol";
import {SlashProposal} from "../types/SlashProposal.sol";
import {StakeDeposit} from "../types/StakeDeposit.sol";
import {UnstakeRequest} from "../types/UnstakeRequest.sol";

/// @title IAgentStaking
/// @notice Stake behind an agent: bonded at will, out after a cooldown, slashed by role with cap and delay.
/// @dev The stake belongs to the agent and goes with it when the agent is transferred. All amounts are base units of
///      the stake token; the registry always holds exactly Σ (stake + unstaking).
interface IAgentStaking {
    /// @notice The bonded stake is now `stake`, without what is on its way out.
    event StakeChanged(uint256 indexed agentId, uint256 stake);

    /// @notice `amount` in all is on its way out and may be withdrawn from `readyAt`.
    event UnstakeRequested(uint256 indexed agentId, uint256 amount, uint64 readyAt);

    /// @notice `amount` was paid to the owner.
    event Withdrawn(uint256 indexed agentId, address indexed owner, uint256 amount);

    /// @notice `amount` is frozen and may be slashed from `executableAt`.
    event SlashProposed(
        uint256 indexed agentId, address indexed slasher, uint256 amount, bytes32 reasonHash, uint64 executableAt
    );

    /// @notice `amount` went to the treasury.
    event Slashed(uint256 indexed agentId, uint256 amount, bytes32 reasonHash);

    /// @notice The proposal is void.
    event SlashCancelled(uint256 indexed agentId, uint256 amount, bytes32 reasonHash);

    /// @notice A constructor argument is zero or out of range.
    error InvalidConfiguration();

    /// @notice An amount must not be zero.
    error ZeroAmount();

    /// @notice More is asked for than is bonded.
    error InsufficientStake(uint256 requested, uint256 available);

    /// @notice Not before `readyAt` (Unix seconds).
    error NotReady(uint64 readyAt);

    /// @notice Nothing is on its way out, or all of it is frozen by a proposed slash.
    error NothingToWithdraw();

    /// @notice A slash of this agent waits already.
    error SlashPending(uint256 agentId);

    /// @notice No slash of this agent waits.
    error NoSlashPending(uint256 agentId);

    /// @notice A slash may take `cap` at most now.
    error SlashAboveCap(uint256 amount, uint256 cap);

    /// @notice Who decides about a slash must not gain by it.
    error TreasuryCannotSlash();

    /// @notice Adds to an agent's stake. Anyone may, from their own allowance; it becomes the agent's.
    function stake(bytes32 agentKey, uint256 amount) external;

    /// @notice As {stake}, signed by the agent's owner, from whose allowance it comes.
    function stakeFor(StakeDeposit calldata deposit, bytes calldata signature) external;

    /// @notice As {stakeFor}, after using the owner's ERC-2612 permit, if it still can be used.
    function stakeForWithPermit(StakeDeposit calldata deposit, bytes calldata signature, Permit calldata permit)
        external;

    /// @notice Starts the cooldown for `amount`, and restarts it for what is already on its way out.
    /// @dev For the owner, its approved account or an operator.
    function requestUnstake(bytes32 agentKey, uint256 amount) external;

    /// @notice As {requestUnstake}, signed by the owner.
    function requestUnstakeFor(UnstakeRequest calldata request, bytes calldata signature) external;

    /// @notice Pays what has cooled down, less what a proposed slash freezes, to the agent's owner. Anyone may call.
    function withdraw(bytes32 agentKey) external;

    /// @notice Freezes `amount` for the treasury. Needs `SLASHER_ROLE`; one proposal per agent at a time.
    /// @param amount At most `maxSlashBps` of stake and unstaking together.
    /// @param reasonHash Hash of the evidence.
    function proposeSlash(bytes32 agentKey, uint256 amount, bytes32 reasonHash) external;

    /// @notice Sends a proposal whose delay is over to the treasury. Anyone may call.
    function executeSlash(bytes32 agentKey) external;

    /// @notice Voids a proposal. Needs `DEFAULT_ADMIN_ROLE`.
    function cancelSlash(bytes32 agentKey) external;

    /// @notice What is on its way out, and the Unix second from which it may be withdrawn.
    function unstakingOf(bytes32 agentKey) external view returns (uint256 amount, uint64 readyAt);

    /// @notice The pending proposal; all zero when there is none.
    function slashOf(bytes32 agentKey) external view returns (SlashProposal memory);

    /// @notice The role that may propose slashes.
    function SLASHER_ROLE() external view returns (bytes32);

    /// @notice The ERC-20 token that stakes are in.
    function stakeToken() external view returns (IERC20);

    /// @notice Where slashed stake goes.
    function treasury() external view returns (address);

    /// @notice Seconds between a request to unstake and the withdrawal.
    function cooldownSeconds() external view returns (uint64);

    /// @notice Seconds between the proposal of a slash and its execution.
    function slashDelaySeconds() external view returns (uint64);

    /// @notice The most that one slash may take, in hundredths of a percent of stake and unstaking together.
    function maxSlashBps() external view returns (uint16);
}
