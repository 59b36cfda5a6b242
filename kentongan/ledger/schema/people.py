"""Whom it may reach: people with their addresses, what they answered, and the regions they live in."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from kentongan.ledger.schema.metadata import ROW_ID, metadata

# Of the list of people there are editions (kentongan.ledger.editions): one is in force, the next may be being filled.
people_edition = Table(
    "people_edition",
    metadata,
    Column("number", ROW_ID, primary_key=True, autoincrement=True),
    Column("began_at", BigInteger, nullable=False),
    Column("owner", Text, nullable=False),  # the sender that fills it
    Column("mark", BigInteger, nullable=False),  # the last address there was when it was begun
    Column("switched_at", BigInteger),  # when it came into force
)

person = Table(
    "person",
    metadata,
    Column("id", Text, primary_key=True),
    Column("reference", Text, nullable=False, unique=True),  # keyed hash of the agency's own reference
    Column("language", Text),
    Column("former_language", Text),  # until the edition `since` is in force
    Column("key", LargeBinary),  # the person's own key, wrapped; NULL once erased
    Column("added", Integer, nullable=False, server_default=text("0")),  # the edition that first had them
    Column("since", Integer, nullable=False, server_default=text("0")),  # the edition from which the language holds
    Column("erased_at", BigInteger),
)

person_group = Table(
    "person_group",
    metadata,
    Column("person_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("since", Integer, nullable=False, server_default=text("0")),
    Column("until", Integer, nullable=False, server_default=text("2147483647")),
    PrimaryKeyConstraint("person_id", "name"),
    Index("person_group_name", "name", "person_id"),
    Index("person_group_past", "until", sqlite_where=text("until < 2147483647")),
)

person_region = Table(
    "person_region",
    metadata,
    Column("person_id", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("since", Integer, nullable=False, server_default=text("0")),
    Column("until", Integer, nullable=False, server_default=text("2147483647")),
    PrimaryKeyConstraint("person_id", "code"),
    Index("person_region_code", "code", "person_id"),
    Index("person_region_past", "until", sqlite_where=text("until < 2147483647")),
)

address = Table(
    "address",
    metadata,
    Column("id", ROW_ID, primary_key=True, autoincrement=True),
    Column("person_id", Text, nullable=False),
    Column("family", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Column("ciphertext", LargeBinary, nullable=False),
    Column("since", Integer, nullable=False, server_default=text("0")),
    Column("until", Integer, nullable=False, server_default=text("2147483647")),
    UniqueConstraint("person_id", "family", "hash"),
    Index("address_family", "family", "id"),
    Index("address_hash", "hash"),
)

opt_out = Table(
    "opt_out",
    metadata,
    Column("family", Text, nullable=False),  # "*": the person wholly
    Column("unique_by", Text, nullable=False),  # keyed hash of the address; the person's id where wholly
    Column("at", BigInteger, nullable=False),
    Column("by", Text, nullable=False),  # an officer's name, or "answer"
    PrimaryKeyConstraint("family", "unique_by"),
)

answer = Table(
    "answer",
    metadata,
    Column("number", ROW_ID, primary_key=True, autoincrement=True),  # in the order in which they came
    Column("id", Text, nullable=False, unique=True),
    Column("instance", Text, nullable=False),
    Column("family", Text, nullable=False),
    Column("unique_by", Text, nullable=False),  # keyed hash of the address it came from
    Column("provider_id", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("person_id", Text),
    Column("alert_id", Text),
    Column("delivery_id", BigInteger),
    Column("meaning", Text, nullable=False),  # kentongan.answers.Meaning
    Column("ciphertext", LargeBinary, nullable=False),  # address and text, under the person's key or the one below
    Column("key", LargeBinary),  # its own, wrapped, where the sender is nobody we know
    Index("answer_alert", "alert_id", "unique_by", "number"),
    Index("answer_person", "person_id"),
    Index("answer_sender", "unique_by", "family"),
    Index("answer_provider", "instance", "provider_id", unique=True, sqlite_where=text("provider_id <> ''")),
)

region = Table(
    "region",
    metadata,
    Column("code", Text, primary_key=True),  # dotted: a region lies in the one whose code begins its own
    Column("name", Text, nullable=False),
    Column("timezone", Text),
    Column("latitude", Float),  # of a point inside it
    Column("longitude", Float),
    Column("south", Float),  # the box of its boundary; east may lie beyond 180
    Column("west", Float),
    Column("north", Float),
    Column("east", Float),
)

region_boundary = Table(
    "region_boundary",
    metadata,
    Column("code", Text, primary_key=True),
    Column("rings", Text, nullable=False),  # outer rings of [latitude, longitude], as JSON
)
