// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IValidation} from "../interfaces/IValidation.sol";
import {ResponseTally} from "../types/ResponseTally.sol";
import {ValidationStatus} from "../types/ValidationStatus.sol";

/// @title ValidationStore
/// @notice Where requests and answers are kept, and the totals over them: no question needs a loop over what is stored.
abstract contract ValidationStore is IValidation {
    /// @dev Hash of the empty tag, which stands for any tag.
    bytes32 private constant ANY_TAG = keccak256("");
    /// @dev Stands for any validator; nobody can be asked there.
    address internal constant ANYONE = address(0);
    bytes32 private constant SEVERAL = bytes32(type(uint256).max);

    mapping(bytes32 requestKey => ValidationStatus) private _statuses;
    mapping(uint256 agentId => bytes32[] requestKeys) internal _ofAgent;
    mapping(address validator => bytes32[] requestKeys) internal _ofValidator;

    /// @dev Of the only request with a hash, to any validator ({ANYONE}) and to each; {SEVERAL} once there are more.
    mapping(address validator => mapping(bytes32 requestHash => bytes32 requestKey)) private _soleKeys;

    /// @dev Totals of an agent by validator, {ANYONE} for all of them, and by the hash of the tag.
    mapping(uint256 agentId => mapping(address validator => mapping(bytes32 tag => ResponseTally))) private _tallies;

    function _record(uint256 agentId, address validator, bytes32 requestHash) internal returns (bytes32 key) {
        key = requestKeyOf(agentId, validator, requestHash);
        ValidationStatus storage status = _statuses[key];
        if (status.validator != address(0)) revert AlreadyRequested(key);
        (status.validator, status.agentId, status.lastUpdate) = (validator, agentId, uint64(block.timestamp));
        _ofAgent[agentId].push(key);
        _ofValidator[validator].push(key);
        _use(_soleKeys[ANYONE], requestHash, key);
        _use(_soleKeys[validator], requestHash, key);
    }

    /// @dev Replaces the latest answer, in the totals too.
    function _answer(bytes32 key, uint8 response, bytes32 responseHash, string calldata tag) internal {
        ValidationStatus storage status = _statuses[key];
        if (status.hasResponse) _tally(status, _remove);
        (status.response, status.hasResponse, status.lastUpdate) = (response, true, uint64(block.timestamp));
        (status.responseHash, status.tag) = (responseHash, tag);
        _tally(status, _add);
    }

    /// @dev The request with this key, or else the only one to `validator` that has this hash.
    function _find(bytes32 keyOrHash, address validator) internal view returns (bytes32 key, ValidationStatus storage) {
        ValidationStatus storage status = _statuses[keyOrHash];
        if (status.validator != address(0)) return (keyOrHash, status);
        key = _soleKeys[validator][keyOrHash];
        if (key == 0) revert RequestNotFound(keyOrHash);
        if (key == SEVERAL) revert AmbiguousRequest(keyOrHash);
        return (key, _statuses[key]);
    }

    function _totals(uint256 agentId, address validator, string calldata tag)
        internal
        view
        returns (uint64 count, uint192 sum)
    {
        ResponseTally storage tally = _tallies[agentId][validator][keccak256(bytes(tag))];
        return (tally.count, tally.sum);
    }

    /// @inheritdoc IValidation
    function requestKeyOf(uint256 agentId, address validator, bytes32 requestHash) public pure returns (bytes32) {
        return keccak256(abi.encode(agentId, validator, requestHash));
    }

    function _use(mapping(bytes32 => bytes32) storage soleKeys, bytes32 requestHash, bytes32 key) private {
        soleKeys[requestHash] = soleKeys[requestHash] == 0 ? key : SEVERAL;
    }

    /// @dev Counts an answer in or out of every total that it is part of.
    function _tally(ValidationStatus storage status, function(ResponseTally storage, uint8) internal count) private {
        bytes32 tag = keccak256(bytes(status.tag));
        address[2] memory validators = [ANYONE, status.validator];
        for (uint256 i; i < 2; ++i) {
            count(_tallies[status.agentId][validators[i]][ANY_TAG], status.response);
            if (tag != ANY_TAG) count(_tallies[status.agentId][validators[i]][tag], status.response);
        }
    }

    function _add(ResponseTally storage tally, uint8 response) private {
        tally.count += 1;
        tally.sum += response;
    }

    function _remove(ResponseTally storage tally, uint8 response) private {
        tally.count -= 1;
        tally.sum -= response;
    }
}
