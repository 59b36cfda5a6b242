"""The ledger's tables.

Times are whole milliseconds (`kentongan.clock`). Rows of `alert` (but for its last block), `rendering`, `submission`
and `approval` never change once written; events carry their digests. No table but `address`, `answer` and `pager` holds
an address, and that only encrypted. On Postgres, `alert` and `dispatch` have the column `rowid` besides, as SQLite has.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateIndex
from sqlalchemy.sql.compiler import DDLCompiler

metadata = MetaData()


@compiles(CreateIndex, "postgresql")
def _on_postgres(create: CreateIndex, compiler: DDLCompiler, **options: Any) -> str:
    """An index over a part of a table is one on Postgres too, by the condition that stands there for SQLite."""
    index = create.element
    partial = index.dialect_options["postgresql"]
    if partial["where"] is None:
        partial["where"] = index.dialect_options["sqlite"]["where"]
    return str(compiler.visit_create_index(create, **options))  # type: ignore[no-untyped-call]


# An alias of the row id on SQLite, which only INTEGER PRIMARY KEY is.
_Id = BigInteger().with_variant(Integer, "sqlite")

meta = Table("meta", metadata, Column("name", Text, primary_key=True), Column("value", Text, nullable=False))

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

dispatch = Table(
    "dispatch",
    metadata,
    Column("alert_id", Text, ForeignKey("alert.id"), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("by", Text, nullable=False),
    Column("plan", Text, nullable=False),  # kentongan.plan.Plan as JSON: instances, audiences frozen, late values
    Column("owner", Text),
    Column("cursor", Text, nullable=False, server_default=text("'{}'")),  # per instance: last row expanded, or "done"
    Column("expanded", Integer, nullable=False, server_default=text("0")),
)

delivery = Table(
    "delivery",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("key", Text, nullable=False, unique=True),
    Column("alert_id", Text, nullable=False),
    Column("instance", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("family", Text, nullable=False),  # "public" on public channels
    Column("unique_by", Text, nullable=False),  # keyed hash of the address; instance and language on public channels
    Column("person_id", Text),
    Column("address_id", BigInteger),
    Column("deliver_by", BigInteger, nullable=False),
    Column("follows", BigInteger),  # the predecessor's delivery, for a correction
    Column("wave", Integer, nullable=False, server_default=text("0")),  # the lower, the sooner (kentongan.nearness)
    Column("stage", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("sender", Text),
    Column("epoch", Integer, nullable=False, server_default=text("0")),
    Column("attempt", Integer, nullable=False, server_default=text("0")),
    Column("phase", Text),
    Column("result", Text, nullable=False, server_default=text("'none'")),
    Column("closed", Text),
    Column("doubted", Integer, nullable=False, server_default=text("0")),  # ever in doubt
    Column("possible_duplicate", Integer, nullable=False, server_default=text("0")),
    Column("first_intent_at", BigInteger),
    Column("accepted_at", BigInteger),
    Column("provider_id", Text),
    Column("url", Text),
    Column("handle", Text),
    UniqueConstraint("alert_id", "family", "unique_by"),
    # Static, so that no change of a delivery touches it; the next holds for what waits alone.
    Index("delivery_part", "alert_id", "instance"),
    Index(
        "delivery_due",
        "alert_id",
        "instance",
        "attempt",
        "wave",
        "due_at",
        sqlite_where=text("stage = 'planned'"),
    ),
    Index("delivery_open", "alert_id", "instance", "due_at", sqlite_where=text("stage <> 'done'")),
    Index("delivery_sender", "sender", sqlite_where=text("sender IS NOT NULL")),
    # To count by. A delivery is entered once in one of the first two, and in the third only if it was tried again.
    Index(
        "delivery_accepted",
        "alert_id",
        "instance",
        "accepted_at",
        "result",
        sqlite_where=text("accepted_at IS NOT NULL"),
    ),
    Index(
        "delivery_missed",
        "alert_id",
        "instance",
        "result",
        "closed",
        sqlite_where=text("stage = 'done' AND result NOT IN ('accepted', 'delivered', 'read')"),
    ),
    Index(
        "delivery_again",
        "alert_id",
        "instance",
        "attempt",
        "possible_duplicate",
        sqlite_where=text("attempt > 1 OR possible_duplicate = 1"),
    ),
    Index("delivery_provider", "instance", "provider_id", sqlite_where=text("provider_id IS NOT NULL")),
    Index("delivery_doubt", "alert_id", sqlite_where=text("stage = 'done' AND result = 'in_doubt'")),
    Index("delivery_follows", "follows", sqlite_where=text("follows IS NOT NULL")),
    Index("delivery_person", "person_id", sqlite_where=text("person_id IS NOT NULL")),
)

attempt = Table(
    "attempt",
    metadata,
    Column("delivery_id", BigInteger, nullable=False),
    Column("number", Integer, nullable=False),
    Column("sender", Text, nullable=False),
    Column("phase", Text, nullable=False),
    Column("intent_at", BigInteger, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("reason", Text, nullable=False, server_default=text("''")),
    Column("outcome_at", BigInteger),
    Column("provider_id", Text),
    PrimaryKeyConstraint("delivery_id", "number"),
)

receipt = Table(
    "receipt",
    metadata,
    Column("id", Text, primary_key=True),
    Column("instance", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("key", Text, nullable=False),
    Column("provider_id", Text, nullable=False),
    Column("confirmed", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("delivery_id", BigInteger),
    UniqueConstraint("instance", "key", "provider_id", "confirmed"),
    Index("receipt_delivery", "delivery_id", sqlite_where=text("delivery_id IS NOT NULL")),
    Index("receipt_unmatched", "instance", "provider_id", sqlite_where=text("delivery_id IS NULL")),
)

sender = Table(
    "sender",
    metadata,
    Column("id", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("boot_id", Text, nullable=False),
    Column("namespace", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started", BigInteger, nullable=False),  # in clock ticks: tells a process from a later one of its number
    Column("beat", BigInteger, nullable=False),  # boot time; on Postgres by the database's own clock
    Column("ended", Integer, nullable=False, server_default=text("0")),
)

hold = Table(
    "hold",
    metadata,
    Column("instance", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
)

# Of the list of people there are editions (kentongan.ledger.editions): one is in force, the next may be being filled.
people_edition = Table(
    "people_edition",
    metadata,
    Column("number", _Id, primary_key=True, autoincrement=True),
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
    Column("id", _Id, primary_key=True, autoincrement=True),
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

step = Table(
    "step",
    metadata,
    Column("alert_id", Text, nullable=False),
    Column("kind", Text, nullable=False),  # fallback or escalation
    Column("number", Integer, nullable=False),  # its place in the plan
    Column("epoch", Integer, nullable=False),  # the alert's, when it was sent off
    Column("position", Integer, nullable=False, server_default=text("0")),  # which channel or group is next
    Column("mark", BigInteger),  # the last delivery there was when this position began
    Column("cursor", BigInteger, nullable=False, server_default=text("0")),  # how far this position is done
    Column("due_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("alert_id", "kind", "number"),
    Index("step_due", "due_at"),
)

answer = Table(
    "answer",
    metadata,
    Column("number", _Id, primary_key=True, autoincrement=True),  # in the order in which they came
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

drill_schedule = Table(
    "drill_schedule",
    metadata,
    Column("id", Text, primary_key=True),
    Column("scenario", Text, nullable=False),
    Column("scenario_digest", Text, nullable=False),  # of what it renders to: officers sign it
    Column("every", Text, nullable=False),
    Column("zone", Text, nullable=False),
    Column("correct", Integer, nullable=False),
    Column("signed", Text, nullable=False),  # the officers' signed statements, as JSON
    Column("created_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("ended_by", Text),
)

drill = Table(
    "drill",
    metadata,
    Column("id", Text, primary_key=True),
    Column("scenario", Text, nullable=False),  # "" for an alert that was drafted by hand
    Column("part", Text, nullable=False),  # kentongan.ledger.drills.Part
    Column("schedule_id", Text),
    Column("slot", BigInteger),  # the hour of the schedule that it is for
    Column("alert_id", Text),
    Column("state", Text, nullable=False),  # kentongan.ledger.drills.State
    Column("why", Text, nullable=False, server_default=text("''")),
    Column("scenario_content", Text, nullable=False, server_default=text("'{}'")),  # as it was when this run began
    Column("release", Text),  # the signed word by which its correction goes, given at the start, as JSON
    Column("began_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("result", Text),  # kentongan.drills.Measured as JSON
    Column("score", Integer),
    UniqueConstraint("schedule_id", "part", "slot"),
    Index("drill_alert", "alert_id"),
    Index("drill_running", "id", sqlite_where=text("state = 'running'")),
)

probe = Table(
    "probe",
    metadata,
    Column("id", Text, primary_key=True),
    Column("instance", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("outcome", Text, nullable=False),  # open, ready, unready
    Column("detail", Text, nullable=False, server_default=text("''")),
    Column("expires_at", BigInteger),
    Column("quota_left", BigInteger),
    Column("took", BigInteger),
    Column("since", BigInteger),  # when the first look in this row of looks with the same outcome began
    Column("times", Integer),  # how many there are in that row, this one included
    Index("probe_instance", "instance", "at"),
)

bucket = Table(
    "bucket",
    metadata,
    Column("name", Text, primary_key=True),  # of a credential: `kentongan.bucket.name_of`
    Column("boot_id", Text, nullable=False),  # the start of the machine that the times count from
    Column("leased_to", Float, nullable=False),  # seconds of boot time, as all times here
    Column("paused_until", Float, nullable=False),
    Column("rank", Integer, nullable=False),  # of the highest alert that has asked lately
    Column("wanted", Float, nullable=False),  # until when lower ones yield to it
    Column("throttled", Integer, nullable=False, server_default=text("0")),  # times in a row, without a word how long
)

throttle = Table(
    "throttle",
    metadata,
    Column("alert_id", Text, nullable=False),
    Column("instance", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),  # when its provider may be asked again
    Column("deliver_by", BigInteger, nullable=False),
    Column("waiting", Integer, nullable=False),  # deliveries that were not done
    Column("also", Text, nullable=False),  # how many of their people other channels had, by name, as JSON
    PrimaryKeyConstraint("alert_id", "instance"),
)

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
    Index("event_delivery", "delivery_id"),
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
