// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ActiveUpdate} from "../types/ActiveUpdate.sol";
import {AgentUpdate} from "../types/AgentUpdate.sol";
import {AgentView} from "../types/AgentView.sol";
import {Permit} from "../types/Permit.sol";
import {Registration} from "../types/Registration.sol";

/// @title IAgentDirectory
/// @notice What the mesh adds to ERC-8004: names, capabilities, versions, and a relay for every owner's wish.
/// @dev The `…For` functions take the owner's EIP-712 signature and may be submitted by anyone. They share one domain
///      with ERC-8004's wallet consent (`eip712Domain()`) and one sequence of nonces per owner (`nonces(owner)`).
interface IAgentDirectory {
    /// @notice An agent exists now, whichever way it was registered.
    /// @param did Empty for agents that came through plain ERC-8004.
    /// @param ipfsHash Empty when the agent's URI is not an `ipfs://` one.
    /// @param stake Base units of the stake token.
    event AgentRegistered(
        bytes32 indexed agentKey,
        uint256 indexed agentId,
        address indexed owner,
        string did,
        string ipfsHash,
        uint256 stake
    );

    /// @notice From `version` on the agent offers exactly these capabilities.
    event CapabilitiesSet(uint256 indexed agentId, uint64 version, bytes32[] capabilities);

    /// @notice The agent was updated; its URI is in the {IERC8004Identity-URIUpdated} next to this event.
    event AgentUpdated(uint256 indexed agentId, uint64 version, string ipfsHash);

    /// @notice The agent was switched on or off.
    event AgentActiveSet(uint256 indexed agentId, uint64 version, bool active);

    /// @notice No agent has this key.
    error AgentNotFound(bytes32 agentKey);

    /// @notice Another agent has this key.
    error AgentKeyTaken(bytes32 agentKey);

    /// @notice Keys below 2^192 belong to agents that were registered without one.
    error AgentKeyReserved(bytes32 agentKey);

    /// @notice Somebody else changed the agent in between: read it again.
    error VersionMismatch(uint64 expected, uint64 actual);

    /// @notice A text is shorter or longer (in bytes) than allowed.
    error LengthOutOfRange(uint256 length, uint256 min, uint256 max);

    /// @notice An agent offers 32 capabilities at most.
    error TooManyCapabilities(uint256 count, uint256 max);

    /// @notice Capabilities must be non-zero and strictly ascending; that also makes them unique.
    error CapabilitiesNotSorted();

    /// @notice Registers an agent of the caller and pulls its stake by allowance.
    /// @param agentKey The agent's name, hashed by the caller; at least 2^192, first come first served.
    /// @param did Decentralised identifier, 0 to 256 bytes; fixed for good.
    /// @param ipfsHash CID of the registration file, 1 to 128 bytes.
    /// @param stakeAmount Base units of the stake token, may be 0.
    /// @param capabilities Hashes of capability names, strictly ascending, at most 32.
    /// @return agentId ERC-721 token id, sequential from 1.
    function registerAgent(
        bytes32 agentKey,
        string calldata did,
        string calldata ipfsHash,
        uint256 stakeAmount,
        bytes32[] calldata capabilities
    ) external returns (uint256 agentId);

    /// @notice Registers an agent for `registration.owner`, who signed it and whose allowance pays the stake.
    function registerFor(Registration calldata registration, bytes calldata signature)
        external
        returns (uint256 agentId);

    /// @notice As {registerFor}, with the allowance for the stake in the same transaction (ERC-2612).
    /// @dev A permit that fails is ignored: whoever submits it first must not be able to block the registration.
    function registerForWithPermit(Registration calldata registration, bytes calldata signature, Permit calldata permit)
        external
        returns (uint256 agentId);

    /// @notice Replaces registration file and capabilities of an agent.
    /// @param expectedVersion The version that the caller has seen.
    function updateAgent(
        bytes32 agentKey,
        string calldata ipfsHash,
        bytes32[] calldata capabilities,
        uint64 expectedVersion
    ) external;

    /// @notice As {updateAgent}, signed by the owner.
    function updateAgentFor(AgentUpdate calldata update, bytes calldata signature) external;

    /// @notice Switches an agent on or off. One that is off is not found by capability; all else stays.
    /// @param expectedVersion The version that the caller has seen.
    function setActive(bytes32 agentKey, bool active, uint64 expectedVersion) external;

    /// @notice As {setActive}, signed by the owner.
    function setActiveFor(ActiveUpdate calldata update, bytes calldata signature) external;

    /// @notice An agent by key.
    function getAgent(bytes32 agentKey) external view returns (AgentView memory);

    /// @notice One page of the active agents that offer a capability now, oldest offer first.
    /// @dev Reads at most `limit` entries of the index. Entries that no longer count are skipped, so a page may be
    ///      short or even empty before the end: only `nextCursor` tells whether there is more.
    /// @param cursor 0 to begin, then the last `nextCursor`.
    /// @param limit 1 to 100.
    /// @return agentKeys Keys of the agents found.
    /// @return nextCursor 0 at the end.
    function getAgentsByCapability(bytes32 capability, uint256 cursor, uint256 limit)
        external
        view
        returns (bytes32[] memory agentKeys, uint256 nextCursor);

    /// @notice The key of an agent: chosen at registration, or derived below 2^192 from chain, registry and id.
    function agentKeyOf(uint256 agentId) external view returns (bytes32);

    /// @notice The ERC-721 token id of an agent.
    function agentIdOf(bytes32 agentKey) external view returns (uint256);

    /// @notice How many agents there are; their ids are 1 to this number.
    function totalAgents() external view returns (uint256);
}
