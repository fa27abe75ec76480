// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

/// @title Signatures
/// @notice One rule for every signature in the mesh: the account's own key, or else its contract's word (ERC-1271).
library Signatures {
    /// @dev ECDSA goes first, whether or not the signer has code: an account that delegates to code under EIP-7702
    ///      keeps its key, and ERC-8004's reference asks in this order too. A contract without a key cannot be
    ///      recovered by ECDSA, so it falls through to ERC-1271.
    function isValid(address signer, bytes32 digest, bytes memory signature) internal view returns (bool) {
        (address recovered, ECDSA.RecoverError err,) = ECDSA.tryRecover(digest, signature);
        if (err == ECDSA.RecoverError.NoError && recovered == signer) return true;
        return SignatureChecker.isValidERC1271SignatureNow(signer, digest, signature);
    }
}
