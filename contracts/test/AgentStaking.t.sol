// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {IAgentDirectory} from "../src/interfaces/IAgentDirectory.sol";
import {IAgentStaking} from "../src/interfaces/IAgentStaking.sol";
import {ITokenErrors} from "../src/interfaces/ITokenErrors.sol";
import {RegistryFace} from "./support/Faces.sol";
import {MeshTest} from "./support/MeshTest.sol";
import {OddToken} from "./support/OddToken.sol";

contract AgentStakingTest is MeshTest {
    bytes32 private constant KEY = keccak256("agent");
    bytes32 private constant REASON = keccak256("reason");
    uint256 private constant STAKE = 1000;

    event StakeChanged(uint256 indexed agentId, uint256 stake);
    event UnstakeRequested(uint256 indexed agentId, uint256 amount, uint64 readyAt);
    event Withdrawn(uint256 indexed agentId, address indexed owner, uint256 amount);
    event SlashProposed(
        uint256 indexed agentId, address indexed slasher, uint256 amount, bytes32 reasonHash, uint64 executableAt
    );
    event Slashed(uint256 indexed agentId, uint256 amount, bytes32 reasonHash);
    event SlashCancelled(uint256 indexed agentId, uint256 amount, bytes32 reasonHash);

    function setUp() public override {
        super.setUp();
        registerAs(alice, "agent", STAKE, new bytes32[](0));
    }

    // ----------------------------------------------------------------- staking

    function testFuzz_stake_byAnyone(uint256 amount) external {
        amount = bound(amount, 1, WEALTH);
        vm.expectEmit();
        emit StakeChanged(1, STAKE + amount);
        vm.prank(bob);
        registry.stake(KEY, amount);
        assertEq(registry.getAgent(KEY).stake, STAKE + amount);
        assertEq(token.balanceOf(address(registry)), STAKE + amount);
    }

    function test_stake_refusals() external {
        vm.startPrank(bob);
        vm.expectRevert(IAgentStaking.ZeroAmount.selector);
        registry.stake(KEY, 0);
        vm.expectRevert(abi.encodeWithSelector(IAgentDirectory.AgentNotFound.selector, REASON));
        registry.stake(REASON, 1);
    }

    function testFuzz_stake_feeOnTransferTokensAreRefused(uint256 amount) external {
        amount = bound(amount, 100, WEALTH);
        OddToken odd = new OddToken();
        RegistryFace other = _registryOf(odd);
        odd.mint(alice, WEALTH);
        odd.setFee(100);
        vm.startPrank(alice);
        odd.approve(address(other), amount);
        CHEATS.expectPartialRevert(ITokenErrors.UnexpectedAmount.selector);
        other.stake(KEY, amount);
    }

    // --------------------------------------------------------------- unstaking

    function testFuzz_requestUnstake(uint256 amount) external {
        amount = bound(amount, 1, STAKE);
        vm.expectEmit();
        emit StakeChanged(1, STAKE - amount);
        vm.expectEmit();
        emit UnstakeRequested(1, amount, START + COOLDOWN);
        vm.prank(alice);
        registry.requestUnstake(KEY, amount);
        (uint256 unstaking, uint64 readyAt) = registry.unstakingOf(KEY);
        assertEq(unstaking, amount);
        assertEq(readyAt, START + COOLDOWN);
        assertEq(registry.getAgent(KEY).stake, STAKE - amount);
    }

    function testFuzz_requestUnstake_moreRestartsTheCooldown(uint256 wait) external {
        wait = bound(wait, 1, COOLDOWN * 2);
        vm.prank(alice);
        registry.requestUnstake(KEY, 1);
        vm.warp(START + wait);
        vm.prank(alice);
        registry.requestUnstake(KEY, 2);
        (uint256 unstaking, uint64 readyAt) = registry.unstakingOf(KEY);
        assertEq(unstaking, 3);
        assertEq(readyAt, START + wait + COOLDOWN);
    }

    function testFuzz_requestUnstake_refusals(uint256 amount, address stranger) external {
        vm.assume(stranger != alice && stranger != address(0));
        amount = bound(amount, STAKE + 1, type(uint256).max);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721InsufficientApproval.selector, stranger, 1));
        registry.requestUnstake(KEY, 1);
        vm.startPrank(alice);
        vm.expectRevert(IAgentStaking.ZeroAmount.selector);
        registry.requestUnstake(KEY, 0);
        vm.expectRevert(abi.encodeWithSelector(IAgentStaking.InsufficientStake.selector, amount, STAKE));
        registry.requestUnstake(KEY, amount);
    }

    function testFuzz_withdraw_byAnyoneToTheOwner(uint256 amount, address caller) external {
        amount = bound(amount, 1, STAKE);
        vm.prank(alice);
        registry.requestUnstake(KEY, amount);
        vm.warp(START + COOLDOWN);
        vm.expectEmit();
        emit Withdrawn(1, alice, amount);
        vm.prank(caller);
        registry.withdraw(KEY);
        assertEq(token.balanceOf(alice), WEALTH - STAKE + amount);

        vm.expectRevert(IAgentStaking.NothingToWithdraw.selector);
        registry.withdraw(KEY);
    }

    function testFuzz_withdraw_notBeforeTheCooldownEnds(uint256 wait) external {
        wait = bound(wait, 0, COOLDOWN - 1);
        vm.prank(alice);
        registry.requestUnstake(KEY, 1);
        vm.warp(START + wait);
        vm.expectRevert(abi.encodeWithSelector(IAgentStaking.NotReady.selector, START + COOLDOWN));
        registry.withdraw(KEY);
    }

    function test_withdraw_goesWithTheAgent() external {
        vm.startPrank(alice);
        registry.requestUnstake(KEY, STAKE);
        registry.transferFrom(alice, bob, 1);
        vm.stopPrank();
        vm.warp(START + COOLDOWN);
        registry.withdraw(KEY);
        assertEq(token.balanceOf(bob), WEALTH + STAKE);
    }

    function test_withdraw_tokenCannotReenter() external {
        OddToken odd = new OddToken();
        RegistryFace other = _registryOf(odd);
        odd.mint(alice, STAKE);
        vm.startPrank(alice);
        odd.approve(address(other), STAKE);
        other.stake(KEY, STAKE);
        other.requestUnstake(KEY, STAKE);
        vm.stopPrank();
        vm.warp(START + COOLDOWN);
        odd.setHook(address(other), abi.encodeCall(other.withdraw, (KEY)));
        vm.expectRevert(abi.encodeWithSignature("ReentrancyGuardReentrantCall()"));
        other.withdraw(KEY);
    }

    // ---------------------------------------------------------------- slashing

    function testFuzz_proposeSlash(uint256 amount) external {
        amount = bound(amount, 1, STAKE / 2);
        vm.expectEmit();
        emit SlashProposed(1, slasher, amount, REASON, START + SLASH_DELAY);
        _propose(amount);
        assertEq(registry.slashOf(KEY).amount, amount);
        assertEq(registry.slashOf(KEY).executableAt, START + SLASH_DELAY);
        assertEq(registry.slashOf(KEY).reasonHash, REASON);
        assertEq(registry.getAgent(KEY).stake, STAKE);
    }

    function testFuzz_proposeSlash_needsTheRole(address stranger) external {
        vm.assume(stranger != slasher);
        bytes32 role = registry.SLASHER_ROLE();
        vm.prank(stranger);
        vm.expectRevert(
            abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, stranger, role)
        );
        registry.proposeSlash(KEY, 1, REASON);
    }

    function testFuzz_proposeSlash_cap(uint256 amount, uint256 unstaking) external {
        unstaking = bound(unstaking, 1, STAKE);
        vm.prank(alice);
        registry.requestUnstake(KEY, unstaking);
        // What is on its way out counts: asking to leave lowers nothing.
        uint256 cap = STAKE * MAX_SLASH_BPS / 10_000;
        amount = bound(amount, cap + 1, type(uint256).max);
        vm.prank(slasher);
        vm.expectRevert(abi.encodeWithSelector(IAgentStaking.SlashAboveCap.selector, amount, cap));
        registry.proposeSlash(KEY, amount, REASON);
    }

    function test_proposeSlash_oneAtATime() external {
        _propose(1);
        vm.startPrank(slasher);
        vm.expectRevert(abi.encodeWithSelector(IAgentStaking.SlashPending.selector, 1));
        registry.proposeSlash(KEY, 1, REASON);
        vm.stopPrank();
        vm.prank(admin);
        registry.cancelSlash(KEY);
        vm.prank(slasher);
        vm.expectRevert(IAgentStaking.ZeroAmount.selector);
        registry.proposeSlash(KEY, 0, REASON);
    }

    function testFuzz_executeSlash_toTheTreasury(uint256 amount, uint256 unstaking, address caller) external {
        amount = bound(amount, 1, STAKE / 2);
        unstaking = bound(unstaking, 0, STAKE);
        _propose(amount);
        if (unstaking != 0) {
            vm.prank(alice);
            registry.requestUnstake(KEY, unstaking);
        }
        vm.warp(START + SLASH_DELAY);
        vm.expectEmit();
        emit Slashed(1, amount, REASON);
        vm.prank(caller);
        registry.executeSlash(KEY);

        assertEq(token.balanceOf(treasury), amount);
        assertEq(token.balanceOf(slasher), 0);
        // Bonded stake first, what is on its way out after it.
        uint256 bonded = STAKE - unstaking;
        (uint256 left,) = registry.unstakingOf(KEY);
        assertEq(registry.getAgent(KEY).stake, bonded > amount ? bonded - amount : 0);
        assertEq(left + registry.getAgent(KEY).stake, STAKE - amount);
        vm.expectRevert(abi.encodeWithSelector(IAgentStaking.NoSlashPending.selector, 1));
        registry.executeSlash(KEY);
    }

    function testFuzz_executeSlash_notBeforeItsDelay(uint256 wait) external {
        _propose(1);
        vm.warp(START + bound(wait, 0, SLASH_DELAY - 1));
        vm.expectRevert(abi.encodeWithSelector(IAgentStaking.NotReady.selector, START + SLASH_DELAY));
        registry.executeSlash(KEY);
    }

    function testFuzz_slash_cannotBeEscapedByLeaving(uint256 amount) external {
        amount = bound(amount, 1, STAKE / 2);
        vm.prank(alice);
        registry.requestUnstake(KEY, STAKE);
        vm.warp(START + COOLDOWN);
        _propose(amount);
        registry.withdraw(KEY);
        (uint256 left,) = registry.unstakingOf(KEY);
        assertEq(left, amount);
        vm.expectRevert(IAgentStaking.NothingToWithdraw.selector);
        registry.withdraw(KEY);

        vm.warp(START + COOLDOWN + SLASH_DELAY);
        registry.executeSlash(KEY);
        assertEq(token.balanceOf(treasury), amount);
        assertEq(token.balanceOf(address(registry)), 0);
    }

    function testFuzz_cancelSlash(uint256 amount) external {
        amount = bound(amount, 1, STAKE / 2);
        _propose(amount);
        vm.prank(alice);
        registry.requestUnstake(KEY, STAKE);
        vm.expectEmit();
        emit SlashCancelled(1, amount, REASON);
        vm.prank(admin);
        registry.cancelSlash(KEY);
        vm.warp(START + COOLDOWN);
        registry.withdraw(KEY);
        assertEq(token.balanceOf(alice), WEALTH);
    }

    function testFuzz_cancelSlash_onlyByTheAdmin(address stranger) external {
        vm.assume(stranger != admin);
        _propose(1);
        vm.prank(stranger);
        vm.expectRevert(
            abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, stranger, bytes32(0))
        );
        registry.cancelSlash(KEY);
    }

    function test_theTreasuryCanNeverSlash() external {
        bytes32 role = registry.SLASHER_ROLE();
        vm.prank(admin);
        vm.expectRevert(IAgentStaking.TreasuryCannotSlash.selector);
        registry.grantRole(role, treasury);
    }

    // ------------------------------------------------------------- constructor

    function testFuzz_configuration(uint64 cooldown, uint64 delay, uint16 capBps) external {
        if (capBps > 10_000) vm.expectRevert(IAgentStaking.InvalidConfiguration.selector);
        RegistryFace other = deployRegistry(address(token), admin, treasury, cooldown, delay, capBps);
        if (capBps > 10_000) return;
        assertEq(address(other.stakeToken()), address(token));
        assertEq(other.treasury(), treasury);
        assertEq(other.cooldownSeconds(), cooldown);
        assertEq(other.slashDelaySeconds(), delay);
        assertEq(other.maxSlashBps(), capBps);
        assertTrue(other.hasRole(0, admin));
    }

    function test_configuration_zeroAddresses() external {
        vm.expectRevert(IAgentStaking.InvalidConfiguration.selector);
        deployRegistry(address(0), admin, treasury, 1, 1, 1);
        vm.expectRevert(IAgentStaking.InvalidConfiguration.selector);
        deployRegistry(address(token), address(0), treasury, 1, 1, 1);
        vm.expectRevert(IAgentStaking.InvalidConfiguration.selector);
        deployRegistry(address(token), admin, address(0), 1, 1, 1);
    }

    function _propose(uint256 amount) private {
        vm.prank(slasher);
        registry.proposeSlash(KEY, amount, REASON);
    }

    function _registryOf(IERC20 stakeToken) private returns (RegistryFace other) {
        other = deployRegistry(address(stakeToken));
        vm.prank(alice);
        other.registerAgent(KEY, "", CID, 0, new bytes32[](0));
    }
}
