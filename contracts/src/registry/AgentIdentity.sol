// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC4906} from "@openzeppelin/contracts/interfaces/IERC4906.sol";
import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";

import {IERC8004Identity} from "../interfaces/IERC8004Identity.sol";
import {AgentMessages} from "../libraries/AgentMessages.sol";
import {IpfsUri} from "../libraries/IpfsUri.sol";
import {Agent} from "../types/Agent.sol";
import {MetadataEntry} from "../types/MetadataEntry.sol";
import {WalletState} from "../types/WalletState.sol";
import {AgentStore} from "./AgentStore.sol";

/// @title AgentIdentity
/// @notice ERC-8004's identity registry: every agent is an ERC-721 token with a URI, metadata and a wallet.
/// @dev Unlike the reference, a new agent is complete and announced before its owner's code may run: minting comes last.
abstract contract AgentIdentity is AgentStore, IERC4906, IERC8004Identity {
    string private constant WALLET_KEY = "agentWallet";
    uint256 private constant MAX_CONSENT_SECONDS = 5 minutes;

    mapping(uint256 agentId => mapping(string metadataKey => bytes)) private _metadata;
    mapping(uint256 agentId => address) private _chosenWallets;

    constructor() ERC721("AgentIdentity", "AGENT") EIP712("ERC8004IdentityRegistry", "1") {}

    /// @inheritdoc IERC8004Identity
    function register() external returns (uint256) {
        return _registerPlain("", new MetadataEntry[](0));
    }

    /// @inheritdoc IERC8004Identity
    function register(string calldata agentURI) external returns (uint256) {
        return _registerPlain(agentURI, new MetadataEntry[](0));
    }

    /// @inheritdoc IERC8004Identity
    function register(string calldata agentURI, MetadataEntry[] calldata metadata) external returns (uint256) {
        return _registerPlain(agentURI, metadata);
    }

    /// @inheritdoc IERC8004Identity
    function setAgentURI(uint256 agentId, string calldata newURI) external {
        _requireAuthorized(agentId);
        Agent storage agent = _agentById(agentId);
        _raiseVersion(agent);
        (bool onIpfs, string memory location) = IpfsUri.split(newURI);
        _relocate(agent, onIpfs, location, msg.sender);
    }

    /// @inheritdoc IERC8004Identity
    function setMetadata(uint256 agentId, string calldata metadataKey, bytes calldata metadataValue) external {
        _requireAuthorized(agentId);
        _setMetadata(agentId, metadataKey, metadataValue);
    }

    /// @inheritdoc IERC8004Identity
    function setAgentWallet(uint256 agentId, address newWallet, uint256 deadline, bytes calldata signature) external {
        _requireAuthorized(agentId);
        if (newWallet == address(0)) revert InvalidWallet();
        if (block.timestamp > deadline) revert DeadlinePassed(deadline);
        uint256 latest = block.timestamp + MAX_CONSENT_SECONDS;
        if (deadline > latest) revert DeadlineTooFar(deadline, latest);
        bytes32 consent = AgentMessages.walletSet(agentId, newWallet, _ownerOf(agentId), deadline);
        _checkSignature(newWallet, consent, signature);
        _chosenWallets[agentId] = newWallet;
        _setWalletState(agentId, WalletState.Chosen, abi.encodePacked(newWallet));
    }

    /// @inheritdoc IERC8004Identity
    function unsetAgentWallet(uint256 agentId) external {
        _requireAuthorized(agentId);
        _setWalletState(agentId, WalletState.Cleared, "");
    }

    /// @inheritdoc IERC8004Identity
    function getMetadata(uint256 agentId, string calldata metadataKey) external view returns (bytes memory) {
        if (!_isWalletKey(metadataKey)) return _metadata[agentId][metadataKey];
        address wallet = getAgentWallet(agentId);
        return wallet == address(0) ? bytes("") : abi.encodePacked(wallet);
    }

    /// @inheritdoc IERC8004Identity
    function isAuthorizedOrOwner(address spender, uint256 agentId) external view returns (bool) {
        return _isAuthorized(_requireOwned(agentId), spender, agentId);
    }

    /// @inheritdoc IERC8004Identity
    function getVersion() external pure returns (string memory) {
        return "2.0.0";
    }

    /// @inheritdoc IERC8004Identity
    function getAgentWallet(uint256 agentId) public view returns (address) {
        WalletState state = _agentById(agentId).walletState;
        if (state == WalletState.Owner) return _ownerOf(agentId);
        return state == WalletState.Chosen ? _chosenWallets[agentId] : address(0);
    }

    /// @notice The agent's URI (ERC-721).
    function tokenURI(uint256 agentId) public view override returns (string memory) {
        _requireOwned(agentId);
        return _uriOf(_agentById(agentId));
    }

    /// @notice ERC-165: ERC-721 with metadata and metadata updates (ERC-4906), and ERC-8004's identity functions.
    function supportsInterface(bytes4 interfaceId) public view virtual override(ERC721, IERC165) returns (bool) {
        // ERC-4906 defines its id by hand, because an interface of events alone has none.
        return interfaceId == bytes4(0x49064906) || interfaceId == type(IERC8004Identity).interfaceId
            || super.supportsInterface(interfaceId);
    }

    /// @dev Announces a new record, before anything else is said of it and before foreign code can run.
    function _announce(Agent storage agent, bytes32 agentKey, address owner, uint256 stakeAmount) internal {
        emit Registered(agent.id, _uriOf(agent), owner);
        emit MetadataSet(agent.id, WALLET_KEY, WALLET_KEY, abi.encodePacked(owner));
        emit AgentRegistered(agentKey, agent.id, owner, agent.did, _ipfsHashOf(agent), stakeAmount);
    }

    /// @dev Moves an agent whose version has been raised to another registration file.
    function _relocate(Agent storage agent, bool onIpfs, string memory location, address by) internal {
        agent.onIpfs = onIpfs;
        agent.location = location;
        emit URIUpdated(agent.id, _uriOf(agent), by);
        emit MetadataUpdate(agent.id);
        emit AgentUpdated(agent.id, agent.version, _ipfsHashOf(agent));
    }

    function _ipfsHashOf(Agent storage agent) internal view returns (string memory) {
        return agent.onIpfs ? agent.location : "";
    }

    /// @dev A wallet's consent was given to the owner who sells, not to the one who buys.
    function _update(address to, uint256 agentId, address auth) internal override returns (address) {
        if (_ownerOf(agentId) != address(0)) _setWalletState(agentId, WalletState.Cleared, "");
        return super._update(to, agentId, auth);
    }

    function _registerPlain(string memory agentURI, MetadataEntry[] memory metadata) private returns (uint256 agentId) {
        (bytes32 agentKey, Agent storage agent) = _newDerived();
        agentId = agent.id;
        (agent.onIpfs, agent.location) = IpfsUri.split(agentURI);
        _announce(agent, agentKey, msg.sender, 0);
        for (uint256 i; i < metadata.length; ++i) {
            _setMetadata(agentId, metadata[i].metadataKey, metadata[i].metadataValue);
        }
        _safeMint(msg.sender, agentId);
    }

    function _setMetadata(uint256 agentId, string memory metadataKey, bytes memory metadataValue) private {
        if (_isWalletKey(metadataKey)) revert ReservedMetadataKey();
        _metadata[agentId][metadataKey] = metadataValue;
        emit MetadataSet(agentId, metadataKey, metadataKey, metadataValue);
    }

    function _setWalletState(uint256 agentId, WalletState state, bytes memory wallet) private {
        _agentById(agentId).walletState = state;
        emit MetadataSet(agentId, WALLET_KEY, WALLET_KEY, wallet);
    }

    function _uriOf(Agent storage agent) private view returns (string memory) {
        return IpfsUri.join(agent.onIpfs, agent.location);
    }

    function _isWalletKey(string memory metadataKey) private pure returns (bool) {
        return keccak256(bytes(metadataKey)) == keccak256(bytes(WALLET_KEY));
    }
}
