// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IERC4906} from "@openzeppelin/contracts/interfaces/IERC4906.sol";
import {VmSafe} from "@prb/test/Vm.sol";

import {IAgentDirectory} from "../src/interfaces/IAgentDirectory.sol";
import {IERC8004Identity} from "../src/interfaces/IERC8004Identity.sol";
import {ISignatureErrors} from "../src/interfaces/ISignatureErrors.sol";
import {AgentView} from "../src/types/AgentView.sol";
import {MetadataEntry} from "../src/types/MetadataEntry.sol";
import {MeshTest} from "./support/MeshTest.sol";
import {ReenteringReceiver} from "./support/ReenteringReceiver.sol";
import {Wallet1271} from "./support/Wallet1271.sol";

contract AgentIdentityTest is MeshTest {
    bytes32 private constant TRANSFER = keccak256("Transfer(address,address,uint256)");

    event Registered(uint256 indexed agentId, string agentURI, address indexed owner);
    event MetadataSet(
        uint256 indexed agentId, string indexed indexedMetadataKey, string metadataKey, bytes metadataValue
    );
    event URIUpdated(uint256 indexed agentId, string newURI, address indexed updatedBy);
    event AgentUpdated(uint256 indexed agentId, uint64 version, string ipfsHash);

    // ------------------------------------------------------------ registering

    function test_register_idsCountFromOne() external {
        vm.startPrank(alice);
        assertEq(registry.register(), 1);
        assertEq(registry.register("https://a.example/agent.json"), 2);
        assertEq(registry.totalAgents(), 2);
        assertEq(registry.tokenURI(1), "");
        assertEq(registry.tokenURI(2), "https://a.example/agent.json");
    }

    function testFuzz_register_keepsAnyUri(string calldata uri) external {
        vm.prank(alice);
        uint256 id = registry.register(uri);
        assertEq(registry.tokenURI(id), uri);
        assertEq(registry.ownerOf(id), alice);
        assertEq(registry.getAgentWallet(id), alice);
    }

    function testFuzz_register_ipfsUriIsStoredAsItsHash(string calldata hash) external {
        string memory uri = string.concat("ipfs://", hash);
        vm.prank(alice);
        uint256 id = registry.register(uri);
        assertEq(registry.tokenURI(id), uri);
        assertEq(registry.getAgent(registry.agentKeyOf(id)).ipfsHash, hash);
    }

    function testFuzz_register_withMetadata(bytes calldata first, bytes calldata second) external {
        MetadataEntry[] memory metadata = new MetadataEntry[](2);
        metadata[0] = MetadataEntry("first", first);
        metadata[1] = MetadataEntry("second", second);
        vm.expectEmit();
        emit Registered(1, "ipfs://x", alice);
        vm.expectEmit();
        emit MetadataSet(1, "agentWallet", "agentWallet", abi.encodePacked(alice));
        vm.expectEmit();
        emit MetadataSet(1, "first", "first", first);
        vm.prank(alice);
        registry.register("ipfs://x", metadata);
        assertEq(registry.getMetadata(1, "first"), first);
        assertEq(registry.getMetadata(1, "second"), second);
    }

    function test_register_walletIsNotMetadata() external {
        MetadataEntry[] memory metadata = new MetadataEntry[](1);
        metadata[0] = MetadataEntry("agentWallet", abi.encodePacked(eve));
        vm.prank(alice);
        vm.expectRevert(IERC8004Identity.ReservedMetadataKey.selector);
        registry.register("", metadata);
    }

    function test_register_derivesAKeyThatNobodyCanChoose() external {
        vm.prank(alice);
        uint256 id = registry.register();
        bytes32 agentKey = registry.agentKeyOf(id);
        assertEq(agentKey, keccak256(abi.encode(block.chainid, address(registry), id)) >> 64);
        assertEq(registry.agentIdOf(agentKey), id);
        AgentView memory agent = registry.getAgent(agentKey);
        assertEq(agent.agentKey, agentKey);
        assertEq(agent.version, 1);
        assertTrue(agent.active);
        assertEq(agent.registeredAt, START);

        bytes32 next = keccak256(abi.encode(block.chainid, address(registry), id + 1)) >> 64;
        vm.prank(eve);
        vm.expectRevert(abi.encodeWithSelector(IAgentDirectory.AgentKeyReserved.selector, next));
        registry.registerAgent(next, "", CID, 0, new bytes32[](0));
    }

    function test_derivedKeysOutliveAChangeOfTheChainId() external {
        vm.prank(alice);
        uint256 id = registry.register();
        bytes32 agentKey = registry.agentKeyOf(id);
        vm.chainId(999);
        assertEq(registry.agentKeyOf(id), agentKey);
    }

    // --------------------------------------- the reference's defects, absent

    /// @dev Reference defect 1: `_safeMint` before `_setTokenURI` and `Registered`, so that the owner's code meets an
    ///      unfinished agent and can move it on before it is announced.
    function test_referenceDefect_callbackBeforeEvents_isAbsent() external {
        ReenteringReceiver receiver = new ReenteringReceiver();
        receiver.plan(abi.encodeCall(registry.transferFrom, (address(receiver), eve, 1)));
        vm.recordLogs();
        receiver.execute(address(registry), abi.encodeWithSignature("register(string)", "ipfs://x"));
        VmSafe.Log[] memory logs = vm.getRecordedLogs();

        assertTrue(receiver.called());
        // Announced, minted, then moved: whoever follows the events ends where the chain does.
        assertEq(logs[0].topics[0], IERC8004Identity.Registered.selector);
        assertEq(logs[1].topics[0], IERC8004Identity.MetadataSet.selector);
        assertEq(logs[2].topics[0], IAgentDirectory.AgentRegistered.selector);
        _assertTransfer(logs[3], address(0), address(receiver));
        assertEq(logs[4].topics[0], IERC8004Identity.MetadataSet.selector);
        _assertTransfer(logs[5], address(receiver), eve);
        assertEq(logs.length, 6);
        assertEq(registry.ownerOf(1), eve);
        assertEq(registry.getAgentWallet(1), address(0));
    }

    function test_referenceDefect_callbackBeforeState_isAbsent() external {
        ReenteringReceiver receiver = new ReenteringReceiver();
        receiver.plan(abi.encodeCall(registry.setAgentURI, (1, "ipfs://second")));
        receiver.execute(address(registry), abi.encodeWithSignature("register(string)", "ipfs://first"));
        assertTrue(receiver.called());
        // The callback's URI came after the registration's, so it is the one that stays.
        assertEq(registry.tokenURI(1), "ipfs://second");
        assertEq(registry.getAgent(registry.agentKeyOf(1)).version, 2);
    }

    function test_reentering_registerAgentIsRefused() external {
        ReenteringReceiver receiver = new ReenteringReceiver();
        bytes memory again = abi.encodeCall(registry.registerAgent, (keccak256("b"), "", CID, 0, new bytes32[](0)));
        receiver.plan(again);
        receiver.execute(
            address(registry), abi.encodeCall(registry.registerAgent, (keccak256("a"), "", CID, 0, new bytes32[](0)))
        );
        assertFalse(receiver.called());
        assertEq(receiver.revertData(), abi.encodeWithSignature("ReentrancyGuardReentrantCall()"));
        assertEq(registry.totalAgents(), 1);
    }

    function test_register_contractsMustAcceptTokens() external {
        vm.prank(address(escrow));
        vm.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721InvalidReceiver.selector, address(escrow)));
        registry.register();
    }

    // ------------------------------------------------------------ URI, metadata

    function testFuzz_setAgentURI(string calldata uri) external {
        (bytes32 agentKey, uint256 id) = registerAs(alice, "agent");
        vm.expectEmit();
        emit URIUpdated(id, uri, alice);
        vm.prank(alice);
        registry.setAgentURI(id, uri);
        assertEq(registry.tokenURI(id), uri);
        assertEq(registry.getAgent(agentKey).version, 2);
    }

    function test_setAgentURI_announcesVersionAndHash() external {
        (, uint256 id) = registerAs(alice, "agent");
        vm.startPrank(alice);
        vm.expectEmit();
        emit IERC4906.MetadataUpdate(id);
        vm.expectEmit();
        emit AgentUpdated(id, 2, "hash");
        registry.setAgentURI(id, "ipfs://hash");
        vm.expectEmit();
        emit AgentUpdated(id, 3, "");
        registry.setAgentURI(id, "https://a.example");
    }

    function testFuzz_setMetadata(string calldata key, bytes calldata value) external {
        vm.assume(keccak256(bytes(key)) != keccak256("agentWallet"));
        (, uint256 id) = registerAs(alice, "agent");
        vm.expectEmit();
        emit MetadataSet(id, key, key, value);
        vm.prank(alice);
        registry.setMetadata(id, key, value);
        assertEq(registry.getMetadata(id, key), value);
    }

    function test_setMetadata_walletIsReserved() external {
        (, uint256 id) = registerAs(alice, "agent");
        vm.prank(alice);
        vm.expectRevert(IERC8004Identity.ReservedMetadataKey.selector);
        registry.setMetadata(id, "agentWallet", abi.encodePacked(eve));
    }

    function testFuzz_writing_needsPermission(address stranger) external {
        vm.assume(stranger != alice && stranger != address(0));
        (, uint256 id) = registerAs(alice, "agent");
        bytes memory refusal = abi.encodeWithSelector(IERC721Errors.ERC721InsufficientApproval.selector, stranger, id);
        vm.startPrank(stranger);
        vm.expectRevert(refusal);
        registry.setAgentURI(id, "");
        vm.expectRevert(refusal);
        registry.setMetadata(id, "key", "");
        vm.expectRevert(refusal);
        registry.unsetAgentWallet(id);
        vm.expectRevert(refusal);
        registry.setAgentWallet(id, stranger, START, "");
        assertFalse(registry.isAuthorizedOrOwner(stranger, id));
    }

    function test_writing_approvedAndOperatorsMay() external {
        (, uint256 id) = registerAs(alice, "agent");
        vm.startPrank(alice);
        registry.approve(bob, id);
        registry.setApprovalForAll(carol, true);
        vm.stopPrank();
        vm.prank(bob);
        registry.setAgentURI(id, "ipfs://by-bob");
        vm.prank(carol);
        registry.setMetadata(id, "by", "carol");
        assertTrue(registry.isAuthorizedOrOwner(alice, id));
        assertTrue(registry.isAuthorizedOrOwner(bob, id));
        assertTrue(registry.isAuthorizedOrOwner(carol, id));
    }

    function testFuzz_noSuchAgent(uint256 id) external {
        bytes memory refusal = abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, id);
        vm.expectRevert(refusal);
        registry.setAgentURI(id, "");
        vm.expectRevert(refusal);
        registry.setMetadata(id, "key", "");
        vm.expectRevert(refusal);
        registry.isAuthorizedOrOwner(alice, id);
        vm.expectRevert(refusal);
        registry.tokenURI(id);
        vm.expectRevert(refusal);
        registry.agentKeyOf(id);
        assertEq(registry.getAgentWallet(id), address(0));
        assertEq(registry.getMetadata(id, "agentWallet"), "");
    }

    // ------------------------------------------------------------------ wallet

    function testFuzz_setAgentWallet(uint256 key, uint256 ahead) external {
        key = bound(key, 1, type(uint128).max);
        uint256 deadline = START + bound(ahead, 0, 5 minutes);
        (, uint256 id) = registerAs(alice, "agent");
        bytes memory consent = _consent(key, id, vm.addr(key), alice, deadline);
        vm.expectEmit();
        emit MetadataSet(id, "agentWallet", "agentWallet", abi.encodePacked(vm.addr(key)));
        vm.prank(alice);
        registry.setAgentWallet(id, vm.addr(key), deadline, consent);
        assertEq(registry.getAgentWallet(id), vm.addr(key));
        assertEq(registry.getMetadata(id, "agentWallet"), abi.encodePacked(vm.addr(key)));
    }

    function test_setAgentWallet_contractWalletConsentsByErc1271() external {
        (, uint256 id) = registerAs(alice, "agent");
        Wallet1271 wallet = new Wallet1271(bob);
        bytes memory consent = _consent(keyOf("bob"), id, address(wallet), alice, START);
        vm.prank(alice);
        registry.setAgentWallet(id, address(wallet), START, consent);
        assertEq(registry.getAgentWallet(id), address(wallet));
    }

    /// @dev EIP-7702: an account may have code and still sign with its key.
    function test_setAgentWallet_delegatedAccountConsentsWithItsKey() external {
        (, uint256 id) = registerAs(alice, "agent");
        vm.etch(bob, hex"ef0100ffffffffffffffffffffffffffffffffffffffff");
        bytes memory consent = _consent(keyOf("bob"), id, bob, alice, START);
        vm.prank(alice);
        registry.setAgentWallet(id, bob, START, consent);
        assertEq(registry.getAgentWallet(id), bob);
    }

    function testFuzz_setAgentWallet_needsTheWalletsConsentToExactlyThis(uint8 what) external {
        (, uint256 id) = registerAs(alice, "agent");
        what = uint8(bound(what, 0, 3));
        bytes memory consent = _consent(
            keyOf(what == 0 ? "eve" : "bob"),
            what == 1 ? id + 1 : id,
            bob,
            what == 2 ? eve : alice,
            what == 3 ? START + 1 : START
        );
        vm.prank(alice);
        vm.expectRevert(ISignatureErrors.InvalidSignature.selector);
        registry.setAgentWallet(id, bob, START, consent);
    }

    function test_setAgentWallet_deadlines() external {
        (, uint256 id) = registerAs(alice, "agent");
        vm.startPrank(alice);
        vm.expectRevert(abi.encodeWithSelector(ISignatureErrors.DeadlinePassed.selector, START - 1));
        registry.setAgentWallet(id, bob, START - 1, "");
        vm.expectRevert(abi.encodeWithSelector(IERC8004Identity.DeadlineTooFar.selector, START + 301, START + 300));
        registry.setAgentWallet(id, bob, START + 301, "");
        vm.expectRevert(IERC8004Identity.InvalidWallet.selector);
        registry.setAgentWallet(id, address(0), START, "");
    }

    function test_unsetAgentWallet() external {
        (, uint256 id) = registerAs(alice, "agent");
        vm.expectEmit();
        emit MetadataSet(id, "agentWallet", "agentWallet", "");
        vm.prank(alice);
        registry.unsetAgentWallet(id);
        assertEq(registry.getAgentWallet(id), address(0));
        assertEq(registry.getMetadata(id, "agentWallet"), "");
    }

    function testFuzz_transfer_clearsTheWallet(bool chosen, address to) external {
        vm.assume(to != address(0));
        (, uint256 id) = registerAs(alice, "agent");
        if (chosen) {
            bytes memory consent = _consent(keyOf("bob"), id, bob, alice, START);
            vm.prank(alice);
            registry.setAgentWallet(id, bob, START, consent);
        }
        vm.expectEmit();
        emit MetadataSet(id, "agentWallet", "agentWallet", "");
        vm.prank(alice);
        registry.transferFrom(alice, to, id);
        assertEq(registry.ownerOf(id), to);
        assertEq(registry.getAgentWallet(id), address(0));
    }

    function _consent(uint256 key, uint256 id, address wallet, address owner, uint256 deadline)
        private
        view
        returns (bytes memory)
    {
        bytes32 structHash = walletHash(id, wallet, owner, deadline);
        return signed(key, digestOf(REGISTRY_DOMAIN, address(registry), structHash));
    }

    function _assertTransfer(VmSafe.Log memory log, address from, address to) private {
        assertEq(log.topics[0], TRANSFER);
        assertEq(address(uint160(uint256(log.topics[1]))), from);
        assertEq(address(uint160(uint256(log.topics[2]))), to);
    }
}
