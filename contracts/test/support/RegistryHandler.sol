// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {AgentView} from "../../src/types/AgentView.sol";
import {StakeDeposit} from "../../src/types/StakeDeposit.sol";
import {World} from "./World.sol";

/// @notice Does everything that people can do with agents and stakes, in any order, and keeps what it did in mind.
contract RegistryHandler is World {
    uint256 private constant MAX_AGENTS = 6;

    bytes32[] public agentKeys;
    uint256 public deposited;
    uint256 public selfRatings;
    /// @notice How many of {offers} an agent offers: always the first ones.
    mapping(bytes32 agentKey => uint256) public offered;
    address[4] private _people = [alice, bob, carol, eve];
    string[4] private _names = ["alice", "bob", "carol", "eve"];

    constructor() {
        deployMesh();
        enrich(eve);
    }

    function register(uint256 seed, uint256 amount, uint256 n) external {
        if (agentKeys.length == MAX_AGENTS) return;
        amount = bound(amount, 0, 1000);
        n = bound(n, 0, 4);
        bytes32 agentKey = keccak256(abi.encode(seed, agentKeys.length));
        vm.prank(_person(seed));
        registry.registerAgent(agentKey, "", CID, amount, capabilities("handler", n));
        agentKeys.push(agentKey);
        offered[agentKey] = n;
        deposited += amount;
    }

    function registerPlain(uint256 seed) external {
        if (agentKeys.length == MAX_AGENTS) return;
        vm.prank(_person(seed));
        uint256 id = registry.register("https://a.example");
        agentKeys.push(registry.agentKeyOf(id));
    }

    function stake(uint256 seed, uint256 agent, uint256 amount) external {
        amount = bound(amount, 1, 1000);
        bytes32 agentKey = _agent(agent);
        vm.prank(_person(seed));
        registry.stake(agentKey, amount);
        deposited += amount;
    }

    function stakeFor(uint256 signer, uint256 agent, uint256 amount) external {
        StakeDeposit memory deposit = StakeDeposit({
            agentKey: _agent(agent), amount: bound(amount, 1, 1000), nonce: 0, deadline: block.timestamp
        });
        deposit.nonce = registry.nonces(_person(signer));
        bytes32 digest = digestOf(REGISTRY_DOMAIN, address(registry), hashOf(deposit));
        registry.stakeFor(deposit, signed(keyOf(_names[signer % 4]), digest));
        deposited += deposit.amount;
    }

    function requestUnstake(uint256 agent, uint256 amount) external {
        AgentView memory found = registry.getAgent(_agent(agent));
        vm.prank(found.owner);
        registry.requestUnstake(found.agentKey, found.stake == 0 ? 1 : bound(amount, 1, found.stake));
    }

    function withdraw(uint256 agent) external {
        bytes32 agentKey = _agent(agent);
        (, uint64 readyAt) = registry.unstakingOf(agentKey);
        if (block.timestamp < readyAt) vm.warp(readyAt);
        uint256 before = token.balanceOf(address(registry));
        registry.withdraw(agentKey);
        deposited -= before - token.balanceOf(address(registry));
    }

    function proposeSlash(uint256 agent, uint256 amount) external {
        bytes32 agentKey = _agent(agent);
        vm.prank(slasher);
        registry.proposeSlash(agentKey, bound(amount, 1, 500), 0);
    }

    function executeSlash(uint256 agent) external {
        bytes32 agentKey = _agent(agent);
        uint64 executableAt = registry.slashOf(agentKey).executableAt;
        if (block.timestamp < executableAt) vm.warp(executableAt);
        uint256 before = token.balanceOf(treasury);
        registry.executeSlash(agentKey);
        deposited -= token.balanceOf(treasury) - before;
    }

    function cancelSlash(uint256 agent) external {
        bytes32 agentKey = _agent(agent);
        vm.prank(admin);
        registry.cancelSlash(agentKey);
    }

    function transfer(uint256 agent, uint256 seed) external {
        AgentView memory found = registry.getAgent(_agent(agent));
        vm.prank(found.owner);
        registry.transferFrom(found.owner, _person(seed), found.agentId);
    }

    function approveAll(uint256 from, uint256 to, bool approved) external {
        vm.prank(_person(from));
        registry.setApprovalForAll(_person(to), approved);
    }

    function update(uint256 agent, uint256 n) external {
        n = bound(n, 0, 4);
        AgentView memory found = registry.getAgent(_agent(agent));
        vm.prank(found.owner);
        registry.updateAgent(found.agentKey, CID, capabilities("handler", n), found.version);
        offered[found.agentKey] = n;
    }

    function setActive(uint256 agent, bool active) external {
        AgentView memory found = registry.getAgent(_agent(agent));
        vm.prank(found.owner);
        registry.setActive(found.agentKey, active, found.version);
    }

    function rate(uint256 seed, uint256 agent, int128 value) external {
        uint256 id = registry.agentIdOf(_agent(agent));
        address rater = _person(seed);
        bool insider = registry.isAuthorizedOrOwner(rater, id);
        vm.prank(rater);
        reputation.giveFeedback(id, value % 1e38, 2, "t", "", "", "", 0);
        if (insider) ++selfRatings;
    }

    function offers() external pure returns (bytes32[] memory) {
        return capabilities("handler", 4);
    }

    function agentCount() external view returns (uint256) {
        return agentKeys.length;
    }

    function _agent(uint256 seed) private view returns (bytes32) {
        return agentKeys[seed % agentKeys.length];
    }

    function _person(uint256 seed) private view returns (address) {
        return _people[seed % 4];
    }

    function contracts() external view returns (address, address, address) {
        return (address(token), address(registry), address(reputation));
    }
}
