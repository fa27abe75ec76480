// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC8004Identity} from "./interfaces/IERC8004Identity.sol";
import {IERC8004Validation} from "./interfaces/IERC8004Validation.sol";
import {IValidation} from "./interfaces/IValidation.sol";
import {Paging} from "./libraries/Paging.sol";
import {ValidationStatus} from "./types/ValidationStatus.sol";
import {ValidationStore} from "./validation/ValidationStore.sol";

/// @title Validation
/// @notice ERC-8004's validation registry, with request keys that cannot be squatted and summaries kept on write.
contract Validation is ValidationStore {
    uint8 private constant MAX_RESPONSE = 100;
    uint256 private constant MAX_TAG_BYTES = 128;
    uint256 private constant MAX_ADDRESSES = 100;
    uint256 private constant MAX_PAGE = 1000;

    IERC8004Identity private immutable _identity;

    /// @param identityRegistry The ERC-8004 registry whose agents are validated here.
    constructor(address identityRegistry) {
        if (identityRegistry == address(0)) revert InvalidConfiguration();
        _identity = IERC8004Identity(identityRegistry);
    }

    /// @inheritdoc IERC8004Validation
    function validationRequest(
        address validatorAddress,
        uint256 agentId,
        string calldata requestURI,
        bytes32 requestHash
    ) external {
        if (validatorAddress == address(0)) revert InvalidValidator();
        if (!_identity.isAuthorizedOrOwner(msg.sender, agentId)) revert NotAuthorized(agentId, msg.sender);
        bytes32 key = _record(agentId, validatorAddress, requestHash);
        emit ValidationRequest(validatorAddress, agentId, requestURI, requestHash);
        emit ValidationRequestKeyed(key, agentId, validatorAddress, requestHash);
    }

    /// @inheritdoc IERC8004Validation
    function validationResponse(
        bytes32 requestHash,
        uint8 response,
        string calldata responseURI,
        bytes32 responseHash,
        string calldata tag
    ) external {
        if (response > MAX_RESPONSE) revert ResponseOutOfRange(response);
        if (bytes(tag).length > MAX_TAG_BYTES) revert TagTooLong(bytes(tag).length, MAX_TAG_BYTES);
        (bytes32 key, ValidationStatus storage status) = _find(requestHash, msg.sender);
        if (status.validator != msg.sender) revert NotValidator(key, msg.sender);
        uint256 agentId = status.agentId;
        if (_identity.isAuthorizedOrOwner(msg.sender, agentId)) revert SelfValidation(agentId, msg.sender);
        _answer(key, response, responseHash, tag);
        emit ValidationResponse(msg.sender, agentId, requestHash, response, responseURI, responseHash, tag);
    }

    /// @inheritdoc IERC8004Validation
    function getValidationStatus(bytes32 requestHash)
        external
        view
        returns (
            address validatorAddress,
            uint256 agentId,
            uint8 response,
            bytes32 responseHash,
            string memory tag,
            uint256 lastUpdate
        )
    {
        (, ValidationStatus storage status) = _find(requestHash, ANYONE);
        return (status.validator, status.agentId, status.response, status.responseHash, status.tag, status.lastUpdate);
    }

    /// @inheritdoc IERC8004Validation
    function getSummary(uint256 agentId, address[] calldata validatorAddresses, string calldata tag)
        external
        view
        returns (uint64 count, uint8 averageResponse)
    {
        uint256 wanted = validatorAddresses.length;
        if (wanted > MAX_ADDRESSES) revert TooManyAddresses(wanted, MAX_ADDRESSES);
        uint256 sum;
        if (wanted == 0) (count, sum) = _totals(agentId, ANYONE, tag);
        for (uint256 i; i < wanted; ++i) {
            if (validatorAddresses[i] == ANYONE) continue; // would mean everyone
            (uint64 answered, uint192 total) = _totals(agentId, validatorAddresses[i], tag);
            count += answered;
            sum += total;
        }
        averageResponse = count == 0 ? 0 : uint8(sum / count);
    }

    /// @inheritdoc IERC8004Validation
    function getAgentValidations(uint256 agentId) external view returns (bytes32[] memory) {
        return _all(_ofAgent[agentId], "getAgentValidationsPage(uint256,uint256,uint256)");
    }

    /// @inheritdoc IERC8004Validation
    function getValidatorRequests(address validatorAddress) external view returns (bytes32[] memory) {
        return _all(_ofValidator[validatorAddress], "getValidatorRequestsPage(address,uint256,uint256)");
    }

    /// @inheritdoc IValidation
    function getAgentValidationsPage(uint256 agentId, uint256 cursor, uint256 limit)
        external
        view
        returns (bytes32[] memory requestKeys, uint256 nextCursor)
    {
        return _page(_ofAgent[agentId], cursor, limit);
    }

    /// @inheritdoc IValidation
    function getValidatorRequestsPage(address validatorAddress, uint256 cursor, uint256 limit)
        external
        view
        returns (bytes32[] memory requestKeys, uint256 nextCursor)
    {
        return _page(_ofValidator[validatorAddress], cursor, limit);
    }

    /// @inheritdoc IERC8004Validation
    function getIdentityRegistry() external view returns (address) {
        return address(_identity);
    }

    /// @inheritdoc IERC8004Validation
    function getVersion() external pure returns (string memory) {
        return "2.0.0";
    }

    function _all(bytes32[] storage keys, string memory useInstead) private view returns (bytes32[] memory) {
        if (keys.length > MAX_PAGE) revert TooMuchToRead(keys.length, MAX_PAGE, useInstead);
        return keys;
    }

    function _page(bytes32[] storage keys, uint256 cursor, uint256 limit)
        private
        view
        returns (bytes32[] memory page, uint256 nextCursor)
    {
        uint256 end;
        (end, nextCursor) = Paging.bounds(cursor, limit, MAX_PAGE, keys.length);
        page = new bytes32[](end - cursor);
        for (uint256 i; i < page.length; ++i) {
            page[i] = keys[cursor + i];
        }
    }
}
