// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IPagingErrors} from "../src/interfaces/IPagingErrors.sol";
import {IReputation} from "../src/interfaces/IReputation.sol";
import {FeedbackView} from "../src/types/FeedbackView.sol";
import {MeshTest} from "./support/MeshTest.sol";

contract ReputationReadingTest is MeshTest {
    string[3] private _tags = ["", "speed", "quality"];
    uint256 private _id;
    uint256 private _crowdSize;

    function setUp() public override {
        super.setUp();
        (, _id) = registerAs(bob, "agent");
    }

    // ---------------------------------------------------------------- summaries

    /// @dev The totals kept on write equal what the reference's loop over everything would find.
    function testFuzz_summaries_equalAFullScan(uint256 seed) external {
        address[] memory clients = new address[](3);
        (clients[0], clients[1], clients[2]) = (alice, carol, eve);
        int256[3][3][3] memory sums; // client, tag1, tag2
        uint64[3][3][3] memory counts;
        for (uint256 i; i < 12; ++i) {
            uint256 dice = uint256(keccak256(abi.encode(seed, i)));
            (uint256 c, uint256 t1, uint256 t2) = (dice % 3, (dice >> 8) % 3, (dice >> 16) % 3);
            int128 value = int128(int256((dice >> 32) % 2e38) - 1e38);
            uint8 decimals = uint8((dice >> 24) % 19);
            uint64 index = _give(clients[c], value, decimals, _tags[t1], _tags[t2]);
            if (dice >> 255 == 1) {
                vm.prank(clients[c]);
                reputation.revokeFeedback(_id, index);
            } else {
                sums[c][t1][t2] += int256(value) * int256(10 ** (18 - decimals));
                ++counts[c][t1][t2];
            }
        }
        for (uint256 filter; filter < 9; ++filter) {
            _compare(clients, sums, counts, filter / 3, filter % 3);
        }
    }

    function _compare(
        address[] memory clients,
        int256[3][3][3] memory sums,
        uint64[3][3][3] memory counts,
        uint256 tag1,
        uint256 tag2
    ) private {
        int256 sum;
        uint64 count;
        for (uint256 i; i < 27; ++i) {
            (uint256 c, uint256 t1, uint256 t2) = (i / 9, i / 3 % 3, i % 3);
            if ((tag1 != 0 && t1 != tag1) || (tag2 != 0 && t2 != tag2)) continue;
            sum += sums[c][t1][t2];
            count += counts[c][t1][t2];
        }
        (uint64 count_, int128 value, uint8 decimals) = reputation.getAgentSummary(_id, _tags[tag1], _tags[tag2]);
        assertEq(count_, count);
        _assertAverage(value, decimals, sum, count);
        (count_, value, decimals) = reputation.getSummary(_id, clients, _tags[tag1], _tags[tag2]);
        assertEq(count_, count);
        _assertAverage(value, decimals, sum, count);
    }

    function test_summaries_asManyDecimalsAsFit() external {
        _give(alice, 1e38, 0, "", "");
        (, int128 value, uint8 decimals) = reputation.getAgentSummary(_id, "", "");
        assertEq(value, 1e38);
        assertEq(decimals, 0);
        _give(carol, -1e38, 0, "", "");
        (, value, decimals) = reputation.getAgentSummary(_id, "", "");
        assertEq(value, 0);
        assertEq(decimals, 18);
        _give(eve, 1, 0, "", "");
        (, value, decimals) = reputation.getAgentSummary(_id, "", "");
        assertEq(value, 333_333_333_333_333_333);
        assertEq(decimals, 18);
    }

    function testFuzz_summaries_emptyAreZero(string calldata tag1, string calldata tag2) external {
        (uint64 count, int128 value, uint8 decimals) = reputation.getAgentSummary(_id, tag1, tag2);
        assertEq(count, 0);
        assertEq(value, 0);
        assertEq(decimals, 0);
    }

    function test_getSummary_countsListedClientsOnly() external {
        _give(alice, 10, 0, "", "");
        _give(carol, 90, 0, "", "");
        address[] memory clients = new address[](2);
        clients[0] = alice; // and the zero address, who has said nothing
        (uint64 count, int128 value,) = reputation.getSummary(_id, clients, "", "");
        assertEq(count, 1);
        assertEq(value, 10e18);
    }

    function test_getSummary_needsOneToAHundredClients() external {
        vm.expectRevert(IReputation.ClientsRequired.selector);
        reputation.getSummary(_id, new address[](0), "", "");
        reputation.getSummary(_id, new address[](100), "", "");
        vm.expectRevert(abi.encodeWithSelector(IReputation.TooManyAddresses.selector, 101, 100));
        reputation.getSummary(_id, new address[](101), "", "");
    }

    // -------------------------------- the reference's unbounded loops, absent

    /// @dev Reference defect 3: anyone can grow what a summary loops over. Here its cost stays what it was.
    function test_referenceDefect_unboundedSummary_isAbsent() external {
        _give(alice, 1, 0, "speed", "");
        address[] memory clients = new address[](1);
        clients[0] = alice;
        uint256 before = _gasOfSummary(clients);
        for (uint256 i; i < 200; ++i) {
            _give(alice, 1, 0, "speed", "");
        }
        assertAlmostEq(_gasOfSummary(clients), before, 1000);
    }

    function test_referenceDefect_unboundedReading_isAbsent() external {
        for (uint256 i; i < 500; ++i) {
            _give(alice, int128(int256(i)), 0, "", "");
        }
        address[] memory clients = new address[](1);
        clients[0] = alice;
        (address[] memory rows,,,,,,) = reputation.readAllFeedback(_id, clients, "", "", true);
        assertEq(rows.length, 500);
        _give(alice, 1, 0, "", "");
        vm.expectRevert(
            abi.encodeWithSelector(
                IReputation.TooMuchToRead.selector, 501, 500, "readFeedbackPage(uint256,address,uint256,uint256)"
            )
        );
        reputation.readAllFeedback(_id, clients, "", "", true);
        (FeedbackView[] memory items, uint256 next) = reputation.readFeedbackPage(_id, alice, 500, 500);
        assertEq(items.length, 1);
        assertEq(next, 0);
    }

    function test_referenceDefect_unboundedClients_isAbsent() external {
        _crowd(101);
        assertEq(reputation.getClients(_id).length, 101);
        vm.expectRevert(
            abi.encodeWithSelector(
                IReputation.TooMuchToRead.selector, 101, 100, "getClientsPage(uint256,uint256,uint256)"
            )
        );
        reputation.readAllFeedback(_id, new address[](0), "", "", true);
        _crowd(1001);
        vm.expectRevert(
            abi.encodeWithSelector(
                IReputation.TooMuchToRead.selector, 1001, 1000, "getClientsPage(uint256,uint256,uint256)"
            )
        );
        reputation.getClients(_id);
    }

    function test_getResponseCount_atMostAHundredResponders() external {
        vm.expectRevert(abi.encodeWithSelector(IReputation.TooManyAddresses.selector, 101, 100));
        reputation.getResponseCount(_id, alice, 1, new address[](101));
    }

    // ------------------------------------------------------------------ reading

    function test_readAllFeedback_filters() external {
        _give(alice, 1, 0, "speed", "");
        _give(alice, 2, 1, "quality", "speed");
        _give(carol, 3, 2, "speed", "quality");
        vm.prank(alice);
        reputation.revokeFeedback(_id, 1);

        _assertRows("", "", true, 3);
        _assertRows("", "", false, 2);
        _assertRows("speed", "", true, 2);
        _assertRows("speed", "", false, 1);
        _assertRows("", "speed", true, 1);
        _assertRows("speed", "quality", true, 1);
        _assertRows("quality", "quality", true, 0);

        (
            address[] memory clients,
            uint64[] memory indexes,
            int128[] memory values,
            uint8[] memory decimals,
            string[] memory tag1s,
            string[] memory tag2s,
            bool[] memory revoked
        ) = reputation.readAllFeedback(_id, new address[](0), "", "", true);
        assertEq(clients[2], carol);
        assertEq(indexes[1], 2);
        assertEq(values[2], 3);
        assertEq(decimals[1], 1);
        assertEq(tag1s[1], "quality");
        assertEq(tag2s[2], "quality");
        assertTrue(revoked[0]);
        assertFalse(revoked[1]);
    }

    /// @dev Every row, in order, says what reading it alone says; revoked ones are there when they are asked for.
    function testFuzz_readAllFeedback_equalsOneByOne(uint256 seed, uint8 count, bool includeRevoked) external {
        count = uint8(bound(count, 0, 20));
        uint256 left;
        for (uint256 i; i < count; ++i) {
            uint64 index = _give(alice, int128(uint128(uint256(keccak256(abi.encode(seed, i))) >> 160)), 18, "t", "");
            bool isRevoked = (seed >> i) & 1 == 1;
            if (isRevoked) {
                vm.prank(alice);
                reputation.revokeFeedback(_id, index);
            }
            if (includeRevoked || !isRevoked) ++left;
        }

        (address[] memory clients, uint64[] memory indexes, int128[] memory values,,,, bool[] memory revoked) =
            reputation.readAllFeedback(_id, new address[](0), "", "", includeRevoked);
        assertEq(indexes.length, left);
        for (uint256 i; i < left; ++i) {
            (int128 value,,,, bool isRevoked) = reputation.readFeedback(_id, clients[i], indexes[i]);
            assertEq(values[i], value);
            assertEq(revoked[i], isRevoked);
            if (i != 0) assertGt(indexes[i], indexes[i - 1]);
        }
    }

    function testFuzz_readFeedbackPage_walksAll(uint8 count, uint16 limit) external {
        count = uint8(bound(count, 0, 30));
        limit = uint16(bound(limit, 1, 500));
        for (uint256 i = 1; i <= count; ++i) {
            _give(alice, int128(int256(i)), 0, "t", "");
        }
        uint256 cursor;
        uint256 seen;
        do {
            FeedbackView[] memory items;
            (items, cursor) = reputation.readFeedbackPage(_id, alice, cursor, limit);
            for (uint256 i; i < items.length; ++i) {
                ++seen;
                assertEq(items[i].feedbackIndex, seen);
                assertEq(items[i].value, int256(seen));
                assertEq(items[i].client, alice);
                assertEq(items[i].tag1, "t");
            }
        } while (cursor != 0);
        assertEq(seen, count);
    }

    function testFuzz_getClientsPage_walksAll(uint8 count, uint16 limit) external {
        count = uint8(bound(count, 0, 30));
        limit = uint16(bound(limit, 1, 1000));
        _crowd(count);
        uint256 cursor;
        uint256 seen;
        do {
            address[] memory clients;
            (clients, cursor) = reputation.getClientsPage(_id, cursor, limit);
            for (uint256 i; i < clients.length; ++i) {
                assertEq(clients[i], _member(seen++));
            }
        } while (cursor != 0);
        assertEq(seen, count);
    }

    function testFuzz_pages_limits(uint256 limit, uint256 cursor) external {
        (FeedbackView[] memory items, uint256 next) = reputation.readFeedbackPage(_id, alice, cursor, 1);
        assertEq(items.length + next, 0);
        limit = limit == 0 ? 0 : bound(limit, 1001, type(uint256).max);
        vm.expectRevert(abi.encodeWithSelector(IPagingErrors.LimitOutOfRange.selector, limit, 500));
        reputation.readFeedbackPage(_id, alice, 0, limit);
        vm.expectRevert(abi.encodeWithSelector(IPagingErrors.LimitOutOfRange.selector, limit, 1000));
        reputation.getClientsPage(_id, 0, limit);
    }

    function testFuzz_readFeedback_unknown(address client, uint64 index) external {
        vm.expectRevert(abi.encodeWithSelector(IReputation.FeedbackNotFound.selector, _id, client, index));
        reputation.readFeedback(_id, client, index);
    }

    // ------------------------------------------------------------------ helpers

    function _give(address client, int128 value, uint8 decimals, string memory tag1, string memory tag2)
        private
        returns (uint64)
    {
        vm.prank(client);
        reputation.giveFeedback(_id, value, decimals, tag1, tag2, "", "", 0);
        return reputation.getLastIndex(_id, client);
    }

    /// @dev Makes the agent have `size` clients.
    function _crowd(uint256 size) private {
        for (; _crowdSize < size; ++_crowdSize) {
            _give(_member(_crowdSize), 1, 0, "", "");
        }
    }

    function _member(uint256 i) private pure returns (address) {
        return address(uint160(0x1000 + i));
    }

    function _gasOfSummary(address[] memory clients) private view returns (uint256) {
        uint256 left = gasleft();
        reputation.getSummary(_id, clients, "speed", "");
        return left - gasleft();
    }

    function _assertRows(string memory tag1, string memory tag2, bool includeRevoked, uint256 count) private {
        (address[] memory rows,,,,,,) = reputation.readAllFeedback(_id, new address[](0), tag1, tag2, includeRevoked);
        assertEq(rows.length, count);
    }

    function _assertAverage(int128 value, uint8 decimals, int256 sum, uint64 count) private {
        int256 mean = count == 0 ? int256(0) : sum / int256(uint256(count));
        assertEq(int256(value), count == 0 ? int256(0) : mean / int256(10 ** (18 - decimals)));
        // One more decimal would not have fitted.
        if (count != 0 && decimals < 18) {
            int256 finer = mean / int256(10 ** (17 - decimals));
            assertTrue(finer > type(int128).max || finer < type(int128).min);
        }
    }
}
