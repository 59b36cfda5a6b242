"""What is practised and probed: drills, their schedules, and looks at the channels."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text, UniqueConstraint, text

from kentongan.ledger.schema.metadata import metadata

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
