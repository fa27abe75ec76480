"""How far what is asked for may go: names, amounts, batches, criteria, and how deep a sure block is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_registry.domain import naming
from mesh_registry.domain.agents import NOWHERE, Agent, Document, DocumentState, Feedback, findable
from mesh_registry.domain.chain import Depths, Status
from mesh_registry.domain.metadata import AgentMetadata
from mesh_registry.domain.reputation import ACCEPTED_PPM, PPM
from mesh_registry.schemas.changes import ChangeRequest
from mesh_registry.schemas.registrations import EXAMPLE_METADATA, AgentRequest, BatchRequest
from mesh_registry.schemas.search import SearchRequest
from mesh_shared.content import cid
from pydantic import ValidationError

WISH: dict[str, Any] = {"id": "acme/one", "metadata": EXAMPLE_METADATA}
FIRST: dict[str, Any] = {
    "token_id": 1,
    "transaction_hash": "0x",
    "registered_in": 1,
    "changed_in": 1,
    "stated_in": 1,
}
certainty = [Status.PENDING, Status.CONFIRMED, Status.FINALIZED]


@pytest.mark.parametrize("count", [1, 50])
def test_a_batch_of_its_least_and_its_most_agents_is_taken(count: int):
    assert len(BatchRequest.model_validate({"agents": [WISH] * count}).agents) == count


@pytest.mark.parametrize("name", ["a", "9", "a" * 128, "acme/one.two_three-4"])
def test_a_name_is_taken_up_to_its_last_letter(name: str):
    assert AgentRequest.model_validate(WISH | {"id": name}).signed_wish().name == name


@pytest.mark.parametrize(
    "change",
    [
        {"id": ""},
        {"id": "a" * 129},
        {"id": "/acme"},
        {"id": "acme one"},
        {"id": "acme\n"},
        {"id": "\u0430cme"},
        {"did": "did:web"},
        {"did": "DID:web:acme.example"},
        {"did": f"did:web:{'a' * 201}"},
        {"did": "did:web:acme.example#key"},
        {"stake": "01"},
        {"stake": "1e3"},
        {"stake": "0x10"},
        {"stake": 5},
        {"owner": "0x" + "11" * 20},
    ],
    ids=lambda change: str(change)[:40],
)
def test_a_wish_that_is_written_in_another_way_is_refused(change: dict[str, Any]):
    with pytest.raises(ValidationError):
        AgentRequest.model_validate(WISH | change)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "stake", "amount": "0"},
        {"kind": "stake", "amount": "007"},
        {"kind": "unstake", "amount": "9" * 79},
        {"kind": "activate", "expectedVersion": 0},
        {"kind": "activate", "expectedVersion": 2**53},
        {"kind": "activate", "expectedVersion": "1"},
        {"kind": "activate", "expectedVersion": True},
        {"kind": "withdraw", "amount": "1"},
        {"kind": ["withdraw"]},
    ],
    ids=str,
)
def test_a_change_beyond_its_bounds_is_refused(change: dict[str, Any]):
    with pytest.raises(ValidationError):
        ChangeRequest.model_validate({"change": change})


@given(st.integers(0, PPM))
def test_a_least_reputation_is_taken_to_the_last_millionth(ppm: int):
    assert SearchRequest(minReputation=ppm / PPM).criteria().min_reputation_ppm == ppm


@given(st.integers(1, 50), st.integers(0, 50), st.integers(0, 200), st.integers(0, 200))
def test_nobody_becomes_less_sure_by_another_block(confirmed: int, more: int, block: int, later: int):
    depths = Depths(confirmed=confirmed, finalized=confirmed + more)

    now, then = depths.status(block, block + later), depths.status(block, block + later + 1)

    assert certainty.index(then) >= certainty.index(now)


def test_a_block_counts_itself_in_its_depth():
    depths = Depths(confirmed=2, finalized=3)

    assert [depths.status(10, head) for head in (9, 10, 11, 12)] == [Status.PENDING, *certainty]


@pytest.mark.parametrize("is_active", [True, False])
@pytest.mark.parametrize("is_known", [True, False])
def test_an_agent_is_findable_while_it_is_on_and_its_document_is_known(is_active: bool, is_known: bool):
    metadata = AgentMetadata.model_validate(EXAMPLE_METADATA)
    hashes = naming.capability_hashes(metadata.capabilities)
    agent = Agent(**FIRST, is_active=is_active, capability_hashes=hashes)

    found = findable(agent, Document(DocumentState.FETCHED, metadata) if is_known else NOWHERE)

    assert bool(found) is (is_active and is_known)


@given(st.binary(max_size=20))
def test_a_document_is_looked_for_in_ipfs_by_its_cid_alone(data: bytes):
    name = str(cid.of(data))

    assert Agent(**FIRST, uri=f"ipfs://{name}").cid == name
    for uri in (name, f"https://{name}", f"ipfs://{name}/agent.json", f"ipfs://ipfs://{name}", "ipfs://"):
        assert Agent(**FIRST, uri=uri).cid is None


def feedback(**facts: Any) -> Feedback:
    said: dict[str, Any] = {
        "client": "0x" + "c1" * 20,
        "index": 1,
        "value": 80,
        "decimals": 0,
        "tag1": "quality",
        "tag2": "",
        "quality_ppm": ACCEPTED_PPM,
        "escrow_id": "0x" + "5e" * 32,
        "is_refunded": False,
        "is_revoked": False,
        "block_number": 1,
        "log_index": 0,
        "transaction_hash": "0x",
    }
    return Feedback(**(said | facts))


@pytest.mark.parametrize(
    ("facts", "counts"),
    [
        ({}, True),
        ({"quality_ppm": None}, False),
        ({"escrow_id": None}, False),
        ({"is_revoked": True}, False),
        ({"is_refunded": True}, False),
        ({"is_refunded": True, "quality_ppm": ACCEPTED_PPM - 1}, True),
        ({"is_refunded": True, "quality_ppm": 0, "is_revoked": True}, False),
    ],
    ids=str,
)
def test_feedback_counts_when_it_was_paid_for_and_stands(facts: dict[str, Any], counts: bool):
    """Blame counts after a refund, too: otherwise bad work would be cheaper than poor work."""
    assert feedback(**facts).counts is counts


@given(st.text(max_size=200), st.text(max_size=200))
def test_no_text_that_is_searched_for_has_a_nul(before: str, after: str):
    with pytest.raises(ValidationError):
        SearchRequest(text=f"{before}\0{after}")


@pytest.mark.parametrize("text", ["two\nlines", "\t", "é 𝛑", "x" * 500])
def test_a_text_that_is_searched_for_may_have_anything_else(text: str):
    assert SearchRequest(text=text).text == text
