// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IPagingErrors} from "../src/interfaces/IPagingErrors.sol";
import {IValidation} from "../src/interfaces/IValidation.sol";
import {MeshTest} from "./support/MeshTest.sol";

contract ValidationTest is MeshTest {
    bytes32 private constant HASH = keccak256("what was asked for");
    uint256 private _id;

    event ValidationRequest(
        address indexed validatorAddress, uint256 indexed agentId, string requestURI, bytes32 indexed requestHash
    );
    event ValidationRequestKeyed(
        bytes32 indexed requestKey, uint256 indexed agentId, address indexed validatorAddress, bytes32 requestHash
    );
    event ValidationResponse(
        address indexed validatorAddress,
        uint256 indexed agentId,
        bytes32 indexed requestHash,
        uint8 response,
        string responseURI,
        bytes32 responseHash,
        string tag
    );

    function setUp() public override {
        super.setUp();
        (, _id) = registerAs(bob, "agent");
    }

    // ---------------------------------------------------------------- requesting

    function testFuzz_validationRequest(address validator, bytes32 hash) external {
        if (validator == address(0)) validator = carol;
        bytes32 key = validation.requestKeyOf(_id, validator, hash);
        vm.expectEmit();
        emit ValidationRequest(validator, _id, "ipfs://r", hash);
        vm.expectEmit();
        emit ValidationRequestKeyed(key, _id, validator, hash);
        vm.prank(bob);
        validation.validationRequest(validator, _id, "ipfs://r", hash);

        _assertStatus(key, validator, 0, "", START);
        _assertStatus(hash, validator, 0, "", START);
        assertEq(validation.getAgentValidations(_id)[0], key);
        assertEq(validation.getValidatorRequests(validator)[0], key);
    }

    function test_validationRequest_operatorsMayAskToo() external {
        vm.prank(bob);
        registry.setApprovalForAll(alice, true);
        vm.prank(alice);
        validation.validationRequest(carol, _id, "", HASH);

        _assertStatus(HASH, carol, 0, "", START);
    }

    function testFuzz_validationRequest_ofTheAgentsOwnersOnly(address stranger) external {
        if (stranger == bob) stranger = eve;
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IValidation.NotAuthorized.selector, _id, stranger));
        validation.validationRequest(carol, _id, "", HASH);
    }

    function test_validationRequest_ofAnAgentThatIsThere() external {
        vm.prank(bob);
        vm.expectRevert();
        validation.validationRequest(carol, _id + 1, "", HASH);
    }

    function test_validationRequest_toSomebody() external {
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(IValidation.InvalidValidator.selector));
        validation.validationRequest(address(0), _id, "", HASH);
    }

    function test_validationRequest_once() external {
        bytes32 key = _request(bob, _id, carol, HASH);
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(IValidation.AlreadyRequested.selector, key));
        validation.validationRequest(carol, _id, "", HASH);
    }

    // ----------------------------------------------------------------- squatting

    /// @dev The reference refuses the second request with the same hash, whoever sends it.
    function test_referenceDefect_squattedHash_isAbsent() external {
        (, uint256 evesId) = registerAs(eve, "squatter");
        _request(eve, evesId, carol, HASH);
        bytes32 key = _request(bob, _id, carol, HASH);

        vm.prank(carol);
        validation.validationResponse(key, 90, "", 0, "audit");

        _assertStatus(key, carol, 90, "audit", START);
        (uint64 count,) = validation.getSummary(evesId, new address[](0), "");
        assertEq(count, 0);
    }

    function test_aHashOfSeveralRequestsIsAmbiguousAndItsKeyIsNot() external {
        (, uint256 evesId) = registerAs(eve, "squatter");
        _request(eve, evesId, carol, HASH);
        bytes32 key = _request(bob, _id, carol, HASH);

        vm.expectRevert(abi.encodeWithSelector(IValidation.AmbiguousRequest.selector, HASH));
        validation.getValidationStatus(HASH);
        vm.prank(carol);
        vm.expectRevert(abi.encodeWithSelector(IValidation.AmbiguousRequest.selector, HASH));
        validation.validationResponse(HASH, 90, "", 0, "");
        _assertStatus(key, carol, 0, "", START);
    }

    /// @dev A squatter who asks another validator does not even make the hash ambiguous for ours.
    function test_aValidatorKnowsItsOwnRequestByItsHash() external {
        (, uint256 evesId) = registerAs(eve, "squatter");
        _request(eve, evesId, alice, HASH);
        bytes32 key = _request(bob, _id, carol, HASH);

        vm.prank(carol);
        validation.validationResponse(HASH, 70, "", 0, "");

        _assertStatus(key, carol, 70, "", START);
    }

    function test_aKeyUsedAsAHashLeadsToTheRequestThatHasTheKey() external {
        (, uint256 evesId) = registerAs(eve, "squatter");
        bytes32 key = _request(bob, _id, carol, HASH);
        _request(eve, evesId, carol, key);

        vm.prank(carol);
        validation.validationResponse(key, 60, "", 0, "");

        _assertStatus(key, carol, 60, "", START);
        (uint64 count,) = validation.getSummary(evesId, new address[](0), "");
        assertEq(count, 0);
    }

    // ---------------------------------------------------------------- responding

    function testFuzz_validationResponse(uint8 response, bytes32 responseHash, uint8 tagLength) external {
        response = uint8(bound(response, 0, 100));
        string memory tag = filled(bound(tagLength, 0, 128));
        bytes32 key = _request(bob, _id, carol, HASH);
        vm.warp(START + 60);
        vm.expectEmit();
        emit ValidationResponse(carol, _id, HASH, response, "ipfs://e", responseHash, tag);
        vm.prank(carol);
        validation.validationResponse(HASH, response, "ipfs://e", responseHash, tag);

        _assertStatus(key, carol, response, tag, START + 60);
        (,,, bytes32 kept,,) = validation.getValidationStatus(key);
        assertEq(kept, responseHash);
        _assertSummary(new address[](0), "", 1, response);
    }

    function testFuzz_validationResponse_isBounded(uint8 response) external {
        response = uint8(bound(response, 101, 255));
        _request(bob, _id, carol, HASH);
        vm.prank(carol);
        vm.expectRevert(abi.encodeWithSelector(IValidation.ResponseOutOfRange.selector, response));
        validation.validationResponse(HASH, response, "", 0, "");
    }

    function testFuzz_validationResponse_tagsAreBounded(uint16 length) external {
        string memory tag = filled(bound(length, 129, 512));
        _request(bob, _id, carol, HASH);
        vm.prank(carol);
        vm.expectRevert(abi.encodeWithSelector(IValidation.TagTooLong.selector, bytes(tag).length, 128));
        validation.validationResponse(HASH, 1, "", 0, tag);
    }

    function testFuzz_validationResponse_ofTheOneWhoWasAsked(address stranger) external {
        if (stranger == carol) stranger = eve;
        bytes32 key = _request(bob, _id, carol, HASH);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IValidation.NotValidator.selector, key, stranger));
        validation.validationResponse(key, 100, "", 0, "");
    }

    function test_validationResponse_toARequest() external {
        vm.prank(carol);
        vm.expectRevert(abi.encodeWithSelector(IValidation.RequestNotFound.selector, HASH));
        validation.validationResponse(HASH, 100, "", 0, "");
    }

    function test_validationResponse_neverOfAnInsider() external {
        _request(bob, _id, bob, HASH);
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(IValidation.SelfValidation.selector, _id, bob));
        validation.validationResponse(HASH, 100, "", 0, "");
    }

    function test_validationResponse_neverOfAnOwnerSince() external {
        _request(bob, _id, carol, HASH);
        vm.prank(bob);
        registry.transferFrom(bob, carol, _id);
        vm.prank(carol);
        vm.expectRevert(abi.encodeWithSelector(IValidation.SelfValidation.selector, _id, carol));
        validation.validationResponse(HASH, 100, "", 0, "");
    }

    function testFuzz_validationResponse_theLatestCounts(uint8 first, uint8 second) external {
        (first, second) = (uint8(bound(first, 0, 100)), uint8(bound(second, 0, 100)));
        _request(bob, _id, carol, HASH);
        vm.startPrank(carol);
        validation.validationResponse(HASH, first, "", 0, "soft");
        validation.validationResponse(HASH, second, "", 0, "hard");
        vm.stopPrank();

        _assertSummary(new address[](0), "", 1, second);
        _assertSummary(new address[](0), "hard", 1, second);
        _assertSummary(new address[](0), "soft", 0, 0);
    }

    // ------------------------------------------------------------------- reading

    function testFuzz_getSummary_overValidatorsAndTags(uint8[6] calldata said) external {
        uint256 sumOfCarol;
        uint256 sum;
        for (uint256 i; i < said.length; ++i) {
            address validator = i % 2 == 0 ? carol : alice;
            uint8 response = said[i] % 101;
            bytes32 key = _request(bob, _id, validator, bytes32(i));
            vm.prank(validator);
            validation.validationResponse(key, response, "", 0, i < 3 ? "early" : "late");
            sum += response;
            if (validator == carol) sumOfCarol += response;
        }

        address[] memory carolOnly = new address[](1);
        carolOnly[0] = carol;
        address[] memory both = new address[](2);
        (both[0], both[1]) = (carol, alice);
        _assertSummary(new address[](0), "", 6, uint8(sum / 6));
        _assertSummary(both, "", 6, uint8(sum / 6));
        _assertSummary(carolOnly, "", 3, uint8(sumOfCarol / 3));
        _assertSummary(carolOnly, "early", 2, uint8((uint256(said[0] % 101) + said[2] % 101) / 2));
    }

    function test_getSummary_countsNoRequestWithoutAnAnswer() external {
        _request(bob, _id, carol, HASH);

        _assertSummary(new address[](0), "", 0, 0);
    }

    function test_getSummary_addressZeroIsNobody() external {
        _request(bob, _id, carol, HASH);
        vm.prank(carol);
        validation.validationResponse(HASH, 80, "", 0, "");

        _assertSummary(new address[](1), "", 0, 0);
    }

    function testFuzz_getSummary_addressesAreBounded(uint8 count) external {
        uint256 length = bound(count, 101, 255);
        vm.expectRevert(abi.encodeWithSelector(IValidation.TooManyAddresses.selector, length, 100));
        validation.getSummary(_id, new address[](length), "");
    }

    function testFuzz_pagesGiveEachRequestOnce(uint8 requests, uint8 limit) external {
        uint256 count = bound(requests, 0, 20);
        uint256 step = bound(limit, 1, 7);
        for (uint256 i; i < count; ++i) {
            _request(bob, _id, carol, bytes32(i));
        }

        (uint256 ofAgent, uint256 ofValidator) = (_walkAgent(step), _walkValidator(step));

        assertEq(ofAgent, count);
        assertEq(ofValidator, count);
    }

    function testFuzz_pagesAreBounded(uint256 limit) external {
        if (limit != 0 && limit <= 1000) limit = 1001;
        vm.expectRevert(abi.encodeWithSelector(IPagingErrors.LimitOutOfRange.selector, limit, 1000));
        validation.getAgentValidationsPage(_id, 0, limit);
        vm.expectRevert(abi.encodeWithSelector(IPagingErrors.LimitOutOfRange.selector, limit, 1000));
        validation.getValidatorRequestsPage(carol, 0, limit);
    }

    function test_listsRefuseToLoopOverThousands() external {
        for (uint256 i; i < 1001; ++i) {
            _request(bob, _id, carol, bytes32(i));
        }

        vm.expectRevert(
            abi.encodeWithSelector(
                IValidation.TooMuchToRead.selector, 1001, 1000, "getAgentValidationsPage(uint256,uint256,uint256)"
            )
        );
        validation.getAgentValidations(_id);
        vm.expectRevert(
            abi.encodeWithSelector(
                IValidation.TooMuchToRead.selector, 1001, 1000, "getValidatorRequestsPage(address,uint256,uint256)"
            )
        );
        validation.getValidatorRequests(carol);
    }

    function test_anIdentityRegistryIsNeeded() external {
        vm.expectRevert();
        deployValidation(address(0));
    }

    function _request(address owner, uint256 id, address validator, bytes32 hash) private returns (bytes32) {
        vm.prank(owner);
        validation.validationRequest(validator, id, "", hash);
        return validation.requestKeyOf(id, validator, hash);
    }

    function _walkAgent(uint256 step) private view returns (uint256 seen) {
        uint256 cursor;
        do {
            bytes32[] memory page;
            (page, cursor) = validation.getAgentValidationsPage(_id, cursor, step);
            for (uint256 i; i < page.length; ++i) {
                require(page[i] == validation.requestKeyOf(_id, carol, bytes32(seen++)), "out of order");
            }
        } while (cursor != 0);
    }

    function _walkValidator(uint256 step) private view returns (uint256 seen) {
        uint256 cursor;
        do {
            bytes32[] memory page;
            (page, cursor) = validation.getValidatorRequestsPage(carol, cursor, step);
            for (uint256 i; i < page.length; ++i) {
                require(page[i] == validation.requestKeyOf(_id, carol, bytes32(seen++)), "out of order");
            }
        } while (cursor != 0);
    }

    function _assertStatus(bytes32 keyOrHash, address validator, uint8 response, string memory tag, uint256 lastUpdate)
        private
    {
        (address asked, uint256 agentId, uint8 said,, string memory tagged, uint256 updated) =
            validation.getValidationStatus(keyOrHash);
        assertEq(asked, validator);
        assertEq(agentId, _id);
        assertEq(said, response);
        assertEq(tagged, tag);
        assertEq(updated, lastUpdate);
    }

    function _assertSummary(address[] memory validators, string memory tag, uint64 count, uint8 average) private {
        (uint64 counted, uint8 averaged) = validation.getSummary(_id, validators, tag);
        assertEq(counted, count);
        assertEq(averaged, average);
    }
}
