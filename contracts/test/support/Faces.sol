// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";
import {IERC3009, IERC3009Cancel} from "@openzeppelin/contracts/interfaces/draft-IERC3009.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {IERC721Metadata} from "@openzeppelin/contracts/token/ERC721/extensions/IERC721Metadata.sol";

import {IAgentDirectory} from "../../src/interfaces/IAgentDirectory.sol";
import {IAgentStaking} from "../../src/interfaces/IAgentStaking.sol";
import {IERC8004Identity} from "../../src/interfaces/IERC8004Identity.sol";
import {IMeshEscrow} from "../../src/interfaces/IMeshEscrow.sol";
import {IMeshToken} from "../../src/interfaces/IMeshToken.sol";

// The contracts as callers see them. Tests know no more than this, and so they are compiled apart from the contracts:
// without the optimizer, in a fraction of the time.

interface TokenFace is IERC20Metadata, IERC20Permit, IERC3009, IERC3009Cancel, IMeshToken {}

interface RegistryFace is IERC721Metadata, IERC8004Identity, IAgentDirectory, IAgentStaking, IAccessControl, IERC5267 {
    function nonces(address owner) external view returns (uint256);
}

interface EscrowFace is IMeshEscrow, IAccessControl, IERC5267 {}
