// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IReputation} from "../src/interfaces/IReputation.sol";
import {Outcome} from "../src/types/Outcome.sol";
import {Terms} from "../src/types/Terms.sol";
import {EscrowFixture} from "./support/EscrowFixture.sol";
import {MeshTest} from "./support/MeshTest.sol";

contract ReputationTest is EscrowFixture, MeshTest {
    uint256 private _id;

    event NewFeedback(
        uint256 indexed agentId,
        address indexed clientAddress,
        uint64 feedbackIndex,
        int128 value,
        uint8 valueDecimals,
        string indexed indexedTag1,
        string tag1,
        string tag2,
        string endpoint,
        string feedbackURI,
        bytes32 feedbackHash
    );
    event FeedbackRevoked(uint256 indexed agentId, address indexed clientAddress, uint64 indexed feedbackIndex);
    event ResponseAppended(
        uint256 indexed agentId,
        address indexed clientAddress,
        uint64 feedbackIndex,
        address indexed responder,
        string responseURI,
        bytes32 responseHash
    );
    event FeedbackProof(
        uint256 indexed agentId, address indexed clientAddress, uint64 feedbackIndex, bytes32 indexed escrowId
    );

    function setUp() public override {
        super.setUp();
        (, _id) = registerAs(bob, "agent");
    }

    // ------------------------------------------------------------------- giving

    function testFuzz_giveFeedback(int128 value, uint8 decimals, uint8 length1, uint8 length2, bytes32 hash) external {
        value = int128(_boundInt(value, 1e38));
        decimals = uint8(bound(decimals, 0, 18));
        string memory tag1 = filled(bound(length1, 0, 128));
        string memory tag2 = filled(bound(length2, 0, 128));
        vm.expectEmit();
        emit NewFeedback(_id, alice, 1, value, decimals, tag1, tag1, tag2, "https://b.example", "ipfs://f", hash);
        vm.prank(alice);
        reputation.giveFeedback(_id, value, decimals, tag1, tag2, "https://b.example", "ipfs://f", hash);

        _assertFeedback(alice, 1, value, decimals, tag1, tag2, false);
        assertEq(reputation.getLastIndex(_id, alice), 1);
        assertEq(reputation.getClients(_id)[0], alice);
        assertEq(reputation.proofOf(_id, alice, 1), bytes32(0));
    }

    function testFuzz_giveFeedback_valueAndDecimalsAreBounded(int128 value, uint8 decimals) external {
        bytes memory refusal;
        if (value > 1e38 || value < -1e38) {
            refusal = abi.encodeWithSelector(IReputation.ValueOutOfRange.selector, value);
        } else if (decimals > 18) {
            refusal = abi.encodeWithSelector(IReputation.TooManyDecimals.selector, decimals);
        }
        vm.prank(alice);
        if (refusal.length != 0) vm.expectRevert(refusal);
        reputation.giveFeedback(_id, value, decimals, "", "", "", "", 0);
    }

    function testFuzz_giveFeedback_tagsAreBounded(uint16 length, bool first) external {
        string memory tag = filled(bound(length, 129, 512));
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IReputation.TagTooLong.selector, bytes(tag).length, 128));
        reputation.giveFeedback(_id, 1, 0, first ? tag : "", first ? "" : tag, "", "", 0);
    }

    function testFuzz_giveFeedback_neverByOwnerApprovedOrOperator(address insider, uint8 role) external {
        vm.assume(insider != address(0) && insider != bob && insider.code.length == 0);
        role = uint8(bound(role, 0, 2));
        vm.startPrank(bob);
        if (role == 0) registry.transferFrom(bob, insider, _id);
        if (role == 1) registry.approve(insider, _id);
        if (role == 2) registry.setApprovalForAll(insider, true);
        vm.stopPrank();
        vm.prank(insider);
        vm.expectRevert(abi.encodeWithSelector(IReputation.SelfFeedback.selector, _id, insider));
        reputation.giveFeedback(_id, 100, 0, "", "", "", "", 0);
    }

    function testFuzz_giveFeedback_unknownAgent(uint256 id) external {
        vm.assume(id != _id);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSignature("ERC721NonexistentToken(uint256)", id));
        reputation.giveFeedback(id, 1, 0, "", "", "", "", 0);
    }

    // ----------------------------------------------------------------- revoking

    function testFuzz_revokeFeedback(int128 first, int128 second) external {
        (first, second) = (int128(_boundInt(first, 1e38)), int128(_boundInt(second, 1e38)));
        _give(alice, first, 0, "a", "b");
        _give(alice, second, 0, "a", "b");
        vm.expectEmit();
        emit FeedbackRevoked(_id, alice, 1);
        vm.prank(alice);
        reputation.revokeFeedback(_id, 1);
        _assertFeedback(alice, 1, first, 0, "a", "b", true);
        _assertSummary("a", "b", 1, second);
        _assertSummary("", "", 1, second);
        _assertSummary("a", "", 1, second);
        _assertSummary("", "b", 1, second);

        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IReputation.AlreadyRevoked.selector, _id, alice, 1));
        reputation.revokeFeedback(_id, 1);
    }

    function testFuzz_revokeFeedback_onlyOnesOwn(uint64 index, address stranger) external {
        vm.assume(stranger != alice);
        _give(alice, 1, 0, "", "");
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IReputation.FeedbackNotFound.selector, _id, stranger, index));
        reputation.revokeFeedback(_id, index);
    }

    // --------------------------------------------------------------- responding

    function testFuzz_appendResponse_countsEveryWay(uint8 byBob, uint8 byEve) external {
        (byBob, byEve) = (uint8(bound(byBob, 1, 5)), uint8(bound(byEve, 1, 5)));
        _give(alice, 1, 0, "", "");
        _give(alice, 2, 0, "", "");
        _give(carol, 3, 0, "", "");
        for (uint256 i; i < byBob; ++i) {
            _respond(bob, alice, 1);
        }
        for (uint256 i; i < byEve; ++i) {
            _respond(eve, alice, 2);
        }
        _respond(eve, carol, 1);

        address[] memory anyone = new address[](0);
        address[] memory onlyEve = new address[](1);
        onlyEve[0] = eve;
        address[] memory both = new address[](2);
        (both[0], both[1]) = (bob, eve);
        assertEq(reputation.getResponseCount(_id, address(0), 0, anyone), byBob + byEve + 1);
        assertEq(reputation.getResponseCount(_id, address(0), 7, both), byBob + byEve + 1);
        assertEq(reputation.getResponseCount(_id, address(0), 0, onlyEve), byEve + 1);
        assertEq(reputation.getResponseCount(_id, alice, 0, anyone), byBob + byEve);
        assertEq(reputation.getResponseCount(_id, alice, 0, onlyEve), byEve);
        assertEq(reputation.getResponseCount(_id, alice, 1, anyone), byBob);
        assertEq(reputation.getResponseCount(_id, alice, 1, onlyEve), 0);
        assertEq(reputation.getResponseCount(_id, alice, 2, both), byEve);
        assertEq(reputation.getResponseCount(_id, carol, 1, new address[](1)), 0); // nobody is the zero address
    }

    function testFuzz_appendResponse(address responder, bytes32 hash) external {
        vm.assume(responder != address(0));
        _give(alice, 1, 0, "", "");
        vm.expectEmit();
        emit ResponseAppended(_id, alice, 1, responder, "ipfs://r", hash);
        vm.prank(responder);
        reputation.appendResponse(_id, alice, 1, "ipfs://r", hash);
    }

    function testFuzz_appendResponse_refusals(uint64 index) external {
        vm.assume(index != 1);
        _give(alice, 1, 0, "", "");
        vm.expectRevert(IReputation.EmptyResponseURI.selector);
        reputation.appendResponse(_id, alice, 1, "", 0);
        vm.expectRevert(abi.encodeWithSelector(IReputation.FeedbackNotFound.selector, _id, alice, index));
        reputation.appendResponse(_id, alice, index, "ipfs://r", 0);
    }

    // -------------------------------------------------------------------- proof

    function testFuzz_proof_bySettledEscrow(bool release, bool toWallet) external {
        if (toWallet) _moveAgentAwayFromItsWallet();
        bytes32 paid = submitted();
        settle(paid, release ? Outcome.Release : Outcome.Refund, 9000);
        vm.expectEmit();
        emit FeedbackProof(_id, alice, 1, paid);
        vm.prank(alice);
        reputation.giveFeedbackWithProof(paid, _id, 9000, 4, "quality", "", "", "", 0);
        assertEq(reputation.proofOf(_id, alice, 1), paid);
        _assertFeedback(alice, 1, 9000, 4, "quality", "", false);
    }

    function test_proof_needsASettledEscrow() external {
        bytes32 paid = funded();
        _refusedProof(alice, paid, _id, IReputation.EscrowNotSettled.selector);
        vm.prank(bob);
        escrow.submit(paid, RESULT);
        _refusedProof(alice, paid, _id, IReputation.EscrowNotSettled.selector);
        vm.prank(alice);
        escrow.dispute(paid);
        _refusedProof(alice, paid, _id, IReputation.EscrowNotSettled.selector);
        _refusedProof(alice, keccak256("unknown"), _id, IReputation.EscrowNotSettled.selector);
    }

    function testFuzz_proof_onlyByThePayer(address stranger) external {
        vm.assume(stranger != alice && stranger != bob);
        bytes32 paid = submitted();
        settle(paid, Outcome.Release, 9000);
        _refusedProof(stranger, paid, _id, IReputation.EscrowOfOthers.selector);
    }

    function test_proof_onlyForTheAgentThatWasPaid() external {
        (, uint256 other) = registerAs(carol, "other");
        bytes32 paid = submitted();
        settle(paid, Outcome.Release, 9000);
        _refusedProof(alice, paid, other, IReputation.EscrowOfOthers.selector);
    }

    function test_proof_once() external {
        bytes32 paid = submitted();
        settle(paid, Outcome.Release, 9000);
        vm.prank(alice);
        reputation.giveFeedbackWithProof(paid, _id, 1, 0, "", "", "", "", 0);
        _refusedProof(alice, paid, _id, IReputation.EscrowAlreadyUsed.selector);
        vm.prank(alice);
        reputation.revokeFeedback(_id, 1);
        _refusedProof(alice, paid, _id, IReputation.EscrowAlreadyUsed.selector);
    }

    function test_proof_aRefusedOneStaysUsable() external {
        bytes32 paid = submitted();
        settle(paid, Outcome.Release, 9000);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IReputation.TooManyDecimals.selector, 19));
        reputation.giveFeedbackWithProof(paid, _id, 1, 19, "", "", "", "", 0);
        vm.prank(alice);
        reputation.giveFeedbackWithProof(paid, _id, 1, 18, "", "", "", "", 0);
    }

    function test_configuration() external {
        assertEq(reputation.escrow(), address(escrow));
        vm.expectRevert(IReputation.InvalidConfiguration.selector);
        deployReputation(address(0), address(escrow));
        vm.expectRevert(IReputation.InvalidConfiguration.selector);
        deployReputation(address(registry), address(0));
    }

    // ------------------------------------------------------------------ helpers

    function _give(address client, int128 value, uint8 decimals, string memory tag1, string memory tag2) private {
        vm.prank(client);
        reputation.giveFeedback(_id, value, decimals, tag1, tag2, "", "", 0);
    }

    function _respond(address responder, address client, uint64 index) private {
        vm.prank(responder);
        reputation.appendResponse(_id, client, index, "ipfs://r", 0);
    }

    function _refusedProof(address client, bytes32 paid, uint256 id, bytes4 reason) private {
        vm.prank(client);
        vm.expectRevert(abi.encodeWithSelector(reason, paid));
        reputation.giveFeedbackWithProof(paid, id, 1, 0, "", "", "", "", 0);
    }

    /// @dev Afterwards Eve owns the agent and Bob is only the wallet that is paid.
    function _moveAgentAwayFromItsWallet() private {
        vm.prank(bob);
        registry.transferFrom(bob, eve, _id);
        bytes32 structHash = walletHash(_id, bob, eve, START);
        bytes memory consent = signed(keyOf("bob"), digestOf(REGISTRY_DOMAIN, address(registry), structHash));
        vm.prank(eve);
        registry.setAgentWallet(_id, bob, START, consent);
    }

    function _assertFeedback(
        address client,
        uint64 index,
        int128 value,
        uint8 decimals,
        string memory tag1,
        string memory tag2,
        bool revoked
    ) private {
        (int128 value_, uint8 decimals_, string memory tag1_, string memory tag2_, bool revoked_) =
            reputation.readFeedback(_id, client, index);
        assertEq(value_, value);
        assertEq(decimals_, decimals);
        assertEq(tag1_, tag1);
        assertEq(tag2_, tag2);
        assertEq(revoked_, revoked);
    }

    /// @dev One value without decimals comes back with all the decimals that fit.
    function _assertSummary(string memory tag1, string memory tag2, uint64 count, int256 value) private {
        (uint64 count_, int128 value_, uint8 decimals) = reputation.getAgentSummary(_id, tag1, tag2);
        assertEq(count_, count);
        assertEq(value_, value * int256(10 ** decimals));
    }

    function _boundInt(int256 x, int256 limit) private pure returns (int256) {
        return x % (limit + 1);
    }
}
