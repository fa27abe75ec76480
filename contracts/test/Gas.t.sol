// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Outcome} from "../src/types/Outcome.sol";
import {Registration} from "../src/types/Registration.sol";
import {StakeDeposit} from "../src/types/StakeDeposit.sol";
import {Terms} from "../src/types/Terms.sol";
import {EscrowFixture} from "./support/EscrowFixture.sol";
import {MeshTest} from "./support/MeshTest.sol";

/// @notice What transactions cost, intrinsic gas included, with contracts that are already in use. Compared with
///         `snapshots/` whenever it runs.
/// forge-config: default.isolate = true
/// forge-config: ci.isolate = true
/// forge-config: deep.isolate = true
contract GasTest is EscrowFixture, MeshTest {
    /// @dev What the reference takes to register an agent with a URI and five metadata entries.
    uint256 private constant REFERENCE_REGISTER_5 = 443_000;
    string private constant DID = "did:pkh:eip155:31337:0x328809bc894f92807417d2dad6b7c998c1afdac6";
    bytes32 private constant NEW = keccak256("new");

    bytes32 private _key;
    uint256 private _id;

    function setUp() public override {
        super.setUp();
        _key = registerAs(bob, "agent", 1e6, capabilities("warm", 5));
        _id = registry.agentIdOf(_key);
        settle(submitted(), Outcome.Release, 9000);
    }

    // ----------------------------------------------------------------- registry

    function test_registry_register() external {
        vm.prank(alice);
        registry.register();
        _registry("register()");
    }

    function test_registry_registerWithUri() external {
        vm.prank(alice);
        registry.register(string.concat("ipfs://", CID));
        _registry("register(uri)");
    }

    function test_registry_registerAgent() external {
        bytes32[] memory offers = capabilities("fresh", 5);
        vm.prank(alice);
        registry.registerAgent(NEW, "", CID, 0, offers);
        assertLt(_registry("registerAgent, CID and 5 fresh capabilities"), REFERENCE_REGISTER_5);
    }

    function test_registry_registerAgentWithEverything() external {
        bytes32[] memory offers = capabilities("fresh", 5);
        vm.prank(alice);
        registry.registerAgent(NEW, DID, CID, 1e6, offers);
        assertLt(_registry("registerAgent, CID, 5 fresh capabilities, DID and stake"), REFERENCE_REGISTER_5);
    }

    function test_registry_registerAgentWithKnownCapabilities() external {
        bytes32[] memory offers = capabilities("warm", 5);
        vm.prank(alice);
        registry.registerAgent(NEW, "", CID, 0, offers);
        _registry("registerAgent, CID and 5 known capabilities");
    }

    function test_registry_registerFor() external {
        Registration memory r = Registration(alice, NEW, DID, CID, 1e6, capabilities("fresh", 5), 0, START);
        bytes memory signature = signed(keyOf("alice"), digestOf(REGISTRY_DOMAIN, address(registry), hashOf(r)));
        registry.registerFor(r, signature);
        _registry("registerFor, CID, 5 fresh capabilities, DID and stake");
    }

    function test_registry_updateAgent() external {
        bytes32[] memory offers = capabilities("warm", 5);
        vm.prank(bob);
        registry.updateAgent(_key, CID, offers, 1);
        _registry("updateAgent, same capabilities");
        offers = capabilities("other", 5);
        vm.prank(bob);
        registry.updateAgent(_key, CID, offers, 2);
        _registry("updateAgent, 5 fresh capabilities");
    }

    function test_registry_setActive() external {
        vm.prank(bob);
        registry.setActive(_key, false, 1);
        _registry("setActive");
    }

    function test_registry_stake() external {
        vm.prank(alice);
        registry.stake(_key, 1e6);
        _registry("stake");
        vm.prank(bob);
        registry.requestUnstake(_key, 1e6);
        _registry("requestUnstake");
        vm.warp(START + COOLDOWN);
        registry.withdraw(_key);
        _registry("withdraw");
        vm.prank(slasher);
        registry.proposeSlash(_key, 1e5, REASON);
        _registry("proposeSlash");
        vm.warp(START + COOLDOWN + SLASH_DELAY);
        registry.executeSlash(_key);
        _registry("executeSlash");
    }

    function test_registry_stakeFor() external {
        StakeDeposit memory deposit = StakeDeposit(_key, 1e6, registry.nonces(bob), START);
        bytes memory signature = signed(keyOf("bob"), digestOf(REGISTRY_DOMAIN, address(registry), hashOf(deposit)));
        registry.stakeFor(deposit, signature);
        _registry("stakeFor");
    }

    // --------------------------------------------------------------- reputation

    function test_reputation_giveFeedback() external {
        vm.prank(alice);
        reputation.giveFeedback(_id, 90, 0, "quality", "", "", "", REASON);
        _reputation("giveFeedback, first of an agent, one tag");
        vm.prank(alice);
        reputation.giveFeedback(_id, 95, 0, "quality", "", "", "", REASON);
        _reputation("giveFeedback, next of a client, one tag");
        vm.prank(carol);
        reputation.giveFeedback(_id, 95, 0, "quality", "", "", "", REASON);
        _reputation("giveFeedback, first of a client, one tag");
        vm.prank(alice);
        reputation.revokeFeedback(_id, 1);
        _reputation("revokeFeedback");
        reputation.appendResponse(_id, alice, 2, "ipfs://r", REASON);
        _reputation("appendResponse, first");
    }

    function test_reputation_giveFeedbackWithProof() external {
        bytes32 paid = escrow.escrowId(alice, defaultTerms());
        vm.prank(alice);
        reputation.giveFeedbackWithProof(paid, _id, 9000, 4, "quality", "", "", "", REASON);
        _reputation("giveFeedbackWithProof, first of an agent, one tag");
    }

    // --------------------------------------------------------------- validation

    function test_validation() external {
        vm.prank(bob);
        validation.validationRequest(carol, _id, "ipfs://r", REASON);
        _validation("validationRequest, first of an agent and a validator");
        vm.prank(carol);
        validation.validationResponse(REASON, 90, "ipfs://e", REASON, "audit");
        _validation("validationResponse, first, with a tag");
        vm.prank(carol);
        validation.validationResponse(REASON, 95, "ipfs://e", REASON, "audit");
        _validation("validationResponse, again");
    }

    // ------------------------------------------------------------------- escrow

    function test_escrow_verdict() external {
        Terms memory terms = _terms();
        bytes32 id = opened(terms);
        _escrow("open");
        opened(terms);
        _escrow("open, again");
        vm.prank(bob);
        escrow.submit(id, RESULT);
        _escrow("submit");
        settle(id, Outcome.Release, 9000);
        _escrow("settle, release");
        settle(id, Outcome.Release, 9000);
        _escrow("settle, again");
    }

    function test_escrow_refunds() external {
        settle(submitted(_terms()), Outcome.Refund, 0);
        _escrow("settle, refund");
    }

    function test_escrow_openWithAuthorization() external {
        Terms memory terms = _terms();
        bytes32 nonce = escrow.escrowId(alice, terms);
        bytes32 structHash = authorizationHash("Receive", alice, address(escrow), AMOUNT, 0, type(uint64).max, nonce);
        bytes memory signature = signed(keyOf("alice"), digestOf(TOKEN_DOMAIN, address(token), structHash));
        escrow.openWithAuthorization(alice, terms, 0, type(uint64).max, signature);
        _escrow("openWithAuthorization");
    }

    function test_escrow_dispute() external {
        bytes32 id = submitted(_terms());
        vm.prank(alice);
        escrow.dispute(id);
        _escrow("dispute");
        vm.prank(arbiter);
        escrow.rule(id, Outcome.Release);
        _escrow("rule");
    }

    function test_escrow_claimDefault() external {
        bytes32 id = submitted(_terms());
        vm.warp(REVIEW_BY + 1);
        escrow.claimDefault(id);
        _escrow("claimDefault");
    }

    /// @dev Not the escrow that {setUp} has settled.
    function _terms() private view returns (Terms memory terms) {
        terms = defaultTerms();
        terms.salt = NEW;
    }

    function _registry(string memory name) private returns (uint256) {
        return CHEATS.snapshotGasLastCall("AgentRegistry", name);
    }

    function _reputation(string memory name) private {
        CHEATS.snapshotGasLastCall("Reputation", name);
    }

    function _validation(string memory name) private {
        CHEATS.snapshotGasLastCall("Validation", name);
    }

    function _escrow(string memory name) private {
        CHEATS.snapshotGasLastCall("MeshEscrow", name);
    }
}
