// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {IAgentDirectory} from "../interfaces/IAgentDirectory.sol";
import {ISignatureErrors} from "../interfaces/ISignatureErrors.sol";
import {Signatures} from "../libraries/Signatures.sol";
import {Agent} from "../types/Agent.sol";

/// @title AgentStore
/// @notice Where agents are kept, and what every part of the registry asks of them: key, record, permission.
abstract contract AgentStore is ERC721, EIP712, Nonces, ReentrancyGuardTransient, IAgentDirectory, ISignatureErrors {
    /// @dev Derived keys lie below, chosen keys at or above. So nobody can choose the key that a coming agent is going
    ///      to derive and block or impersonate it. A hash falls below by chance once in 2^64.
    uint256 private constant FIRST_CHOSEN_KEY = 1 << 192;

    /// @dev Part of the derived keys; taken once, so that they outlive a change of the chain's id.
    uint256 private immutable _chainId = block.chainid;

    uint32 private _lastId;
    mapping(bytes32 agentKey => Agent) private _agents;
    mapping(uint256 agentId => bytes32 agentKey) private _chosenKeys;

    /// @inheritdoc IAgentDirectory
    function agentKeyOf(uint256 agentId) external view returns (bytes32) {
        _requireOwned(agentId);
        return _keyOf(agentId);
    }

    /// @inheritdoc IAgentDirectory
    function agentIdOf(bytes32 agentKey) external view returns (uint256) {
        return _agentOf(agentKey).id;
    }

    /// @inheritdoc IAgentDirectory
    function totalAgents() external view returns (uint256) {
        return _lastId;
    }

    /// @dev A new record under a key that the caller of the registry chose.
    function _newChosen(bytes32 agentKey) internal returns (Agent storage agent) {
        if (uint256(agentKey) < FIRST_CHOSEN_KEY) revert AgentKeyReserved(agentKey);
        if (_agents[agentKey].id != 0) revert AgentKeyTaken(agentKey);
        agent = _newRecord(agentKey);
        _chosenKeys[agent.id] = agentKey;
    }

    /// @dev A new record under the key that its id derives.
    function _newDerived() internal returns (bytes32 agentKey, Agent storage agent) {
        agentKey = _derivedKey(_lastId + 1);
        agent = _newRecord(agentKey);
    }

    function _newRecord(bytes32 agentKey) private returns (Agent storage agent) {
        agent = _agents[agentKey];
        agent.id = ++_lastId;
        agent.version = 1;
        agent.registeredAt = uint64(block.timestamp);
        agent.active = true;
    }

    /// @dev Counts a change and returns the version it makes.
    function _raiseVersion(Agent storage agent) internal returns (uint32) {
        return ++agent.version;
    }

    /// @dev Checks an owner's signature and uses up its nonce.
    function _useSignature(address owner, uint256 nonce, uint256 deadline, bytes32 structHash, bytes calldata signature)
        internal
    {
        if (block.timestamp > deadline) revert DeadlinePassed(deadline);
        _useCheckedNonce(owner, nonce);
        _checkSignature(owner, structHash, signature);
    }

    function _checkSignature(address signer, bytes32 structHash, bytes calldata signature) internal view {
        if (!Signatures.isValid(signer, _hashTypedDataV4(structHash), signature)) revert InvalidSignature();
    }

    /// @dev Reverts unless the caller is the agent's owner, its approved account or an operator.
    function _requireAuthorized(uint256 agentId) internal view {
        _checkAuthorized(_ownerOf(agentId), msg.sender, agentId);
    }

    function _agentOf(bytes32 agentKey) internal view returns (Agent storage agent) {
        agent = _agents[agentKey];
        if (agent.id == 0) revert AgentNotFound(agentKey);
    }

    function _agentById(uint256 agentId) internal view returns (Agent storage) {
        return _agents[_keyOf(agentId)];
    }

    function _keyOf(uint256 agentId) internal view returns (bytes32 agentKey) {
        agentKey = _chosenKeys[agentId];
        if (agentKey == 0) agentKey = _derivedKey(agentId);
    }

    function _derivedKey(uint256 agentId) private view returns (bytes32) {
        return keccak256(abi.encode(_chainId, address(this), agentId)) >> 64;
    }
}
