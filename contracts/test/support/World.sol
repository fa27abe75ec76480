// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {PRBTest} from "@prb/test/PRBTest.sol";

import {IReputation} from "../../src/interfaces/IReputation.sol";
import {IValidation} from "../../src/interfaces/IValidation.sol";
import {Cheats} from "./Cheats.sol";
import {EscrowFace, RegistryFace, TokenFace} from "./Faces.sol";
import {Signing} from "./Signing.sol";

/// @notice The five contracts as a local chain has them, and the people who use them.
abstract contract World is PRBTest, Signing {
    Cheats internal constant CHEATS = Cheats(VM_ADDRESS);

    /// @dev The Unix second in which every test begins.
    uint64 internal constant START = 1_800_000_000;
    uint64 internal constant COOLDOWN = 7 days;
    uint64 internal constant SLASH_DELAY = 2 days;
    uint16 internal constant MAX_SLASH_BPS = 5000;
    uint16 internal constant FEE_BPS = 250;
    uint256 internal constant WEALTH = 1e18;
    string internal constant CID = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";

    address internal immutable admin = account("admin");
    address internal immutable treasury = account("treasury");
    address internal immutable feeRecipient = account("fee recipient");
    address internal immutable slasher = account("slasher");
    address internal immutable alice = account("alice");
    address internal immutable bob = account("bob");
    address internal immutable carol = account("carol");
    address internal immutable eve = account("eve");

    TokenFace internal token;
    RegistryFace internal registry;
    EscrowFace internal escrow;
    IReputation internal reputation;
    IValidation internal validation;

    function deployMesh() internal {
        vm.warp(START);
        token = TokenFace(CHEATS.deployCode("MeshToken.sol:MeshToken", abi.encode(admin)));
        registry = deployRegistry(address(token));
        escrow = deployEscrow(admin, feeRecipient, FEE_BPS);
        reputation = deployReputation(address(registry), address(escrow));
        validation = deployValidation(address(registry));
        bytes32 role = registry.SLASHER_ROLE();
        vm.prank(admin);
        registry.grantRole(role, slasher);
        enrich(alice);
        enrich(bob);
        enrich(carol);
    }

    function deployRegistry(address stakeToken) internal returns (RegistryFace) {
        return deployRegistry(stakeToken, admin, treasury, COOLDOWN, SLASH_DELAY, MAX_SLASH_BPS);
    }

    function deployRegistry(
        address stakeToken,
        address admin_,
        address treasury_,
        uint64 cooldown,
        uint64 slashDelay,
        uint16 maxSlashBps
    ) internal returns (RegistryFace) {
        bytes memory args = abi.encode(stakeToken, admin_, treasury_, cooldown, slashDelay, maxSlashBps);
        return RegistryFace(CHEATS.deployCode("AgentRegistry.sol:AgentRegistry", args));
    }

    function deployEscrow(address admin_, address feeRecipient_, uint16 feeBps) internal returns (EscrowFace) {
        return EscrowFace(CHEATS.deployCode("MeshEscrow.sol:MeshEscrow", abi.encode(admin_, feeRecipient_, feeBps)));
    }

    function deployReputation(address identity, address escrow_) internal returns (IReputation) {
        return IReputation(CHEATS.deployCode("Reputation.sol:Reputation", abi.encode(identity, escrow_)));
    }

    function deployValidation(address identity) internal returns (IValidation) {
        return IValidation(CHEATS.deployCode("Validation.sol:Validation", abi.encode(identity)));
    }

    /// @dev The same account everywhere for the same name; {keyOf} has its key.
    function account(string memory name) internal pure returns (address) {
        return vm.addr(keyOf(name));
    }

    function keyOf(string memory name) internal pure returns (uint256) {
        return uint256(keccak256(bytes(name)));
    }

    function enrich(address who) internal {
        vm.prank(admin);
        token.mint(who, WEALTH);
        vm.startPrank(who);
        token.approve(address(registry), type(uint256).max);
        token.approve(address(escrow), type(uint256).max);
        vm.stopPrank();
    }

    /// @dev Folds `x` into [min, max].
    function bound(uint256 x, uint256 min, uint256 max) internal pure returns (uint256) {
        if (min == 0 && max == type(uint256).max) return x;
        return min + x % (max - min + 1);
    }

    /// @dev `n` ascending capabilities that no other seed has.
    function capabilities(bytes32 seed, uint256 n) internal pure returns (bytes32[] memory list) {
        list = new bytes32[](n);
        bytes32 base = keccak256(abi.encode(seed)) >> 8;
        for (uint256 i; i < n; ++i) {
            list[i] = bytes32(uint256(base) + i + 1);
        }
    }

    function registerAs(address owner, string memory name, uint256 stake, bytes32[] memory offers)
        internal
        returns (bytes32 agentKey)
    {
        agentKey = keccak256(bytes(name));
        vm.prank(owner);
        registry.registerAgent(agentKey, "did:web:example.org", CID, stake, offers);
    }

    function registerAs(address owner, string memory name) internal returns (bytes32 agentKey, uint256 agentId) {
        agentKey = registerAs(owner, name, 0, new bytes32[](0));
        agentId = registry.agentIdOf(agentKey);
    }

    function filled(uint256 length) internal pure returns (string memory) {
        bytes memory text = new bytes(length);
        for (uint256 i; i < length; ++i) {
            text[i] = "x";
        }
        return string(text);
    }
}
