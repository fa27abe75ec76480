// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title IpfsUri
/// @notice Keeps the seven bytes `ipfs://` out of storage; they would push a CID into one more slot.
library IpfsUri {
    bytes7 private constant SCHEME = "ipfs://";

    /// @notice Takes the scheme off a URI that has it, and returns any other URI whole.
    function split(string memory uri) internal pure returns (bool onIpfs, string memory location) {
        bytes memory raw = bytes(uri);
        if (bytes7(raw) != SCHEME) return (false, uri);
        bytes memory rest = new bytes(raw.length - 7);
        assembly ("memory-safe") {
            mcopy(add(rest, 0x20), add(raw, 0x27), mload(rest))
        }
        return (true, string(rest));
    }

    /// @notice The inverse of {split}.
    function join(bool onIpfs, string memory location) internal pure returns (string memory uri) {
        return onIpfs ? string.concat("ipfs://", location) : location;
    }
}
