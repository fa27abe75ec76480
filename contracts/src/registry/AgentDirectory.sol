// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IAgentDirectory} from "../interfaces/IAgentDirectory.sol";
import {AgentMessages} from "../libraries/AgentMessages.sol";
import {CapabilityIndex} from "../libraries/CapabilityIndex.sol";
import {Paging} from "../libraries/Paging.sol";
import {ActiveUpdate} from "../types/ActiveUpdate.sol";
import {Agent} from "../types/Agent.sol";
import {AgentUpdate} from "../types/AgentUpdate.sol";
import {AgentView} from "../types/AgentView.sol";
import {CapabilityList} from "../types/CapabilityList.sol";
import {AgentIdentity} from "./AgentIdentity.sol";

/// @title AgentDirectory
/// @notice Versioned updates, and discovery by capability for clients that trust no indexer.
abstract contract AgentDirectory is AgentIdentity {
    using CapabilityIndex for CapabilityList;

    uint256 private constant MAX_CAPABILITIES = 32;
    uint256 private constant MAX_DID_BYTES = 256;
    uint256 private constant MAX_IPFS_HASH_BYTES = 128;
    uint256 private constant MAX_PAGE = 100;

    mapping(bytes32 capability => CapabilityList) private _offers;

    /// @inheritdoc IAgentDirectory
    function updateAgent(
        bytes32 agentKey,
        string calldata ipfsHash,
        bytes32[] calldata capabilities,
        uint64 expectedVersion
    ) external {
        Agent storage agent = _agentOf(agentKey);
        _requireAuthorized(agent.id);
        _updateAgent(agent, ipfsHash, capabilities, expectedVersion, msg.sender);
    }

    /// @inheritdoc IAgentDirectory
    function updateAgentFor(AgentUpdate calldata update, bytes calldata signature) external {
        Agent storage agent = _agentOf(update.agentKey);
        address owner = _ownerOf(agent.id);
        _useSignature(owner, update.nonce, update.deadline, AgentMessages.hash(update), signature);
        _updateAgent(agent, update.ipfsHash, update.capabilities, update.expectedVersion, owner);
    }

    /// @inheritdoc IAgentDirectory
    function setActive(bytes32 agentKey, bool active, uint64 expectedVersion) external {
        Agent storage agent = _agentOf(agentKey);
        _requireAuthorized(agent.id);
        _setActive(agent, active, expectedVersion);
    }

    /// @inheritdoc IAgentDirectory
    function setActiveFor(ActiveUpdate calldata update, bytes calldata signature) external {
        Agent storage agent = _agentOf(update.agentKey);
        _useSignature(_ownerOf(agent.id), update.nonce, update.deadline, AgentMessages.hash(update), signature);
        _setActive(agent, update.active, update.expectedVersion);
    }

    /// @inheritdoc IAgentDirectory
    function getAgent(bytes32 agentKey) external view returns (AgentView memory) {
        Agent storage agent = _agentOf(agentKey);
        return AgentView({
            agentId: agent.id,
            agentKey: agentKey,
            owner: _ownerOf(agent.id),
            did: agent.did,
            ipfsHash: _ipfsHashOf(agent),
            stake: agent.stake,
            version: agent.version,
            active: agent.active,
            registeredAt: agent.registeredAt
        });
    }

    /// @inheritdoc IAgentDirectory
    function getAgentsByCapability(bytes32 capability, uint256 cursor, uint256 limit)
        external
        view
        returns (bytes32[] memory agentKeys, uint256 nextCursor)
    {
        CapabilityList storage list = _offers[capability];
        uint256 end;
        (end, nextCursor) = Paging.bounds(cursor, limit, MAX_PAGE, list.length());
        agentKeys = _offersBetween(list, cursor, end);
    }

    /// @dev Stores who a new agent is and where its registration file is.
    function _describe(Agent storage agent, string calldata did, string calldata ipfsHash) internal {
        _checkLength(bytes(did).length, 0, MAX_DID_BYTES);
        _checkLength(bytes(ipfsHash).length, 1, MAX_IPFS_HASH_BYTES);
        agent.did = did;
        agent.onIpfs = true;
        agent.location = ipfsHash;
    }

    /// @dev Indexes a changed set under the agent's present version, which voids the entries of the last one.
    function _offer(Agent storage agent, bytes32[] calldata capabilities) internal {
        if (capabilities.length > MAX_CAPABILITIES) revert TooManyCapabilities(capabilities.length, MAX_CAPABILITIES);
        bytes16 digest = _digest(capabilities);
        if (digest == agent.capabilitiesDigest) return;
        (uint32 id, uint32 version) = (agent.id, agent.version);
        agent.capabilitiesDigest = digest;
        agent.capabilitiesVersion = version;
        bytes32 last;
        for (uint256 i; i < capabilities.length; ++i) {
            if (capabilities[i] <= last) revert CapabilitiesNotSorted();
            last = capabilities[i];
            _offers[last].push(id, version);
        }
        emit CapabilitiesSet(id, version, capabilities);
    }

    function _updateAgent(
        Agent storage agent,
        string calldata ipfsHash,
        bytes32[] calldata capabilities,
        uint64 expectedVersion,
        address by
    ) private {
        _checkLength(bytes(ipfsHash).length, 1, MAX_IPFS_HASH_BYTES);
        _nextVersion(agent, expectedVersion);
        _offer(agent, capabilities);
        _relocate(agent, true, ipfsHash, by);
    }

    function _setActive(Agent storage agent, bool active, uint64 expectedVersion) private {
        uint64 version = _nextVersion(agent, expectedVersion);
        agent.active = active;
        emit AgentActiveSet(agent.id, version, active);
    }

    function _nextVersion(Agent storage agent, uint64 expected) private returns (uint64) {
        if (agent.version != expected) revert VersionMismatch(expected, agent.version);
        return _raiseVersion(agent);
    }

    function _offersBetween(CapabilityList storage list, uint256 from, uint256 to)
        private
        view
        returns (bytes32[] memory agentKeys)
    {
        agentKeys = new bytes32[](to - from);
        uint256 found;
        for (uint256 i = from; i < to; ++i) {
            (uint32 id, uint32 version) = list.entryAt(i);
            Agent storage agent = _agentById(id);
            if (agent.active && agent.capabilitiesVersion == version) agentKeys[found++] = _keyOf(id);
        }
        assembly ("memory-safe") {
            mstore(agentKeys, found) // found <= to - from: only shortens
        }
    }

    /// @dev Zero for the empty set, as in a fresh record: without capabilities nothing is written.
    function _digest(bytes32[] calldata capabilities) private pure returns (bytes16) {
        return capabilities.length == 0 ? bytes16(0) : bytes16(keccak256(abi.encodePacked(capabilities)));
    }

    function _checkLength(uint256 length, uint256 min, uint256 max) private pure {
        if (length < min || length > max) revert LengthOutOfRange(length, min, max);
    }
}
