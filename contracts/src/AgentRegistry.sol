// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {IAgentDirectory} from "./interfaces/IAgentDirectory.sol";
import {AgentMessages} from "./libraries/AgentMessages.sol";
import {Tokens} from "./libraries/Tokens.sol";
import {AgentStaking} from "./registry/AgentStaking.sol";
import {Agent} from "./types/Agent.sol";
import {Permit} from "./types/Permit.sol";
import {Registration} from "./types/Registration.sol";

/// @title AgentRegistry
/// @notice Identity (ERC-8004), capabilities and stake of agents, in one immutable contract.
/// @dev The parts are in `registry/`; here they meet: a registration touches all of them. First it settles the
///      books and announces the agent, then it pulls the stake, and it mints last, because minting runs the owner's code.
contract AgentRegistry is AgentStaking {
    /// @param stakeToken_ ERC-20 token of the stakes; tokens that take a fee on transfer are refused when they do.
    /// @param admin Grants roles and cancels slashes.
    /// @param treasury_ Receives slashed stake; can never be a slasher.
    /// @param cooldown_s Seconds between a request to unstake and the withdrawal.
    /// @param slashDelay_s Seconds between the proposal of a slash and its execution.
    /// @param maxSlashBps_ Most that one slash may take, in hundredths of a percent, at most 10,000.
    constructor(
        IERC20 stakeToken_,
        address admin,
        address treasury_,
        uint64 cooldown_s,
        uint64 slashDelay_s,
        uint16 maxSlashBps_
    ) AgentStaking(stakeToken_, admin, treasury_, cooldown_s, slashDelay_s, maxSlashBps_) {}

    /// @inheritdoc IAgentDirectory
    function registerAgent(
        bytes32 agentKey,
        string calldata did,
        string calldata ipfsHash,
        uint256 stakeAmount,
        bytes32[] calldata capabilities
    ) external nonReentrant returns (uint256) {
        return _register(msg.sender, agentKey, did, ipfsHash, stakeAmount, capabilities);
    }

    /// @inheritdoc IAgentDirectory
    function registerFor(Registration calldata registration, bytes calldata signature)
        external
        nonReentrant
        returns (uint256)
    {
        return _registerFor(registration, signature);
    }

    /// @inheritdoc IAgentDirectory
    function registerForWithPermit(Registration calldata registration, bytes calldata signature, Permit calldata permit)
        external
        nonReentrant
        returns (uint256)
    {
        Tokens.tryPermit(stakeToken, registration.owner, permit);
        return _registerFor(registration, signature);
    }

    function _registerFor(Registration calldata registration, bytes calldata signature) private returns (uint256) {
        _useSignature(
            registration.owner, registration.nonce, registration.deadline, AgentMessages.hash(registration), signature
        );
        return _register(
            registration.owner,
            registration.agentKey,
            registration.did,
            registration.ipfsHash,
            registration.stake,
            registration.capabilities
        );
    }

    function _register(
        address owner,
        bytes32 agentKey,
        string calldata did,
        string calldata ipfsHash,
        uint256 stakeAmount,
        bytes32[] calldata capabilities
    ) private returns (uint256 agentId) {
        Agent storage agent = _newChosen(agentKey);
        agentId = agent.id;
        _describe(agent, did, ipfsHash);
        _announce(agent, agentKey, owner, stakeAmount);
        _offer(agent, capabilities);
        if (stakeAmount != 0) _setStake(agent, stakeAmount);
        Tokens.pull(stakeToken, owner, stakeAmount);
        _safeMint(owner, agentId);
    }
}
