// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";

import {IAgentDirectory} from "../src/interfaces/IAgentDirectory.sol";
import {IPagingErrors} from "../src/interfaces/IPagingErrors.sol";
import {ITokenErrors} from "../src/interfaces/ITokenErrors.sol";
import {AgentView} from "../src/types/AgentView.sol";
import {RegistryFace} from "./support/Faces.sol";
import {MeshTest} from "./support/MeshTest.sol";
import {OddToken} from "./support/OddToken.sol";

contract AgentDirectoryTest is MeshTest {
    bytes32 private constant KEY = keccak256("agent");
    bytes32[] private _none;

    event AgentRegistered(
        bytes32 indexed agentKey,
        uint256 indexed agentId,
        address indexed owner,
        string did,
        string ipfsHash,
        uint256 stake
    );
    event CapabilitiesSet(uint256 indexed agentId, uint64 version, bytes32[] capabilities);
    event AgentUpdated(uint256 indexed agentId, uint64 version, string ipfsHash);
    event AgentActiveSet(uint256 indexed agentId, uint64 version, bool active);
    event StakeChanged(uint256 indexed agentId, uint256 stake);

    // ------------------------------------------------------------ registering

    function testFuzz_registerAgent(bytes32 agentKey, uint256 didLength, uint256 hashLength, uint256 stake, uint256 n)
        external
    {
        vm.assume(uint256(agentKey) >= 1 << 192);
        string memory did = filled(bound(didLength, 0, 256));
        string memory hash = filled(bound(hashLength, 1, 128));
        stake = bound(stake, 0, WEALTH);
        bytes32[] memory offers = capabilities("fuzz", bound(n, 0, 32));
        vm.prank(alice);
        uint256 id = registry.registerAgent(agentKey, did, hash, stake, offers);

        AgentView memory agent = registry.getAgent(agentKey);
        assertEq(agent.agentId, id);
        assertEq(agent.agentKey, agentKey);
        assertEq(agent.owner, alice);
        assertEq(agent.did, did);
        assertEq(agent.ipfsHash, hash);
        assertEq(agent.stake, stake);
        assertEq(agent.version, 1);
        assertTrue(agent.active);
        assertEq(agent.registeredAt, START);
        assertEq(registry.tokenURI(id), string.concat("ipfs://", hash));
        assertEq(registry.agentKeyOf(id), agentKey);
        assertEq(token.balanceOf(address(registry)), stake);
        for (uint256 i; i < offers.length; ++i) {
            assertEq(_firstPage(offers[i])[0], agentKey);
        }
    }

    function test_registerAgent_events() external {
        bytes32[] memory offers = capabilities("events", 2);
        vm.expectEmit();
        emit AgentRegistered(KEY, 1, alice, "did:web:a.example", CID, 7);
        vm.expectEmit();
        emit CapabilitiesSet(1, 1, offers);
        vm.expectEmit();
        emit StakeChanged(1, 7);
        vm.prank(alice);
        registry.registerAgent(KEY, "did:web:a.example", CID, 7, offers);
    }

    function test_registerAgent_firstComeFirstServed() external {
        registerAs(alice, "agent");
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(IAgentDirectory.AgentKeyTaken.selector, KEY));
        registry.registerAgent(KEY, "", CID, 0, _none);
    }

    function testFuzz_registerAgent_lowKeysAreReserved(uint192 low) external {
        bytes32 agentKey = bytes32(uint256(low));
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IAgentDirectory.AgentKeyReserved.selector, agentKey));
        registry.registerAgent(agentKey, "", CID, 0, _none);
    }

    function test_registerAgent_textLengths() external {
        vm.startPrank(alice);
        vm.expectRevert(abi.encodeWithSelector(IAgentDirectory.LengthOutOfRange.selector, 257, 0, 256));
        registry.registerAgent(KEY, filled(257), CID, 0, _none);
        vm.expectRevert(abi.encodeWithSelector(IAgentDirectory.LengthOutOfRange.selector, 0, 1, 128));
        registry.registerAgent(KEY, "", "", 0, _none);
        vm.expectRevert(abi.encodeWithSelector(IAgentDirectory.LengthOutOfRange.selector, 129, 1, 128));
        registry.registerAgent(KEY, "", filled(129), 0, _none);
    }

    function testFuzz_registerAgent_capabilitiesAscend(bytes32 first, bytes32 second) external {
        bytes32[] memory offers = new bytes32[](2);
        (offers[0], offers[1]) = (first, second);
        vm.prank(alice);
        if (first == 0 || second <= first) vm.expectRevert(IAgentDirectory.CapabilitiesNotSorted.selector);
        registry.registerAgent(KEY, "", CID, 0, offers);
    }

    function test_registerAgent_atMost32Capabilities() external {
        bytes32[] memory offers = capabilities("many", 33);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IAgentDirectory.TooManyCapabilities.selector, 33, 32));
        registry.registerAgent(KEY, "", CID, 0, offers);
    }

    function testFuzz_registerAgent_feeOnTransferTokensAreRefused(uint256 stake) external {
        stake = bound(stake, 100, WEALTH);
        OddToken odd = new OddToken();
        RegistryFace other = deployRegistry(address(odd));
        odd.mint(alice, WEALTH);
        odd.setFee(100);
        vm.startPrank(alice);
        odd.approve(address(other), stake);
        vm.expectRevert(abi.encodeWithSelector(ITokenErrors.UnexpectedAmount.selector, stake, stake - stake / 100));
        other.registerAgent(KEY, "", CID, stake, _none);
    }

    function test_registerAgent_stakeTokenCannotReenter() external {
        OddToken odd = new OddToken();
        RegistryFace other = deployRegistry(address(odd));
        odd.mint(alice, 10);
        odd.setHook(address(other), abi.encodeCall(other.stake, (KEY, 1)));
        vm.startPrank(alice);
        odd.approve(address(other), 10);
        vm.expectRevert(abi.encodeWithSignature("ReentrancyGuardReentrantCall()"));
        other.registerAgent(KEY, "", CID, 10, _none);
    }

    // ---------------------------------------------------------------- updating

    function testFuzz_updateAgent(uint256 hashLength, uint256 n) external {
        registerAs(alice, "agent", 0, capabilities("old", 3));
        string memory hash = filled(bound(hashLength, 1, 128));
        bytes32[] memory offers = capabilities("new", bound(n, 0, 32));
        vm.expectEmit();
        emit CapabilitiesSet(1, 2, offers);
        vm.expectEmit();
        emit AgentUpdated(1, 2, hash);
        vm.prank(alice);
        registry.updateAgent(KEY, hash, offers, 1);

        AgentView memory agent = registry.getAgent(KEY);
        assertEq(agent.version, 2);
        assertEq(agent.ipfsHash, hash);
        assertEq(_firstPage(capabilities("old", 3)[0]).length, 0);
        for (uint256 i; i < offers.length; ++i) {
            assertEq(_firstPage(offers[i])[0], KEY);
        }
    }

    function testFuzz_updateAgent_unchangedCapabilitiesAreNotIndexedAgain(uint8 updates) external {
        bytes32[] memory offers = capabilities("same", 2);
        registerAs(alice, "agent", 0, offers);
        vm.startPrank(alice);
        for (uint64 version = 1; version <= bound(updates, 1, 20); ++version) {
            registry.updateAgent(KEY, CID, offers, version);
        }
        // A second entry would be found as a second page.
        (bytes32[] memory keys, uint256 next) = registry.getAgentsByCapability(offers[0], 0, 1);
        assertEq(keys.length, 1);
        assertEq(next, 0);
    }

    function test_updateAgent_backAndForthListsOnce() external {
        bytes32[] memory first = capabilities("first", 2);
        registerAs(alice, "agent", 0, first);
        vm.startPrank(alice);
        registry.updateAgent(KEY, CID, capabilities("second", 2), 1);
        registry.updateAgent(KEY, CID, first, 2);
        bytes32[] memory keys = _firstPage(first[0]);
        assertEq(keys.length, 1);
        assertEq(keys[0], KEY);
    }

    function testFuzz_versions_mustMatch(uint64 expected) external {
        vm.assume(expected != 1);
        registerAs(alice, "agent");
        bytes memory refusal = abi.encodeWithSelector(IAgentDirectory.VersionMismatch.selector, expected, 1);
        vm.startPrank(alice);
        vm.expectRevert(refusal);
        registry.updateAgent(KEY, CID, _none, expected);
        vm.expectRevert(refusal);
        registry.setActive(KEY, false, expected);
    }

    function test_versions_riseOnEveryChange() external {
        (, uint256 id) = registerAs(alice, "agent");
        vm.startPrank(alice);
        registry.updateAgent(KEY, CID, _none, 1);
        registry.setActive(KEY, false, 2);
        registry.setAgentURI(id, "ipfs://x");
        assertEq(registry.getAgent(KEY).version, 4);
    }

    function testFuzz_updating_needsPermission(address stranger) external {
        vm.assume(stranger != alice && stranger != address(0));
        (, uint256 id) = registerAs(alice, "agent");
        bytes memory refusal = abi.encodeWithSelector(IERC721Errors.ERC721InsufficientApproval.selector, stranger, id);
        vm.startPrank(stranger);
        vm.expectRevert(refusal);
        registry.updateAgent(KEY, CID, _none, 1);
        vm.expectRevert(refusal);
        registry.setActive(KEY, false, 1);
    }

    function testFuzz_unknownKeys(bytes32 agentKey) external {
        bytes memory refusal = abi.encodeWithSelector(IAgentDirectory.AgentNotFound.selector, agentKey);
        vm.expectRevert(refusal);
        registry.getAgent(agentKey);
        vm.expectRevert(refusal);
        registry.agentIdOf(agentKey);
        vm.expectRevert(refusal);
        registry.updateAgent(agentKey, CID, _none, 1);
        vm.expectRevert(refusal);
        registry.setActive(agentKey, true, 1);
    }

    function testFuzz_setActive(bool active) external {
        bytes32[] memory offers = capabilities("on", 1);
        registerAs(alice, "agent", 0, offers);
        vm.expectEmit();
        emit AgentActiveSet(1, 2, active);
        vm.prank(alice);
        registry.setActive(KEY, active, 1);
        assertEq(registry.getAgent(KEY).active, active);
        assertEq(_firstPage(offers[0]).length, active ? 1 : 0);
    }

    function test_setActive_backOnIsFoundAgain() external {
        bytes32[] memory offers = capabilities("on", 1);
        registerAs(alice, "agent", 0, offers);
        vm.startPrank(alice);
        registry.setActive(KEY, false, 1);
        registry.setActive(KEY, true, 2);
        assertEq(_firstPage(offers[0])[0], KEY);
    }

    // --------------------------------------------------------------- discovery

    function testFuzz_getAgentsByCapability_pagesFindEachOnce(uint8 count, uint8 limit, uint256 retired) external {
        count = uint8(bound(count, 0, 40));
        bytes32[] memory offers = capabilities("paged", 1);
        uint256 expected;
        for (uint256 i; i < count; ++i) {
            string memory name = string(abi.encode(i));
            bytes32 agentKey = registerAs(alice, name, 0, offers);
            if (retired >> i & 1 == 0) {
                ++expected;
            } else {
                vm.prank(alice);
                registry.updateAgent(agentKey, CID, _none, 1);
            }
        }
        assertEq(_walk(offers[0], bound(limit, 1, 100)), expected);
    }

    function test_getAgentsByCapability_emptyPagesAreNotTheEnd() external {
        bytes32[] memory offers = capabilities("sparse", 1);
        bytes32 first = registerAs(alice, "first", 0, offers);
        bytes32 last = registerAs(alice, "last", 0, offers);
        vm.prank(alice);
        registry.setActive(first, false, 1);
        (bytes32[] memory keys, uint256 next) = registry.getAgentsByCapability(offers[0], 0, 1);
        assertEq(keys.length, 0);
        assertEq(next, 1);
        (keys, next) = registry.getAgentsByCapability(offers[0], next, 1);
        assertEq(keys[0], last);
        assertEq(next, 0);
    }

    function testFuzz_getAgentsByCapability_unknownOrPastTheEnd(bytes32 capability, uint256 cursor) external {
        (bytes32[] memory keys, uint256 next) = registry.getAgentsByCapability(capability, cursor, 100);
        assertEq(keys.length, 0);
        assertEq(next, 0);
    }

    function testFuzz_getAgentsByCapability_limits(uint256 limit) external {
        vm.assume(limit == 0 || limit > 100);
        vm.expectRevert(abi.encodeWithSelector(IPagingErrors.LimitOutOfRange.selector, limit, 100));
        registry.getAgentsByCapability(KEY, 0, limit);
    }

    function _firstPage(bytes32 capability) private view returns (bytes32[] memory keys) {
        (keys,) = registry.getAgentsByCapability(capability, 0, 100);
    }

    /// @dev Walks all pages; counts the keys and checks that they come in order of registration, thus once each.
    function _walk(bytes32 capability, uint256 limit) private returns (uint256 found) {
        uint256 cursor;
        uint256 lastId;
        do {
            bytes32[] memory keys;
            (keys, cursor) = registry.getAgentsByCapability(capability, cursor, limit);
            for (uint256 i; i < keys.length; ++i) {
                uint256 id = registry.agentIdOf(keys[i]);
                assertGt(id, lastId);
                lastId = id;
                ++found;
            }
        } while (cursor != 0);
    }
}
