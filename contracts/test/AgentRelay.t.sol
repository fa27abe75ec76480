// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";

import {IAgentDirectory} from "../src/interfaces/IAgentDirectory.sol";
import {IAgentStaking} from "../src/interfaces/IAgentStaking.sol";
import {ISignatureErrors} from "../src/interfaces/ISignatureErrors.sol";
import {ITokenErrors} from "../src/interfaces/ITokenErrors.sol";
import {ActiveUpdate} from "../src/types/ActiveUpdate.sol";
import {AgentUpdate} from "../src/types/AgentUpdate.sol";
import {AgentView} from "../src/types/AgentView.sol";
import {Permit} from "../src/types/Permit.sol";
import {Registration} from "../src/types/Registration.sol";
import {StakeDeposit} from "../src/types/StakeDeposit.sol";
import {UnstakeRequest} from "../src/types/UnstakeRequest.sol";
import {RegistryFace} from "./support/Faces.sol";
import {MeshTest} from "./support/MeshTest.sol";
import {OddToken} from "./support/OddToken.sol";
import {Wallet1271} from "./support/Wallet1271.sol";

/// @notice Eve relays what Alice signs, and tries to make more of it.
contract AgentRelayTest is MeshTest {
    bytes32 private constant KEY = keccak256("agent");

    // ------------------------------------------------------------- registering

    function testFuzz_registerFor(uint256 stake, uint256 n, uint256 ahead) external {
        Registration memory r = _registration(alice);
        r.stake = bound(stake, 0, WEALTH);
        r.capabilities = capabilities("relayed", bound(n, 0, 32));
        r.deadline = START + bound(ahead, 0, 365 days);
        bytes memory signature = _sign("alice", hashOf(r));
        vm.prank(eve);
        uint256 id = registry.registerFor(r, signature);

        AgentView memory agent = registry.getAgent(KEY);
        assertEq(agent.owner, alice);
        assertEq(agent.stake, r.stake);
        assertEq(registry.ownerOf(id), alice);
        assertEq(registry.getAgentWallet(id), alice);
        assertEq(registry.nonces(alice), 1);
        assertEq(token.balanceOf(alice), WEALTH - r.stake);
    }

    function test_registerFor_contractWallet() external {
        Wallet1271 wallet = new Wallet1271(alice);
        Registration memory r = _registration(address(wallet));
        registry.registerFor(r, _sign("alice", hashOf(r)));
        assertEq(registry.getAgent(KEY).owner, address(wallet));
    }

    function testFuzz_registerFor_onlyWhatWasSigned(uint8 field) external {
        Registration memory r = _registration(alice);
        bytes memory signature = _sign("alice", hashOf(r));
        field = uint8(bound(field, 0, 6));
        if (field == 0) r.owner = bob;
        if (field == 1) r.agentKey = keccak256("other");
        if (field == 2) r.did = "did:web:evil.example";
        if (field == 3) r.ipfsHash = "evil";
        if (field == 4) r.stake = 1;
        if (field == 5) r.capabilities = capabilities("evil", 1);
        if (field == 6) r.deadline += 1;
        vm.expectRevert(ISignatureErrors.InvalidSignature.selector);
        registry.registerFor(r, signature);
    }

    function testFuzz_registerFor_onlyByTheOwner(uint256 key) external {
        key = bound(key, 1, type(uint128).max);
        Registration memory r = _registration(alice);
        bytes memory signature = signed(key, digestOf(REGISTRY_DOMAIN, address(registry), hashOf(r)));
        vm.expectRevert(ISignatureErrors.InvalidSignature.selector);
        registry.registerFor(r, signature);
    }

    function test_registerFor_nobodyCannotSign() external {
        Registration memory r = _registration(address(0));
        vm.expectRevert(ISignatureErrors.InvalidSignature.selector);
        registry.registerFor(r, new bytes(65));
    }

    function testFuzz_registerFor_notAfterTheDeadline(uint256 late) external {
        Registration memory r = _registration(alice);
        bytes memory signature = _sign("alice", hashOf(r));
        vm.warp(r.deadline + bound(late, 1, 365 days));
        vm.expectRevert(abi.encodeWithSelector(ISignatureErrors.DeadlinePassed.selector, r.deadline));
        registry.registerFor(r, signature);
    }

    function testFuzz_registerFor_notWithAnotherNonce(uint256 nonce) external {
        vm.assume(nonce != 0);
        Registration memory r = _registration(alice);
        r.nonce = nonce;
        bytes memory signature = _sign("alice", hashOf(r));
        vm.expectRevert(abi.encodeWithSelector(Nonces.InvalidAccountNonce.selector, alice, 0));
        registry.registerFor(r, signature);
    }

    function testFuzz_replay_onAnotherChain(uint64 chainId) external {
        vm.assume(chainId != 0 && chainId != block.chainid);
        Registration memory r = _registration(alice);
        bytes memory signature = _sign("alice", hashOf(r));
        vm.chainId(chainId);
        vm.expectRevert(ISignatureErrors.InvalidSignature.selector);
        registry.registerFor(r, signature);
    }

    function test_replay_onAnotherRegistry() external {
        Registration memory r = _registration(alice);
        bytes memory signature = _sign("alice", hashOf(r));
        RegistryFace other = deployRegistry(address(token));
        vm.expectRevert(ISignatureErrors.InvalidSignature.selector);
        other.registerFor(r, signature);
    }

    function test_replay_ofTheSameSignature() external {
        ActiveUpdate memory u = _activeUpdate();
        bytes memory signature = _sign("alice", hashOf(u));
        registry.setActiveFor(u, signature);
        vm.expectRevert(abi.encodeWithSelector(Nonces.InvalidAccountNonce.selector, alice, 1));
        registry.setActiveFor(u, signature);
    }

    // ------------------------------------------------------------------ permit

    function testFuzz_registerForWithPermit(uint256 stake) external {
        (Registration memory r, bytes memory signature, Permit memory permit) = _permitted(bound(stake, 1, WEALTH));
        vm.prank(eve);
        registry.registerForWithPermit(r, signature, permit);
        assertEq(registry.getAgent(KEY).stake, r.stake);
        assertEq(token.allowance(alice, address(registry)), 0);
    }

    function test_registerForWithPermit_survivesAFrontRunPermit() external {
        (Registration memory r, bytes memory signature, Permit memory permit) = _permitted(100);
        vm.prank(eve);
        token.permit(alice, address(registry), 100, permit.deadline, permit.v, permit.r, permit.s);
        registry.registerForWithPermit(r, signature, permit);
        assertEq(registry.getAgent(KEY).stake, 100);
    }

    function test_registerForWithPermit_needsAnAllowanceInTheEnd() external {
        (Registration memory r, bytes memory signature, Permit memory permit) = _permitted(100);
        permit.v ^= 1;
        CHEATS.expectPartialRevert(bytes4(keccak256("ERC20InsufficientAllowance(address,uint256,uint256)")));
        registry.registerForWithPermit(r, signature, permit);
    }

    // ---------------------------------------------------------------- the rest

    function testFuzz_updateAgentFor(uint256 hashLength, uint256 n) external {
        registerAs(alice, "agent");
        AgentUpdate memory u = AgentUpdate({
            agentKey: KEY,
            ipfsHash: filled(bound(hashLength, 1, 128)),
            capabilities: capabilities("relayed", bound(n, 0, 32)),
            expectedVersion: 1,
            nonce: 0,
            deadline: START
        });
        bytes memory signature = _sign("alice", hashOf(u));
        vm.prank(eve);
        registry.updateAgentFor(u, signature);
        assertEq(registry.getAgent(KEY).ipfsHash, u.ipfsHash);
        assertEq(registry.getAgent(KEY).version, 2);

        u.nonce = 1;
        signature = _sign("alice", hashOf(u));
        vm.expectRevert(abi.encodeWithSelector(IAgentDirectory.VersionMismatch.selector, 1, 2));
        registry.updateAgentFor(u, signature);
    }

    function testFuzz_setActiveFor(bool active) external {
        ActiveUpdate memory u = _activeUpdate();
        u.active = active;
        bytes memory signature = _sign("alice", hashOf(u));
        vm.prank(eve);
        registry.setActiveFor(u, signature);
        assertEq(registry.getAgent(KEY).active, active);
    }

    function testFuzz_requestUnstakeFor(uint256 stake, uint256 amount) external {
        stake = bound(stake, 1, WEALTH);
        amount = bound(amount, 1, stake);
        registerAs(alice, "agent", stake, new bytes32[](0));
        UnstakeRequest memory request = UnstakeRequest({agentKey: KEY, amount: amount, nonce: 0, deadline: START});
        bytes memory signature = _sign("alice", hashOf(request));
        vm.prank(eve);
        registry.requestUnstakeFor(request, signature);
        (uint256 unstaking,) = registry.unstakingOf(KEY);
        assertEq(unstaking, amount);
        assertEq(registry.getAgent(KEY).stake, stake - amount);
    }

    // ------------------------------------------------------------------- stake

    function testFuzz_stakeFor(uint256 stake, uint256 amount, uint256 ahead) external {
        stake = bound(stake, 0, WEALTH / 2);
        amount = bound(amount, 1, WEALTH / 2);
        registerAs(alice, "agent", stake, new bytes32[](0));
        StakeDeposit memory d = StakeDeposit(KEY, amount, 0, START + bound(ahead, 0, 365 days));
        bytes memory signature = _sign("alice", hashOf(d));
        vm.expectEmit();
        emit IAgentStaking.StakeChanged(1, stake + amount);
        vm.prank(eve);
        registry.stakeFor(d, signature);
        assertEq(registry.getAgent(KEY).stake, stake + amount);
        assertEq(token.balanceOf(alice), WEALTH - stake - amount);
        assertEq(token.balanceOf(address(registry)), stake + amount);
        assertEq(registry.nonces(alice), 1);
    }

    function testFuzz_stakeForWithPermit(uint256 amount) external {
        (StakeDeposit memory d, bytes memory signature, Permit memory permit) = _deposit(bound(amount, 1, WEALTH));
        vm.prank(eve);
        registry.stakeForWithPermit(d, signature, permit);
        assertEq(registry.getAgent(KEY).stake, d.amount);
        assertEq(token.allowance(alice, address(registry)), 0);
    }

    function test_stakeForWithPermit_survivesAFrontRunPermit() external {
        (StakeDeposit memory d, bytes memory signature, Permit memory permit) = _deposit(100);
        vm.prank(eve);
        token.permit(alice, address(registry), 100, permit.deadline, permit.v, permit.r, permit.s);
        registry.stakeForWithPermit(d, signature, permit);
        assertEq(registry.getAgent(KEY).stake, 100);
    }

    function test_stakeForWithPermit_needsAnAllowanceInTheEnd() external {
        (StakeDeposit memory d, bytes memory signature, Permit memory permit) = _deposit(100);
        permit.v ^= 1;
        CHEATS.expectPartialRevert(bytes4(keccak256("ERC20InsufficientAllowance(address,uint256,uint256)")));
        registry.stakeForWithPermit(d, signature, permit);
    }

    /// @dev A permit alone is no word about an agent: without the owner's signature it moves nothing.
    function testFuzz_stakeFor_onlyWhatWasSigned(uint8 field) external {
        (StakeDeposit memory d, bytes memory signature, Permit memory permit) = _deposit(100);
        field = uint8(bound(field, 0, 2));
        registerAs(alice, "other");
        if (field == 0) d.agentKey = keccak256("other");
        if (field == 1) d.amount += 1;
        if (field == 2) d.deadline += 1;
        vm.expectRevert(ISignatureErrors.InvalidSignature.selector);
        registry.stakeFor(d, signature);
        vm.expectRevert(ISignatureErrors.InvalidSignature.selector);
        registry.stakeForWithPermit(d, signature, permit);
    }

    function testFuzz_stakeFor_onlyByTheOwner(uint256 key) external {
        key = bound(key, 1, type(uint128).max);
        (StakeDeposit memory d,,) = _deposit(100);
        bytes memory signature = signed(key, digestOf(REGISTRY_DOMAIN, address(registry), hashOf(d)));
        vm.expectRevert(ISignatureErrors.InvalidSignature.selector);
        registry.stakeFor(d, signature);
    }

    function test_stakeFor_onlyOnce() external {
        (StakeDeposit memory d, bytes memory signature, Permit memory permit) = _deposit(100);
        registry.stakeForWithPermit(d, signature, permit);
        vm.expectRevert(abi.encodeWithSelector(Nonces.InvalidAccountNonce.selector, alice, 1));
        registry.stakeFor(d, signature);
    }

    function testFuzz_stakeFor_notAfterTheDeadline(uint256 late) external {
        (StakeDeposit memory d, bytes memory signature,) = _deposit(100);
        vm.warp(d.deadline + bound(late, 1, 365 days));
        vm.expectRevert(abi.encodeWithSelector(ISignatureErrors.DeadlinePassed.selector, d.deadline));
        registry.stakeFor(d, signature);
    }

    function test_stakeFor_nothing() external {
        (StakeDeposit memory d, bytes memory signature,) = _deposit(0);
        vm.expectRevert(IAgentStaking.ZeroAmount.selector);
        registry.stakeFor(d, signature);
    }

    function test_stakeFor_nobodysAgent() external {
        (StakeDeposit memory d, bytes memory signature,) = _deposit(100);
        d.agentKey = keccak256("nobody's");
        vm.expectRevert(abi.encodeWithSelector(IAgentDirectory.AgentNotFound.selector, d.agentKey));
        registry.stakeFor(d, signature);
    }

    function test_stakeFor_aSellerPaysNothingForABuyer() external {
        (StakeDeposit memory d, bytes memory signature, Permit memory permit) = _deposit(100);
        vm.prank(alice);
        registry.transferFrom(alice, bob, 1);
        vm.expectRevert(ISignatureErrors.InvalidSignature.selector);
        registry.stakeForWithPermit(d, signature, permit);
    }

    function testFuzz_stakeFor_contractWallet(uint256 amount) external {
        amount = bound(amount, 1, WEALTH);
        Wallet1271 wallet = new Wallet1271(alice);
        registerAs(address(wallet), "agent");
        vm.startPrank(alice);
        require(token.transfer(address(wallet), amount));
        wallet.execute(address(token), abi.encodeCall(token.approve, (address(registry), amount)));
        vm.stopPrank();
        StakeDeposit memory d = StakeDeposit(KEY, amount, 0, START);
        registry.stakeFor(d, _sign("alice", hashOf(d)));
        assertEq(registry.getAgent(KEY).stake, amount);
    }

    function test_stakeFor_tokenCannotReenter() external {
        OddToken odd = new OddToken();
        RegistryFace other = _registryOf(odd, 100);
        StakeDeposit memory d = StakeDeposit(KEY, 100, 0, START);
        bytes memory signature = signed(keyOf("alice"), digestOf(REGISTRY_DOMAIN, address(other), hashOf(d)));
        odd.setHook(address(other), abi.encodeCall(other.stakeFor, (d, signature)));
        vm.expectRevert(abi.encodeWithSignature("ReentrancyGuardReentrantCall()"));
        other.stakeFor(d, signature);
    }

    function testFuzz_stakeFor_feeOnTransferTokensAreRefused(uint256 amount) external {
        OddToken odd = new OddToken();
        RegistryFace other = _registryOf(odd, amount = bound(amount, 100, WEALTH));
        odd.setFee(100);
        StakeDeposit memory d = StakeDeposit(KEY, amount, 0, START);
        bytes memory signature = signed(keyOf("alice"), digestOf(REGISTRY_DOMAIN, address(other), hashOf(d)));
        CHEATS.expectPartialRevert(ITokenErrors.UnexpectedAmount.selector);
        other.stakeFor(d, signature);
    }

    // ------------------------------------------------------------------ owners

    function test_aSoldAgentNoLongerObeysItsSeller() external {
        ActiveUpdate memory u = _activeUpdate();
        bytes memory signature = _sign("alice", hashOf(u));
        vm.prank(alice);
        registry.transferFrom(alice, bob, 1);
        vm.expectRevert(ISignatureErrors.InvalidSignature.selector);
        registry.setActiveFor(u, signature);
    }

    function _registration(address owner) private pure returns (Registration memory) {
        return Registration({
            owner: owner,
            agentKey: KEY,
            did: "did:web:a.example",
            ipfsHash: CID,
            stake: 0,
            capabilities: new bytes32[](0),
            nonce: 0,
            deadline: START + 1 hours
        });
    }

    function _permitted(uint256 stake)
        private
        returns (Registration memory r, bytes memory signature, Permit memory permit)
    {
        vm.prank(alice);
        token.approve(address(registry), 0);
        r = _registration(alice);
        r.stake = stake;
        signature = _sign("alice", hashOf(r));
        permit = signedPermit(keyOf("alice"), address(token), address(registry), stake, 0, START);
    }

    function _deposit(uint256 amount)
        private
        returns (StakeDeposit memory d, bytes memory signature, Permit memory permit)
    {
        registerAs(alice, "agent");
        vm.prank(alice);
        token.approve(address(registry), 0);
        d = StakeDeposit({agentKey: KEY, amount: amount, nonce: 0, deadline: START + 1 hours});
        signature = _sign("alice", hashOf(d));
        permit = signedPermit(keyOf("alice"), address(token), address(registry), amount, 0, START);
    }

    /// @dev A registry of stakes in `odd`, of which Alice allows it `amount`, with an agent of hers.
    function _registryOf(OddToken odd, uint256 amount) private returns (RegistryFace other) {
        other = deployRegistry(address(odd));
        odd.mint(alice, amount);
        vm.startPrank(alice);
        odd.approve(address(other), amount);
        other.registerAgent(KEY, "", CID, 0, new bytes32[](0));
        vm.stopPrank();
    }

    function _activeUpdate() private returns (ActiveUpdate memory) {
        registerAs(alice, "agent");
        return ActiveUpdate({agentKey: KEY, active: false, expectedVersion: 1, nonce: 0, deadline: START});
    }

    function _sign(string memory signer, bytes32 structHash) private view returns (bytes memory) {
        return signed(keyOf(signer), digestOf(REGISTRY_DOMAIN, address(registry), structHash));
    }
}
