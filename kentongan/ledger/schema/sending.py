"""How it is sent: dispatches, deliveries and their attempts, those who send, and how fast providers may be asked."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from kentongan.ledger.schema.metadata import ROW_ID, metadata

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
    Column("id", ROW_ID, primary_key=True, autoincrement=True),
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
    Column("serves", Text),  # JSON: the channels it sends on for others; NULL where it does not
)

hold = Table(
    "hold",
    metadata,
    Column("instance", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
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
