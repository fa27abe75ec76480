// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {VmSafe} from "@prb/test/Vm.sol";

import {IMeshEscrow} from "../../src/interfaces/IMeshEscrow.sol";
import {Escrow} from "../../src/types/Escrow.sol";
import {EscrowState} from "../../src/types/EscrowState.sol";
import {Outcome} from "../../src/types/Outcome.sol";
import {Terms} from "../../src/types/Terms.sol";
import {EscrowFixture} from "./EscrowFixture.sol";
import {OddToken} from "./OddToken.sol";

/// @notice Plays all roles of many escrows in any order, with a token that at times refuses to pay, and keeps the books
///         from the events alone.
contract EscrowHandler is EscrowFixture {
    uint256 private constant MAX_ESCROWS = 8;

    OddToken public odd;
    bytes32[] public ids;
    mapping(bytes32 id => Terms) private _terms;
    mapping(bytes32 id => uint256) public endings;
    mapping(bytes32 id => EscrowState) public ending;

    uint256 public deposited;
    uint256 public paid;
    uint256 public fees;
    uint256 public refunded;
    uint256 public bondsReturned;
    uint256 public credited;
    uint256 public withdrawn;

    /// @dev Does the call, then books what its events say.
    modifier booked() {
        vm.recordLogs();
        _;
        VmSafe.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].emitter == address(escrow)) _book(logs[i]);
        }
    }

    constructor() {
        deployMesh();
        odd = new OddToken();
        address[2] memory payers = [alice, bob];
        for (uint256 i; i < 2; ++i) {
            odd.mint(payers[i], WEALTH);
            vm.prank(payers[i]);
            odd.approve(address(escrow), type(uint256).max);
        }
    }

    function open(uint256 amount, uint256 bond, bool withArbiter, bool refundByDefault) external booked {
        if (ids.length == MAX_ESCROWS) return;
        Terms memory terms = defaultTerms();
        terms.token = address(odd);
        terms.amount = bound(amount, 1, 1e6);
        terms.disputeBond = bound(bond, 0, 1e6);
        terms.defaultOutcome = refundByDefault ? Outcome.Refund : Outcome.Release;
        if (!withArbiter) terms.arbiter = address(0);
        terms.submitBy = uint64(block.timestamp) + 2 hours;
        terms.reviewBy = terms.submitBy + 2 hours;
        terms.ruleBy = terms.reviewBy + 2 hours;
        terms.salt = bytes32(ids.length);
        bytes32 id = opened(terms);
        ids.push(id);
        _terms[id] = terms;
    }

    function openAgain(uint256 seed) external booked {
        opened(_terms[_id(seed)]);
    }

    function submit(uint256 seed) external booked {
        bytes32 id = _idIn(EscrowState.Funded, seed);
        vm.prank(bob);
        escrow.submit(id, RESULT);
    }

    function settle(uint256 seed, bool release_, uint16 score) external booked {
        settle(
            _idIn(EscrowState.Submitted, seed),
            release_ ? Outcome.Release : Outcome.Refund,
            uint16(bound(score, 7000, 10_000))
        );
    }

    function release(uint256 seed) external booked {
        bytes32 id = _idIn(EscrowState.Submitted, seed);
        vm.prank(alice);
        escrow.release(id);
    }

    function refund(uint256 seed, uint8 who) external booked {
        bytes32 id = _id(seed);
        vm.prank(who % 8 == 0 ? bob : who % 2 == 0 ? carol : eve);
        escrow.refund(id);
    }

    function claimDefault(uint256 seed) external booked {
        escrow.claimDefault(_idIn(EscrowState.Disputed, seed));
    }

    function dispute(uint256 seed, bool byPayer) external booked {
        bytes32 id = _idIn(EscrowState.Submitted, seed);
        vm.prank(byPayer ? alice : bob);
        escrow.dispute(id);
    }

    function rule(uint256 seed, bool release_) external booked {
        bytes32 id = _idIn(EscrowState.Disputed, seed);
        vm.prank(arbiter);
        escrow.rule(id, release_ ? Outcome.Release : Outcome.Refund);
    }

    function withdrawCredit(uint8 who) external booked {
        vm.prank(payees()[who % 3]);
        escrow.withdrawCredit(address(odd));
    }

    function block_(uint8 who, bool blocked) external {
        odd.setBlocked(payees()[who % 3], blocked);
    }

    function wait(uint16 time) external {
        vm.warp(block.timestamp + bound(time, 1, 40 minutes));
    }

    function payees() public view returns (address[3] memory) {
        return [alice, bob, feeRecipient];
    }

    function count() external view returns (uint256) {
        return ids.length;
    }

    function escrowOf(bytes32 id) external view returns (Escrow memory) {
        return escrow.getEscrow(id);
    }

    function creditOf(address account) external view returns (uint256) {
        return escrow.credits(address(odd), account);
    }

    function held() external view returns (uint256) {
        return odd.balanceOf(address(escrow));
    }

    function _book(VmSafe.Log memory log) private {
        bytes32 topic = log.topics[0];
        if (topic == IMeshEscrow.EscrowOpened.selector) {
            (, uint256 amount,,,) = abi.decode(log.data, (address, uint256, address, bytes32, bytes32));
            deposited += amount;
        } else if (topic == IMeshEscrow.EscrowDisputed.selector) {
            deposited += abi.decode(log.data, (uint256));
        } else if (topic == IMeshEscrow.EscrowReleased.selector) {
            (uint256 amount, uint256 fee,) = abi.decode(log.data, (uint256, uint256, uint16));
            (paid, fees) = (paid + amount, fees + fee);
            _end(log.topics[1], EscrowState.Released);
        } else if (topic == IMeshEscrow.EscrowRefunded.selector) {
            (uint256 amount,) = abi.decode(log.data, (uint256, uint16));
            refunded += amount;
            _end(log.topics[1], EscrowState.Refunded);
        } else if (topic == IMeshEscrow.DisputeClosed.selector) {
            (, uint256 bond) = abi.decode(log.data, (Outcome, uint256));
            bondsReturned += bond;
        } else if (topic == IMeshEscrow.CreditAdded.selector) {
            credited += abi.decode(log.data, (uint256));
        } else if (topic == IMeshEscrow.CreditWithdrawn.selector) {
            withdrawn += abi.decode(log.data, (uint256));
        }
    }

    function _end(bytes32 id, EscrowState state) private {
        ++endings[id];
        ending[id] = state;
    }

    /// @dev Mostly an escrow in this state, when there is one, so that long stories happen; sometimes any.
    function _idIn(EscrowState state, uint256 seed) private view returns (bytes32) {
        for (uint256 i; i < ids.length && seed % 8 != 0; ++i) {
            bytes32 id = _id((seed >> 8) + i);
            if (escrow.getEscrow(id).state == state) return id;
        }
        return _id(seed);
    }

    function _id(uint256 seed) private view returns (bytes32) {
        return ids[seed % ids.length];
    }
}
