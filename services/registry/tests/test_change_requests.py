"""What is asked for over the wire becomes exactly one intent, and what is answered says which."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_registry.domain import naming
from mesh_registry.domain.challenges import Asker
from mesh_registry.domain.intents import Stake, Switch, Unstake, Update, Withdrawal, cid_of
from mesh_registry.domain.metadata import document
from mesh_registry.domain.operations import Operation, OperationStatus
from mesh_registry.domain.signing import Permit, SigningDomain, SigningTerms, change_data
from mesh_registry.errors import AgentExists, OperationReverted, StakeTooLarge, VersionMismatch
from mesh_registry.schemas.changes import ChallengeRequest, ChallengeView, ChangeRequest
from mesh_registry.schemas.operations import BatchItem, OperationView
from mesh_registry.schemas.registrations import EXAMPLE_METADATA
from mesh_registry.service.changing import Question
from mesh_shared.content import cid

AGENT_ID = "0x" + "ab" * 32
OWNER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
ID = UUID("00000000-0000-4000-8000-000000000001")
TERMS = SigningTerms(
    domain=SigningDomain(
        name="ERC8004IdentityRegistry", version="1", chainId=31337, verifyingContract="0x" + "cd" * 20
    ),
    nonce=3,
)
SIGNATURE = "0x" + "1b" * 65


def asked(change: Any, **more: Any) -> ChangeRequest:
    return ChangeRequest.model_validate({"change": change} | more)


@pytest.mark.parametrize("kind", ["activate", "deactivate"])
@given(version=st.integers(1, 2**53 - 1))
def test_a_switch_is_for_one_version(kind: Any, version: int):
    wanted = asked({"kind": kind, "expectedVersion": version}).change.wanted(AGENT_ID)

    assert wanted.change == Switch(agent_id=AGENT_ID, expected_version=version, kind=kind)
    assert wanted.metadata is None


@given(st.integers(1, 2**128 - 1))
def test_an_amount_is_taken_to_the_last_unit(units: int):
    stake, unstake = (
        asked({"kind": kind, "amount": str(units)}).change.wanted(AGENT_ID).change
        for kind in ("stake", "unstake")
    )

    assert stake == Stake(agent_id=AGENT_ID, units=units)
    assert unstake == Unstake(agent_id=AGENT_ID, units=units)


@given(st.integers(2**128, 10**78 - 1))
def test_an_amount_that_the_contract_cannot_count_is_refused(units: int):
    with pytest.raises(StakeTooLarge):
        asked({"kind": "unstake", "amount": str(units)}).change.wanted(AGENT_ID)


def test_an_update_names_its_document_by_content_and_its_capabilities_by_hash():
    change = {"kind": "update", "expectedVersion": 3, "metadata": EXAMPLE_METADATA}

    wanted = asked(change).change.wanted(AGENT_ID)

    assert wanted.metadata is not None
    assert wanted.change == Update(
        agent_id=AGENT_ID,
        cid=str(cid.of(document(wanted.metadata))),
        capabilities=naming.capability_hashes(["text.summarize"]),
        expected_version=3,
    )


def test_the_same_metadata_in_another_order_is_the_same_update():
    turned = dict(reversed(EXAMPLE_METADATA.items()))
    changes = [
        asked({"kind": "update", "expectedVersion": 1, "metadata": said}).change.wanted(AGENT_ID).change
        for said in (EXAMPLE_METADATA, turned)
    ]

    assert changes[0] == changes[1]


def test_a_challenge_is_about_what_the_change_is_about():
    change = {"kind": "withdraw"}

    wanted = ChallengeRequest.model_validate({"agentId": AGENT_ID, "change": change}).wanted()

    assert wanted == asked(change).change.wanted(AGENT_ID)


def test_a_proof_may_come_without_a_signature_for_the_contract():
    proof = {"nonce": "5e" * 16, "signature": SIGNATURE}

    alone = asked({"kind": "withdraw"}, proof=proof).proven()
    both = asked(
        {"kind": "withdraw"}, proof=proof, authorization={"deadline": 7, "signature": SIGNATURE}
    ).proven()

    assert alone is not None
    assert both is not None
    assert (alone.deadline, alone.authorization) == (None, None)
    assert (both.deadline, both.authorization, both.permit) == (7, bytes.fromhex(SIGNATURE[2:]), None)
    assert asked({"kind": "withdraw"}).proven() is None


def test_a_permit_goes_with_the_authorization():
    signed = {"deadline": 7, "signature": SIGNATURE, "permit": {"deadline": 8, "signature": SIGNATURE}}
    proof = {"nonce": "5e" * 16, "signature": SIGNATURE}

    proven = asked({"kind": "stake", "amount": "5"}, proof=proof, authorization=signed).proven()

    assert proven is not None
    assert proven.permit == Permit(deadline=8, signature=bytes.fromhex(SIGNATURE[2:]))


@pytest.mark.parametrize(
    ("change", "primary_type"),
    [
        (Update(agent_id=AGENT_ID, cid="b" * 59, capabilities=(), expected_version=1), "AgentUpdate"),
        (Switch(agent_id=AGENT_ID, expected_version=1, kind="deactivate"), "ActiveUpdate"),
        (Stake(agent_id=AGENT_ID, units=1), "StakeDeposit"),
        (Unstake(agent_id=AGENT_ID, units=1), "UnstakeRequest"),
        (Withdrawal(agent_id=AGENT_ID), None),
    ],
    ids=lambda value: getattr(value, "kind", value),
)
def test_a_challenge_shows_both_texts_that_are_signed(change: Any, primary_type: str | None):
    now = datetime(2026, 1, 2, tzinfo=UTC)
    challenge = Asker(url="http://a.example", chain_id=1).ask(
        change, OWNER, "5e" * 16, now, now + timedelta(minutes=5)
    )

    typed = None if isinstance(change, Withdrawal) else change_data(change, TERMS, 9)
    view = ChallengeView.of(Question(challenge=challenge, typed=typed, permit=None, deadline=9))

    assert (view.message, view.nonce, view.owner) == (challenge.message, "5e" * 16, OWNER)
    assert (view.typedData and view.typedData.primaryType) == primary_type
    assert view.metadataCid == cid_of(change)
    assert (view.deadline, view.expiresAt) == (9, now + timedelta(minutes=5))


def operation(intent: Any, status: OperationStatus = OperationStatus.PENDING) -> Operation:
    return Operation(
        id=ID, intent=intent, transaction_hash=None, status=status, refusal=None, is_listed=False
    )


@pytest.mark.parametrize(
    "intent",
    [
        Update(agent_id=AGENT_ID, cid="bafkrei" + "a" * 52, capabilities=(), expected_version=1),
        Switch(agent_id=AGENT_ID, expected_version=1, kind="activate"),
        Stake(agent_id=AGENT_ID, units=5),
        Unstake(agent_id=AGENT_ID, units=5),
        Withdrawal(agent_id=AGENT_ID),
    ],
    ids=lambda intent: intent.kind,
)
def test_an_operation_says_what_it_does_to_whom(intent: Any):
    view = OperationView.of(operation(intent))

    assert (view.kind, view.agentId, view.metadataCid) == (intent.kind, AGENT_ID, cid_of(intent))
    assert (view.status, view.error) == (OperationStatus.PENDING, None)


def test_an_operation_that_failed_says_why():
    failed = operation(Withdrawal(agent_id=AGENT_ID), OperationStatus.FAILED)

    view = OperationView.of(failed, OperationReverted())

    assert view.error is not None
    assert view.error.code == "operation-reverted"


@pytest.mark.parametrize("error", [AgentExists(), VersionMismatch(), StakeTooLarge()], ids=lambda e: e.code())
def test_an_item_of_a_batch_has_an_operation_or_a_problem(error: Any):
    accepted, refused = BatchItem.of(operation(Withdrawal(agent_id=AGENT_ID))), BatchItem.of(error)

    assert accepted.problem is None
    assert accepted.operation is not None
    assert refused.operation is None
    assert refused.problem is not None
    assert (refused.problem.code, refused.problem.detail) == (error.code(), error.detail)
