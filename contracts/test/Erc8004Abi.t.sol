// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";

import {IAgentDirectory} from "../src/interfaces/IAgentDirectory.sol";
import {IAgentStaking} from "../src/interfaces/IAgentStaking.sol";
import {IERC8004Identity} from "../src/interfaces/IERC8004Identity.sol";
import {IERC8004Reputation} from "../src/interfaces/IERC8004Reputation.sol";
import {IERC8004Validation} from "../src/interfaces/IERC8004Validation.sol";
import {MetadataEntry} from "../src/types/MetadataEntry.sol";
import {MeshTest} from "./support/MeshTest.sol";

/// @notice The wire names of ERC-8004 v2.0.0 as literals: clients of the reference must find them here unchanged.
contract Erc8004AbiTest is MeshTest {
    function test_identitySelectors() external {
        assertEq(bytes32(IERC8004Identity.setAgentURI.selector), bytes32(bytes4(0x0af28bd3)));
        assertEq(bytes32(IERC8004Identity.getMetadata.selector), bytes32(bytes4(0xcb4799f2)));
        assertEq(bytes32(IERC8004Identity.setMetadata.selector), bytes32(bytes4(0x466648da)));
        assertEq(bytes32(IERC8004Identity.getAgentWallet.selector), bytes32(bytes4(0x00339509)));
        assertEq(bytes32(IERC8004Identity.setAgentWallet.selector), bytes32(bytes4(0x2d1ef5ae)));
        assertEq(bytes32(IERC8004Identity.unsetAgentWallet.selector), bytes32(bytes4(0x3fddcf19)));
        assertEq(bytes32(IERC8004Identity.isAuthorizedOrOwner.selector), bytes32(bytes4(0xd95e72be)));
        assertEq(bytes32(IERC8004Identity.getVersion.selector), bytes32(bytes4(0x0d8e6e2c)));
    }

    /// @dev Overloads have no `.selector`, so they are called by it.
    function test_registerSelectors() external {
        MetadataEntry[] memory metadata = new MetadataEntry[](1);
        metadata[0] = MetadataEntry("name", "Ada");
        _register(abi.encodePacked(bytes4(0x1aa3a008)), 1);
        _register(abi.encodeWithSelector(0xf2c298be, "https://a.example"), 2);
        _register(abi.encodeWithSelector(0x8ea42286, "https://a.example", metadata), 3);
        assertEq(registry.getMetadata(3, "name"), "Ada");
    }

    function test_reputationSelectors() external {
        assertEq(bytes32(IERC8004Reputation.giveFeedback.selector), bytes32(bytes4(0x3c036a7e)));
        assertEq(bytes32(IERC8004Reputation.revokeFeedback.selector), bytes32(bytes4(0x4ab3ca99)));
        assertEq(bytes32(IERC8004Reputation.appendResponse.selector), bytes32(bytes4(0xc2349ab2)));
        assertEq(bytes32(IERC8004Reputation.getSummary.selector), bytes32(bytes4(0x81bbba58)));
        assertEq(bytes32(IERC8004Reputation.readFeedback.selector), bytes32(bytes4(0x232b0810)));
        assertEq(bytes32(IERC8004Reputation.readAllFeedback.selector), bytes32(bytes4(0xd9d84224)));
        assertEq(bytes32(IERC8004Reputation.getResponseCount.selector), bytes32(bytes4(0x6e04cacd)));
        assertEq(bytes32(IERC8004Reputation.getClients.selector), bytes32(bytes4(0x42dd519c)));
        assertEq(bytes32(IERC8004Reputation.getLastIndex.selector), bytes32(bytes4(0xf2d81759)));
        assertEq(bytes32(IERC8004Reputation.getIdentityRegistry.selector), bytes32(bytes4(0xbc4d861b)));
        assertEq(bytes32(IERC8004Reputation.getVersion.selector), bytes32(bytes4(0x0d8e6e2c)));
    }

    function test_validationSelectors() external {
        assertEq(
            bytes32(IERC8004Validation.validationRequest.selector),
            _selector("validationRequest(address,uint256,string,bytes32)")
        );
        assertEq(
            bytes32(IERC8004Validation.validationResponse.selector),
            _selector("validationResponse(bytes32,uint8,string,bytes32,string)")
        );
        assertEq(bytes32(IERC8004Validation.getValidationStatus.selector), _selector("getValidationStatus(bytes32)"));
        assertEq(bytes32(IERC8004Validation.getSummary.selector), _selector("getSummary(uint256,address[],string)"));
        assertEq(bytes32(IERC8004Validation.getAgentValidations.selector), _selector("getAgentValidations(uint256)"));
        assertEq(bytes32(IERC8004Validation.getValidatorRequests.selector), _selector("getValidatorRequests(address)"));
        assertEq(bytes32(IERC8004Validation.getIdentityRegistry.selector), bytes32(bytes4(0xbc4d861b)));
        assertEq(bytes32(IERC8004Validation.getVersion.selector), bytes32(bytes4(0x0d8e6e2c)));
    }

    function test_validationTopics() external {
        assertEq(
            IERC8004Validation.ValidationRequest.selector,
            keccak256("ValidationRequest(address,uint256,string,bytes32)")
        );
        assertEq(
            IERC8004Validation.ValidationResponse.selector,
            keccak256("ValidationResponse(address,uint256,bytes32,uint8,string,bytes32,string)")
        );
    }

    function test_topics() external {
        assertEq(
            IERC8004Identity.Registered.selector, 0xca52e62c367d81bb2e328eb795f7c7ba24afb478408a26c0e201d155c449bc4a
        );
        assertEq(
            IERC8004Identity.MetadataSet.selector, 0x2c149ed548c6d2993cd73efe187df6eccabe4538091b33adbd25fafdb8a1468b
        );
        assertEq(
            IERC8004Identity.URIUpdated.selector, 0x3a2c7fffc2cba7582c690e3b82c453ea02a308326a98a3ad7576c606336409fb
        );
        assertEq(
            IERC8004Reputation.NewFeedback.selector, 0x6a4a61743519c9d648a14e6493f47dbe3ff1aa29e7785c96c8326a205e58febc
        );
        assertEq(
            IERC8004Reputation.FeedbackRevoked.selector,
            0x25156fd3288212246d8b008d5921fde376c71ed14ac2e072a506eb06fde6d09d
        );
        assertEq(
            IERC8004Reputation.ResponseAppended.selector,
            0xb1c6be0b5b8aef6539e2fac0fd131a2faa7b49edf8e505b5eb0ad487d56051d4
        );
    }

    function test_versionsOfTheReference() external {
        assertEq(registry.getVersion(), "2.0.0");
        assertEq(reputation.getVersion(), "2.0.0");
        assertEq(validation.getVersion(), "2.0.0");
        assertEq(validation.getIdentityRegistry(), address(registry));
        assertEq(registry.name(), "AgentIdentity");
        assertEq(registry.symbol(), "AGENT");
        assertEq(reputation.getIdentityRegistry(), address(registry));
    }

    function test_supportsInterface() external {
        assertTrue(registry.supportsInterface(0x01ffc9a7), "ERC-165");
        assertTrue(registry.supportsInterface(type(IERC721).interfaceId), "ERC-721");
        assertTrue(registry.supportsInterface(0x5b5e139f), "ERC-721 metadata");
        assertTrue(registry.supportsInterface(0x49064906), "ERC-4906");
        assertTrue(registry.supportsInterface(0x7965db0b), "access control");
        assertTrue(registry.supportsInterface(type(IERC8004Identity).interfaceId), "ERC-8004 identity");
        assertTrue(registry.supportsInterface(type(IAgentDirectory).interfaceId), "directory");
        assertTrue(registry.supportsInterface(type(IAgentStaking).interfaceId), "staking");
        assertFalse(registry.supportsInterface(0xffffffff));
    }

    function test_domains() external {
        (, string memory name, string memory version, uint256 chainId, address verifier,,) = registry.eip712Domain();
        assertEq(name, "ERC8004IdentityRegistry");
        assertEq(version, "1");
        assertEq(chainId, block.chainid);
        assertEq(verifier, address(registry));
        (, name, version,,,,) = escrow.eip712Domain();
        assertEq(name, "MeshEscrow");
        assertEq(version, "1");
    }

    function _selector(bytes memory signature) private pure returns (bytes32) {
        return bytes32(bytes4(keccak256(signature)));
    }

    function _register(bytes memory data, uint256 expectedId) private {
        vm.prank(alice);
        (bool ok, bytes memory result) = address(registry).call(data);
        assertTrue(ok);
        assertEq(abi.decode(result, (uint256)), expectedId);
        assertEq(registry.ownerOf(expectedId), alice);
    }
}
