// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {WalletState} from "./WalletState.sol";

/// @notice An agent as it is stored.
/// @dev The first seven fields share one slot, the next two another; registration pays for two slots and two strings.
/// @param id ERC-721 token id, from 1. Zero means that there is no such agent.
/// @param version Rises by one whenever the location, the capabilities or `active` change.
/// @param capabilitiesVersion The version in which the capabilities last changed; stamps their index entries.
/// @param registeredAt Unix seconds.
/// @param onIpfs Whether `location` is the CID of an `ipfs://` URI instead of a whole URI.
/// @param stake Bonded base units of the stake token, without those on their way out.
/// @param capabilitiesDigest First half of the hash of the capabilities; enough to see that they have not changed.
struct Agent {
    uint32 id;
    uint32 version;
    uint32 capabilitiesVersion;
    uint64 registeredAt;
    bool active;
    WalletState walletState;
    bool onIpfs;
    uint128 stake;
    bytes16 capabilitiesDigest;
    string did;
    string location;
}
