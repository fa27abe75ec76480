// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {MetadataEntry} from "../types/MetadataEntry.sol";

/// @title IERC8004Identity
/// @notice The identity registry of ERC-8004 "Trustless Agents", version 2.0.0: same selectors, same topics.
/// @dev Writing needs the owner of the agent, its approved account or an operator (ERC-721), and reverts with
///      `ERC721InsufficientApproval` or `ERC721NonexistentToken` otherwise.
interface IERC8004Identity {
    /// @notice An agent exists now. Take its owner from ERC-721 `Transfer`, which follows this event.
    event Registered(uint256 indexed agentId, string agentURI, address indexed owner);

    /// @notice A metadata value changed; for the key `agentWallet`, 20 bytes or none.
    event MetadataSet(
        uint256 indexed agentId, string indexed indexedMetadataKey, string metadataKey, bytes metadataValue
    );

    /// @notice The agent's URI changed.
    event URIUpdated(uint256 indexed agentId, string newURI, address indexed updatedBy);

    /// @notice `agentWallet` is set by {setAgentWallet} only.
    error ReservedMetadataKey();

    /// @notice The zero address cannot be a wallet; use {unsetAgentWallet}.
    error InvalidWallet();

    /// @notice A wallet's consent may be valid for five minutes at most.
    error DeadlineTooFar(uint256 deadline, uint256 latest);

    /// @notice Registers an agent of the caller without a URI.
    /// @return agentId ERC-721 token id, sequential from 1.
    function register() external returns (uint256 agentId);

    /// @notice Registers an agent of the caller.
    /// @param agentURI Where the registration file is; any scheme, `ipfs://` preferred.
    /// @return agentId ERC-721 token id, sequential from 1.
    function register(string calldata agentURI) external returns (uint256 agentId);

    /// @notice Registers an agent of the caller with metadata.
    /// @return agentId ERC-721 token id, sequential from 1.
    function register(string calldata agentURI, MetadataEntry[] calldata metadata) external returns (uint256 agentId);

    /// @notice Points the agent to another registration file; raises its version.
    function setAgentURI(uint256 agentId, string calldata newURI) external;

    /// @notice Stores a metadata value; an empty one removes it.
    function setMetadata(uint256 agentId, string calldata metadataKey, bytes calldata metadataValue) external;

    /// @notice Makes `newWallet` the address that receives the agent's payments, with that wallet's consent.
    /// @param deadline Unix seconds, at most five minutes ahead.
    /// @param signature EIP-712 `AgentWalletSet(uint256 agentId,address newWallet,address owner,uint256 deadline)` by
    ///        `newWallet`: ECDSA first, then ERC-1271.
    function setAgentWallet(uint256 agentId, address newWallet, uint256 deadline, bytes calldata signature) external;

    /// @notice Leaves the agent without a wallet.
    function unsetAgentWallet(uint256 agentId) external;

    /// @notice A metadata value, empty when there is none. `agentWallet` gives 20 bytes or none.
    function getMetadata(uint256 agentId, string calldata metadataKey) external view returns (bytes memory);

    /// @notice Where the agent is paid: its owner at registration, until somebody changes that; zero after a transfer.
    function getAgentWallet(uint256 agentId) external view returns (address);

    /// @notice Whether `spender` may act for the agent. Reverts when there is no such agent.
    function isAuthorizedOrOwner(address spender, uint256 agentId) external view returns (bool);

    /// @notice The version of ERC-8004's reference that this ABI follows.
    function getVersion() external pure returns (string memory);
}
