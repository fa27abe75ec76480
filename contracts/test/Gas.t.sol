// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {MeshTest} from "./support/MeshTest.sol";

contract GasTest is MeshTest {
    string private constant DID = "did:pkh:eip155:31337:0x328809bc894f92807417d2dad6b7c998c1afdac6";

    function setUp() public override {
        super.setUp();
        registerAs(bob, "first", 1e6, capabilities("warm", 5));
    }

    function test_register_stake_did_5fresh() external {
        bytes32[] memory caps = capabilities("fresh", 5);
        vm.prank(alice);
        registry.registerAgent(keccak256("a"), DID, CID, 1e6, caps);
        emit LogNamedUint256(
            "gas", CHEATS.snapshotGasLastCall("AgentRegistry", "registerAgent, stake + DID + 5 fresh capabilities")
        );
    }

    function test_register_nostake_nodid_5fresh() external {
        bytes32[] memory caps = capabilities("fresh", 5);
        vm.prank(alice);
        registry.registerAgent(keccak256("a"), "", CID, 0, caps);
        emit LogNamedUint256("gas", CHEATS.snapshotGasLastCall("AgentRegistry", "registerAgent, 5 fresh capabilities"));
    }

    function test_register_plain() external {
        vm.prank(alice);
        registry.register();
        emit LogNamedUint256("gas", CHEATS.snapshotGasLastCall("AgentRegistry", "register"));
    }

    function test_register_plain_uri() external {
        vm.prank(alice);
        registry.register(string.concat("ipfs://", CID));
        emit LogNamedUint256("gas", CHEATS.snapshotGasLastCall("AgentRegistry", "register(uri)"));
    }
}
