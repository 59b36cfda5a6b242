"""What can be checked later: events and their chains, and what is left of deliveries that went."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, PrimaryKeyConstraint, Table, Text, text

from kentongan.ledger.schema.metadata import metadata

meta = Table("meta", metadata, Column("name", Text, primary_key=True), Column("value", Text, nullable=False))

event = Table(
    "event",
    metadata,
    Column("chain", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("type", Text, nullable=False),
    Column("alert_id", Text),
    Column("delivery_id", BigInteger),
    Column("data", Text, nullable=False),
    PrimaryKeyConstraint("chain", "seq", "ordinal"),
    Index("event_alert", "alert_id", "type", "at"),
    Index("event_delivery", "delivery_id", sqlite_where=text("delivery_id IS NOT NULL")),
)

link = Table(
    "link",
    metadata,
    Column("chain", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False, unique=True),  # in the order of commits, over all chains
    Column("previous", Text, nullable=False),
    Column("digest", Text, nullable=False),
    PrimaryKeyConstraint("chain", "seq"),
)

# What is left of the deliveries of alerts that ended long ago (kentongan.ledger.pruned).
checkpoint = Table(
    "checkpoint",
    metadata,
    Column("alert_id", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("content", Text, nullable=False),  # what was counted of its deliveries before they went, as JSON
    Column("signature", Text, nullable=False),  # the installation's, over the content
    Column("finished_at", BigInteger),  # NULL while some are still there
)

pruned = Table(
    "pruned",
    metadata,
    Column("alert_id", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("events", LargeBinary, nullable=False),  # the places and digests of events that went
    Column("signature", LargeBinary, nullable=False),  # the installation's
    PrimaryKeyConstraint("alert_id", "number"),
)

# Of threads that were pruned, the report in full (kentongan.ledger.kept_reports).
kept_report = Table(
    "kept_report",
    metadata,
    Column("alert_id", Text, primary_key=True),  # by which the report was asked for
    Column("at", BigInteger, nullable=False),
    Column("base", Text),  # the alert with whose page this one is packed; NULL where it stands in full
    Column("page", LargeBinary, nullable=False),  # raw deflate
    Index("kept_report_whole", "at", sqlite_where=text("base IS NULL")),
)
