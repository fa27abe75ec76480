"""The registry's tables. `operations` is what we were asked for; `documents` what was found under the CIDs;
all others follow from the chain and could be made again from it."""

from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID

from mesh_shared.database import types
from mesh_shared.database.types import TYPES, UnitAmount
from sqlalchemy import BigInteger, ForeignKey, Index, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    metadata = types.metadata()
    type_annotation_map: ClassVar = TYPES


class OperationRow(Base):
    """Something that was accepted, with its intent complete in the transaction journal.

    `claim` is what one operation at most may have (`domain.intents.claim_of`), and null once the contract
    refused.
    """

    __tablename__ = "operations"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    claim: Mapped[str | None] = mapped_column(String(100), unique=True)
    agent_id: Mapped[str] = mapped_column(String(66))
    cid: Mapped[str | None] = mapped_column(String(59))
    intent: Mapped[dict[str, Any]]
    transaction_id: Mapped[UUID]
    requested_by: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))


class ChallengeRow(Base):
    """A question to a wallet that nobody has answered yet; gone with its answer."""

    __tablename__ = "challenges"

    nonce: Mapped[str] = mapped_column(String(32), primary_key=True)
    owner: Mapped[str] = mapped_column(String(42))
    change: Mapped[dict[str, Any]]
    message: Mapped[str] = mapped_column(Text)
    requested_by: Mapped[str] = mapped_column(Text, index=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class BlockRow(Base):
    """The newest indexed blocks; the highest of them is the cursor."""

    __tablename__ = "blocks"

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    hash: Mapped[str] = mapped_column(String(66))


class OccurrenceRow(Base):
    """What the contracts said, once per place in the chain. Agents and feedback are folded from it."""

    __tablename__ = "occurrences"
    __table_args__ = (Index("ix_occurrences_token_id", "token_id", "block_number", "log_index"),)

    block_hash: Mapped[str] = mapped_column(String(66), primary_key=True)
    log_index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    block_number: Mapped[int] = mapped_column(BigInteger, index=True)
    transaction_hash: Mapped[str] = mapped_column(String(66))
    token_id: Mapped[int] = mapped_column(BigInteger)
    fact: Mapped[dict[str, Any]]
    at: Mapped[int] = mapped_column(BigInteger)


def _of_agent() -> ForeignKey:
    """Goes with the agent; looked at when the transaction ends, so that an agent is written once, rated."""
    return ForeignKey("agents.token_id", ondelete="CASCADE", deferrable=True, initially="DEFERRED")


class AgentRow(Base):
    """`place` sorts best first; see `domain.ranking.place`. Hashes have spaces between: no query has one."""

    __tablename__ = "agents"
    __table_args__ = (
        Index("ix_agents_is_active_place", "is_active", "place"),
        Index("ix_agents_stated_at", "stated_at", "token_id"),
    )

    token_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    agent_id: Mapped[str] = mapped_column(String(66), unique=True)
    did: Mapped[str] = mapped_column(Text)
    uri: Mapped[str] = mapped_column(Text)
    cid: Mapped[str | None] = mapped_column(String(59), index=True)
    owner: Mapped[str] = mapped_column(String(42))
    stake_units: Mapped[int] = mapped_column(UnitAmount)
    version: Mapped[int] = mapped_column(BigInteger)
    is_active: Mapped[bool]
    capability_hashes: Mapped[str] = mapped_column(Text)
    reputation_ppm: Mapped[int]
    feedback_count: Mapped[int]
    unproven_count: Mapped[int]
    supporter_count: Mapped[int]
    praised_in: Mapped[int] = mapped_column(BigInteger)
    penalty_count: Mapped[int]
    place: Mapped[str] = mapped_column(String(120))
    transaction_hash: Mapped[str] = mapped_column(String(66))
    registered_in: Mapped[int] = mapped_column(BigInteger)
    changed_in: Mapped[int] = mapped_column(BigInteger)
    stated_in: Mapped[int] = mapped_column(BigInteger)
    registered_at: Mapped[int] = mapped_column(BigInteger)
    stated_at: Mapped[int] = mapped_column(BigInteger)


class OfferRow(Base):
    """An active agent under one of its labels, `price` being of its cheapest tool; see `domain.search`.

    Without a row id SQLite has the token in the index, and need not read the row to go on to the next label.
    """

    __tablename__ = "offers"
    __table_args__ = (Index("ix_offers_label_place", "label", "place"), {"sqlite_with_rowid": False})

    token_id: Mapped[int] = mapped_column(
        ForeignKey("agents.token_id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    label: Mapped[str] = mapped_column(String(129), primary_key=True)
    price: Mapped[int | None] = mapped_column(UnitAmount)
    place: Mapped[str] = mapped_column(String(120))


class DocumentRow(Base):
    """What was found under a CID that an agent's URI names. `due_at` is when to look (again).

    While the replica `leased_by` looks, `due_at` is when another may. `metadata` is JSON, read when it is
    needed. `server_title` is the case-folded name of who speaks MCP, and null for all others; `found_at` is
    in Unix seconds.
    """

    __tablename__ = "documents"
    __table_args__ = (
        Index("ix_documents_state_due_at", "state", "due_at"),
        Index("ix_documents_server_title", "server_title"),
    )

    cid: Mapped[str] = mapped_column(String(59), primary_key=True)
    state: Mapped[str] = mapped_column(String(11))
    metadata_: Mapped[str | None] = mapped_column("metadata", Text)
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime]
    leased_by: Mapped[str | None] = mapped_column(String(100))
    server_title: Mapped[str | None] = mapped_column(Text)
    found_at: Mapped[int | None] = mapped_column(BigInteger)


class PostingRow(Base):
    """A word, a stem (`~`) or a concept (`#`) of a document, and its weight there."""

    __tablename__ = "postings"
    __table_args__ = ({"sqlite_with_rowid": False},)

    term: Mapped[str] = mapped_column(String(48), primary_key=True)
    cid: Mapped[str] = mapped_column(String(59), primary_key=True)
    weight: Mapped[int]


class FeedbackRow(Base):
    """`quality_ppm` is null for feedback that is no quality score; `value` has `decimals` decimals."""

    __tablename__ = "feedback"
    __table_args__ = (Index("ix_feedback_token_id", "token_id", "block_number", "log_index"),)

    token_id: Mapped[int] = mapped_column(_of_agent(), primary_key=True, autoincrement=False)
    client: Mapped[str] = mapped_column(String(42), primary_key=True)
    index: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    value: Mapped[int] = mapped_column(UnitAmount)
    decimals: Mapped[int]
    tag1: Mapped[str] = mapped_column(Text)
    tag2: Mapped[str] = mapped_column(Text)
    quality_ppm: Mapped[int | None]
    escrow_id: Mapped[str | None] = mapped_column(String(66))
    is_refunded: Mapped[bool]
    is_revoked: Mapped[bool]
    block_number: Mapped[int] = mapped_column(BigInteger)
    log_index: Mapped[int]
    transaction_hash: Mapped[str] = mapped_column(String(66))


class ResponseRow(Base):
    """An answer to a piece of feedback."""

    __tablename__ = "responses"
    __table_args__ = (Index("ix_responses_token_id", "token_id", "client", "index"),)

    block_number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    log_index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    token_id: Mapped[int] = mapped_column(_of_agent())
    client: Mapped[str] = mapped_column(String(42))
    index: Mapped[int] = mapped_column(BigInteger)
    responder: Mapped[str] = mapped_column(String(42))
    uri: Mapped[str] = mapped_column(Text)


class ValidationRow(Base):
    """What a validator was asked about an agent; what it answered is null before it did."""

    __tablename__ = "validations"
    __table_args__ = (Index("ix_validations_token_id", "token_id", "block_number", "log_index"),)

    token_id: Mapped[int] = mapped_column(_of_agent(), primary_key=True, autoincrement=False)
    validator: Mapped[str] = mapped_column(String(42), primary_key=True)
    request_hash: Mapped[str] = mapped_column(String(66), primary_key=True)
    request_uri: Mapped[str] = mapped_column(Text)
    response: Mapped[int | None]
    response_uri: Mapped[str | None] = mapped_column(Text)
    tag: Mapped[str | None] = mapped_column(Text)
    block_number: Mapped[int] = mapped_column(BigInteger)
    log_index: Mapped[int]


class SettlementRow(Base):
    """How an escrow ended."""

    __tablename__ = "settlements"

    escrow_id: Mapped[str] = mapped_column(String(66), primary_key=True)
    is_refunded: Mapped[bool]
    block_number: Mapped[int] = mapped_column(BigInteger, index=True)
