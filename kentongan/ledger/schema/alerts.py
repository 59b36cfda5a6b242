"""What is to be said: alerts, what they were rendered to, and what officers signed of them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from kentongan.ledger.schema.metadata import metadata

alert = Table(
    "alert",
    metadata,
    Column("id", Text, primary_key=True),
    Column("code", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("predecessor", Text, ForeignKey("alert.id")),
    Column("mode", Text, nullable=False),
    Column("content", Text, nullable=False),  # kentongan.alert.Draft as JSON
    Column("raw", LargeBinary),  # the imported documents, as they came
    Column("source_digest", Text),  # of the sorted documents: the same import returns the same draft
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("digest", Text, nullable=False),
    # What moves: replayed from events by verification.
    Column("state", Text, nullable=False),
    Column("epoch", Integer, nullable=False, server_default=text("0")),
    Column("expires_at", BigInteger),
    Index("alert_source", "source_digest"),
    Index("alert_predecessor", "predecessor"),
    Index("alert_standing", "mode", sqlite_where=text("state = 'dispatched'")),
)

rendering = Table(
    "rendering",
    metadata,
    Column("alert_id", Text, ForeignKey("alert.id"), nullable=False),
    Column("instance", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("content", Text, nullable=False),  # kentongan.seam.Rendered as JSON
    Column("digest", Text, nullable=False),
    PrimaryKeyConstraint("alert_id", "instance", "language"),
)

picture = Table(
    "picture",
    metadata,
    Column("digest", Text, primary_key=True),  # SHA-256 of the content; drafts and renderings name it
    Column("content", LargeBinary, nullable=False),
    Column("stored_at", BigInteger, nullable=False),
)

submission = Table(
    "submission",
    metadata,
    Column("id", Text, primary_key=True),
    Column("alert_id", Text, ForeignKey("alert.id"), nullable=False),
    Column("number", Integer, nullable=False),  # counts an alert's submissions: clocks can be put back
    Column("officer", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("subject", Text, nullable=False),  # what approvals of it sign, as JSON
    Column("digest", Text, nullable=False),
    UniqueConstraint("alert_id", "number"),
)

approval = Table(
    "approval",
    metadata,
    Column("id", Text, primary_key=True),
    Column("alert_id", Text, ForeignKey("alert.id"), nullable=False),
    Column("submission", Text, ForeignKey("submission.id")),  # the one it is about; NULL on a correction's release
    Column("officer", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("content", Text, nullable=False),  # the approval with its signature, as JSON
    Column("digest", Text, nullable=False),
    Index("approval_alert", "alert_id"),
)

review = Table(
    "review",
    metadata,
    Column("alert_id", Text, ForeignKey("alert.id"), primary_key=True),
    Column("officer", Text, nullable=False),  # who broke the glass
    Column("opened_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("done_at", BigInteger),
    Column("done_by", Text),
    Column("content", Text),  # the reviewer's signed statement, as JSON
)
