// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {PRBTest} from "@prb/test/PRBTest.sol";

import {AgentView} from "../src/types/AgentView.sol";
import {RegistryFace, TokenFace} from "./support/Faces.sol";
import {RegistryHandler} from "./support/RegistryHandler.sol";

contract RegistryInvariantTest is PRBTest {
    RegistryHandler private _handler;
    RegistryFace private _registry;
    TokenFace private _token;

    function setUp() external {
        _handler = new RegistryHandler();
        (address token, address registry,) = _handler.contracts();
        (_token, _registry) = (TokenFace(token), RegistryFace(registry));
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }

    function invariant_stakesEqualTheBalance() external {
        uint256 sum;
        for (uint256 i; i < _handler.agentCount(); ++i) {
            bytes32 agentKey = _handler.agentKeys(i);
            (uint256 unstaking,) = _registry.unstakingOf(agentKey);
            sum += _registry.getAgent(agentKey).stake + unstaking;
        }
        assertEq(sum, _token.balanceOf(address(_registry)), "sum of stakes");
        assertEq(sum, _handler.deposited(), "deposits less payouts");
    }

    function invariant_aProposedSlashIsAlwaysCovered() external {
        for (uint256 i; i < _handler.agentCount(); ++i) {
            bytes32 agentKey = _handler.agentKeys(i);
            (uint256 unstaking,) = _registry.unstakingOf(agentKey);
            uint256 atRisk = _registry.getAgent(agentKey).stake + unstaking;
            assertLte(_registry.slashOf(agentKey).amount, atRisk);
        }
    }

    function invariant_ownersNeverRateThemselves() external {
        assertEq(_handler.selfRatings(), 0);
    }

    /// @dev Every active agent is found under each capability of its last update exactly once; nobody else is.
    function invariant_discoveryFindsEachOnce() external {
        bytes32[] memory offers = _handler.offers();
        for (uint256 c; c < offers.length; ++c) {
            (bytes32[] memory found,) = _registry.getAgentsByCapability(offers[c], 0, 100);
            uint256 expected;
            for (uint256 i; i < _handler.agentCount(); ++i) {
                bytes32 agentKey = _handler.agentKeys(i);
                if (_handler.offered(agentKey) > c && _registry.getAgent(agentKey).active) ++expected;
            }
            assertEq(found.length, expected);
            for (uint256 i; i < found.length; ++i) {
                assertGt(_handler.offered(found[i]), c);
            }
        }
    }

    function invariant_keysAndIdsNameEachOther() external {
        assertEq(_registry.totalAgents(), _handler.agentCount());
        for (uint256 id = 1; id <= _registry.totalAgents(); ++id) {
            bytes32 agentKey = _registry.agentKeyOf(id);
            AgentView memory agent = _registry.getAgent(agentKey);
            assertEq(agent.agentId, id);
            assertEq(agent.owner, _registry.ownerOf(id));
        }
    }
}
