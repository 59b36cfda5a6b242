"""Who decides: officers, how they are paged, and their sheets of codes."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, PrimaryKeyConstraint, Table, Text, text

from kentongan.ledger.schema.metadata import metadata

officer = Table(
    "officer",
    metadata,
    Column("name", Text, primary_key=True),
    Column("content", Text, nullable=False),  # kentongan.officers.Officer as JSON: public key, sealed key, statement
    Column("added_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
)

pager = Table(
    "pager",
    metadata,
    Column("officer", Text, nullable=False),
    Column("family", Text, nullable=False),
    Column("ciphertext", LargeBinary, nullable=False),  # the address, as a person's is kept
    Column("key", LargeBinary, nullable=False),  # the officer's own for it, wrapped
    Column("set_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("officer", "family"),
)

page = Table(
    "page",
    metadata,
    Column("id", Text, primary_key=True),
    Column("about", Text, nullable=False),  # the one thing that officers are paged for, such as "approval:<submission>"
    Column("cause", Text, nullable=False),  # kentongan.paging.Cause
    Column("alert_id", Text),
    Column("officer", Text, nullable=False),
    Column("instance", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("outcome", Text, nullable=False),  # open, accepted, failed, in_doubt
    Column("reason", Text, nullable=False, server_default=text("''")),
    Column("outcome_at", BigInteger),
    Index("page_about", "about", "at"),
    Index("page_at", "at"),
)

page_acknowledgement = Table(
    "page_acknowledgement",
    metadata,
    Column("about", Text, primary_key=True),
    Column("officer", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)

code_sheet = Table(
    "code_sheet",
    metadata,
    Column("id", Text, primary_key=True),
    Column("officer", Text, nullable=False),
    Column("issued_at", BigInteger, nullable=False),
    Column("content", Text, nullable=False),  # the officer's signed statement with the digests of all codes, as JSON
    Column("digest", Text, nullable=False),
    # What moves: replayed from events by verification.
    Column("spent", Integer, nullable=False, server_default=text("0")),  # codes that are used up, in order
    Column("wrong", Integer, nullable=False, server_default=text("0")),  # wrong answers in a row
    Column("locked_at", BigInteger),
    Column("replaced_at", BigInteger),
    Index("code_sheet_officer", "officer"),
)
