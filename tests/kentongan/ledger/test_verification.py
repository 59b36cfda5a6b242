"""`log verify` finds any change to what is recorded behind a signed head, row by row and column by column."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from kentongan.clock import to_datetime
from kentongan.delivery import Evidence, Phase
from kentongan.drill_schedules import Schedule, schedule_statement
from kentongan.drills import Measured, Scenario
from kentongan.keys import StateKeys
from kentongan.ledger import (
    Ledger,
    Read,
    claims,
    code_sheets,
    dispatches,
    drills,
    outcomes,
    pictures,
    receipts,
    reviews,
    schema,
)
from kentongan.ledger import officers as register
from kentongan.ledger.chaining import canonical, event_digest, link_digest
from kentongan.ledger.outcomes import Settled
from kentongan.ledger.replay import UNTRACKED
from kentongan.ledger.verification import Verdict, signed_head, verify
from kentongan.membership import Admitted, Revoked
from kentongan.officers import SigningKey, new_officer, sign
from kentongan.one_time_codes import issue
from kentongan.policy import Decision, Reason
from kentongan.reviews import review_statement
from kentongan.seam import Confirmed, Receipt
from tests.kentongan.ledger.scenes import (
    StandingClock,
    direct,
    expand_all,
    later,
    open_at,
    public,
    put_correction,
    put_dispatch,
    put_people,
    register_sender,
    release,
    send_together,
)

TABLES = (
    *("event", "link", "alert", "rendering", "submission", "approval", "dispatch", "delivery", "attempt", "officer"),
    *("code_sheet", "review", "picture", "drill_schedule", "drill"),
)


@dataclass(frozen=True)
class Record:
    """A ledger file with something of everything, and the head that was signed at its end."""

    path: Path
    head: dict[str, Any]
    public_key: bytes

    def connect(self) -> sqlalchemy.Engine:
        return sqlalchemy.create_engine(f"sqlite:///{self.path}")

    def verdict(self, connection: sqlalchemy.Connection, *, with_head: bool = True) -> Verdict:
        return verify(Read(connection, 0), head=self.head if with_head else None, public_key=self.public_key)


def live_through(ledger: Ledger, keys: StateKeys, clock: StandingClock) -> None:
    """Puts something of everything on record."""
    newcomer, key = new_officer("siti", SecretStr("kucing lima ekor"), now=to_datetime(clock.wall()), cost=2**14)
    admitted = Admitted(newcomer.active_from, ())
    ledger.write(lambda write: register.add(write, officer=newcomer, signatures=[sign(b"x", key)], admitted=admitted))
    revoked = Revoked(to_datetime(clock.wall()), "siti")
    ledger.write(lambda write: register.revoke(write, name="siti", signed=sign(b"y", key), revoked=revoked))
    ledger.write(lambda write: put_people(write, keys, 7))
    ledger.write(lambda write: put_dispatch(write, [public("toots", later()), direct("sms", later())]))
    sender = register_sender(ledger, "s1")
    ledger.write(lambda write: dispatches.own(write, "alert1", sender=sender, gone=[]))
    expand_all(ledger, "alert1", size=3)

    def attempt(instance: str, most: int, decide: Callable[[int], Decision], *, provider: bool = True) -> None:
        for claimed in ledger.write(
            lambda write: claims.claim(write, sender=sender, alert_id="alert1", instance=instance, most=most)
        ):
            clock.pass_by(3)
            (intent,) = ledger.write(
                lambda write, id=claimed.id: claims.intend(  # type: ignore[misc]
                    write, sender=sender, deliveries=[id], phase=Phase.IRREVERSIBLE
                )
            )
            clock.pass_by(3)
            settled = Settled(
                claimed.id,
                intent.attempt,
                decide(claimed.id),
                provider_id=f"m{claimed.id}" if provider else "",
                url="https://toots.example/1" if provider else "",
                handle={"step": "1"},
            )
            ledger.write(lambda write, s=settled: outcomes.settle(write, sender=sender, outcomes=[s]))  # type: ignore[misc]

    attempt("toots", 1, lambda _: Decision(Evidence.ACCEPTED, Reason.ACCEPTED))
    attempt("toots", 1, lambda _: Decision(Evidence.IN_DOUBT, Reason.OFFICER, "hung up"), provider=False)
    again = clock.wall() + 5_000
    attempt("sms", 2, lambda _: Decision(Evidence.ABSENT, Reason.NEVER_LEFT, "refused", due_at=again), provider=False)
    clock.pass_by(6_000)
    attempt("sms", 1, lambda _: Decision(Evidence.ACCEPTED, Reason.ACCEPTED))
    # Settled in one commit, whose events are then recorded as one.
    assert len(send_together(ledger, sender, 2)) == 2
    attempt("sms", 1, lambda _: Decision(Evidence.REJECTED, Reason.REFUSED, "no such number"), provider=False)
    ledger.write(
        lambda write: receipts.record(
            write,
            instance="sms",
            receipts=[Receipt(Confirmed.DELIVERED, provider_id="m3"), Receipt(Confirmed.READ, provider_id="m4")],
        )
    )
    ledger.write(lambda write: put_correction(write, "alert1"))
    ledger.write(lambda write: release(write, "alert1", "correction1", deliver_by=later(2)))
    while ledger.write(lambda write: outcomes.cancel_stopped(write, "alert1")):
        pass
    expand_all(ledger, "correction1", size=2)
    ledger.write(lambda write: claims.claim(write, sender=sender, alert_id="correction1", instance="sms", most=1))
    for number in range(2):
        statement = issue(f"sheet{number}", [f"K7Q4{number}9MX"], to_datetime(clock.wall()))
        ledger.write(lambda write, n=number, s=statement: code_sheets.issue(write, id=f"sheet{n}", signed=sign(s, key)))  # type: ignore[misc]
    for said in (True, False):
        sheet = ledger.read(lambda read: code_sheets.current(read, "siti"))
        assert sheet is not None
        ledger.write(lambda write, s=sheet, r=said: code_sheets.miss(write, s, alert_id="alert1", by="budi", said=r))  # type: ignore[misc]
    ledger.write(lambda write: pictures.put(write, [b"a map", b"a photograph", b"a map"]))
    for alert_id in ("alert1", "correction1"):
        ledger.write(lambda write, a=alert_id: reviews.begin(write, a, officer="siti", within=1_000))  # type: ignore[misc]
    found = review_statement("alert1", "0" * 64, "Nobody else could be reached.", to_datetime(clock.wall()))
    ledger.write(lambda write: reviews.finish(write, "alert1", signed=sign(found, key)))
    rehearse(ledger, key, clock)
    # An alert that is only a draft yet.
    ledger.write(lambda write: put_correction(write, "correction1", id="draft1", code="ZZZZ"))


def rehearse(ledger: Ledger, key: SigningKey, clock: StandingClock) -> None:
    """Puts drills on record, with a value in every column of both tables."""
    schedules = [Schedule(f"s{n}", "quake", "d" * 64, "daily 10:00", "Asia/Jakarta", correct=True) for n in range(2)]
    content = Scenario(hazard="earthquake", facts={}, correct_after=60).content
    for schedule in schedules:
        signed = sign(schedule_statement(schedule, to_datetime(clock.wall())), key)
        ledger.write(lambda write, s=schedule, w=signed: drills.add_schedule(write, s, w))  # type: ignore[misc]
    ledger.write(lambda write: drills.end_schedule(write, "s0", by="siti", why="taken back"))
    runs: list[tuple[str, drills.State]] = [("d0", drills.State.PREPARED), ("d1", drills.State.DROPPED)]
    for n, (id, state) in enumerate(runs):
        slot = to_datetime(clock.wall() + n * 86_400_000)
        ledger.write(
            lambda write, id=id, state=state, slot=slot: drills.put(  # type: ignore[misc]
                write,
                id,
                scenario="quake",
                part=drills.Part.EXERCISE,
                state=state,
                content=content,
                alert_id="alert1",
                schedule_id="s0",
                slot=slot,
                why="late" if state is drills.State.DROPPED else "",
            )
        )
    ledger.write(lambda write: drills.begin(write, "d0", release={"officer": "siti"}))
    clock.pass_by(1_000)
    measured = Measured(deliveries=4, accepted=4, first=10, last=20)
    ledger.write(lambda write: drills.finish(write, "d0", measured=measured, score=100))


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    folder = tmp_path_factory.mktemp("record")
    keys = StateKeys.open(folder)
    clock = StandingClock()
    with open_at(folder / "ledger.db", clock=clock) as ledger:
        live_through(ledger, keys, clock)
        head = json.loads(json.dumps(ledger.read(lambda read: signed_head(read, keys))))
    return Record(folder / "ledger.db", head, keys.head_public_key)


@pytest.fixture
def connection(record: Record) -> Iterator[sqlalchemy.Connection]:
    """A connection whose changes are forgotten at the end of the test."""
    engine = record.connect()
    with engine.connect() as connection:
        yield connection
        connection.rollback()
    engine.dispose()


def test_nothing_is_found_where_nothing_was_changed(record: Record, connection: sqlalchemy.Connection) -> None:
    verdict = record.verdict(connection)
    assert verdict.differences == []
    assert verdict.deliveries == 14
    assert verdict.events > 50
    assert verdict.behind_head == sum(seq for seq, _ in record.head["chains"].values())


def forgeries(value: Any) -> Iterator[Any]:
    """Other values that a column may have been given."""
    if value is None:
        yield from (1, "x")
    elif isinstance(value, int):
        yield from (value + 1, -value - 1)
    elif isinstance(value, bytes):
        yield from (value[:-1], bytes([value[0] ^ 1]) + value[1:], None, value.decode())
    else:
        yield from (f"{value}x", value[:-1] + "?", value.encode(), None, "")


@pytest.mark.parametrize(
    ("table", "column"), [(name, column.name) for name in TABLES for column in schema.metadata.tables[name].columns]
)
def test_every_changed_column_of_every_row_is_found(
    record: Record, connection: sqlalchemy.Connection, table: str, column: str
) -> None:
    rows = connection.exec_driver_sql(f'SELECT rowid, "{column}" FROM "{table}"').all()
    assert rows
    # Any column of events and links alike ends in the same digests: some rows of each stand for all.
    for rowid, value in rows if len(rows) < 30 else rows[:: len(rows) // 12]:
        changed = 0
        for forged in forgeries(value):
            if forged == value:
                continue
            savepoint = connection.begin_nested()
            try:
                connection.exec_driver_sql(f'UPDATE "{table}" SET "{column}" = ? WHERE rowid = ?', (forged, rowid))
            except sqlalchemy.exc.IntegrityError:
                savepoint.rollback()
                continue
            changed += 1
            found = record.verdict(connection).differences
            savepoint.rollback()
            assert bool(found) != (column in UNTRACKED.get(table, ())), (rowid, value, forged)
        assert changed


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_every_changed_byte_is_found(record: Record, connection: sqlalchemy.Connection, data: st.DataObject) -> None:
    table = data.draw(st.sampled_from(TABLES))
    columns = [c.name for c in schema.metadata.tables[table].columns if c.name not in UNTRACKED.get(table, ())]
    column = data.draw(st.sampled_from(columns))
    rows = connection.exec_driver_sql(
        f'SELECT rowid, CAST("{column}" AS BLOB), typeof("{column}") FROM "{table}" WHERE length("{column}") > 0'
    ).all()
    rowid, content, kind = data.draw(st.sampled_from(rows)) if rows else (None, b"", "")
    assume(content)
    position = data.draw(st.integers(0, len(content) - 1))
    flipped = bytearray(content)
    flipped[position] ^= 1 << data.draw(st.integers(0, 7))
    savepoint = connection.begin_nested()
    try:
        as_kind = "?" if kind == "blob" else f"CAST(? AS {kind})"
        connection.exec_driver_sql(
            f'UPDATE "{table}" SET "{column}" = {as_kind} WHERE rowid = ?', (bytes(flipped), rowid)
        )
        after = connection.exec_driver_sql(
            f'SELECT CAST("{column}" AS BLOB) FROM "{table}" WHERE rowid = ?', (rowid,)
        ).scalar()  # gone where the row's own number was changed
        assume(after != content)
        assert record.verdict(connection).differences
    except sqlalchemy.exc.IntegrityError:
        assume(False)
    finally:
        savepoint.rollback()


@pytest.mark.parametrize(("column", "letter"), [("alert_id", "r"), ("data", "m")])
def test_a_plan_on_record_that_is_no_text_any_more_is_found(
    record: Record, connection: sqlalchemy.Connection, column: str, letter: str
) -> None:
    savepoint = connection.begin_nested()
    changed = connection.exec_driver_sql(
        f"UPDATE event SET {column} = CAST(replace({column}, '{letter}', CAST(x'e3' AS TEXT)) AS TEXT)"
        " WHERE type = 'deliveries.planned' AND data LIKE '%sms%'"
    )
    assert changed.rowcount
    assert record.verdict(connection).differences
    savepoint.rollback()


@pytest.mark.parametrize("table", TABLES)
def test_every_deleted_row_is_found(record: Record, connection: sqlalchemy.Connection, table: str) -> None:
    for (rowid,) in connection.exec_driver_sql(f'SELECT rowid FROM "{table}"').all():
        savepoint = connection.begin_nested()
        connection.exec_driver_sql(f'DELETE FROM "{table}" WHERE rowid = ?', (rowid,))
        assert record.verdict(connection).differences, rowid
        savepoint.rollback()


@pytest.mark.parametrize("table", TABLES)
def test_every_inserted_row_is_found(record: Record, connection: sqlalchemy.Connection, table: str) -> None:
    row = dict(connection.exec_driver_sql(f'SELECT * FROM "{table}" LIMIT 1').mappings().one())
    keys = [column.name for column in schema.metadata.tables[table].primary_key]
    unique = {"position", "code", "key", "unique_by", "number", "slot"} & row.keys()
    for name in {*keys, *unique}:
        row[name] = 999_999 if isinstance(row[name], int) else secrets.token_hex(4)
    columns = ", ".join(f'"{name}"' for name in row)
    connection.exec_driver_sql(
        f'INSERT INTO "{table}" ({columns}) VALUES ({", ".join("?" * len(row))})', tuple(row.values())
    )
    assert record.verdict(connection).differences


def test_a_chain_cut_short_is_found_by_the_head(record: Record, connection: sqlalchemy.Connection) -> None:
    chain, last = connection.exec_driver_sql("SELECT chain, max(seq) FROM link").one()
    for table in ("event", "link"):
        connection.exec_driver_sql(f"DELETE FROM {table} WHERE chain = ? AND seq = ?", (chain, last))
    found = [d.sentence for d in record.verdict(connection).differences]
    assert f"ends at {last - 1} and had {last} links when the head was signed" in found


def rechain(connection: sqlalchemy.Connection) -> None:
    """What somebody does who has changed an event and knows how links are made: all of them anew."""
    previous: dict[str, str] = {}
    for chain, seq, position in connection.exec_driver_sql("SELECT chain, seq, position FROM link ORDER BY seq").all():
        events = [
            event_digest(*row)
            for row in connection.exec_driver_sql(
                "SELECT chain, seq, ordinal, at, type, alert_id, delivery_id, data FROM event"
                " WHERE chain = ? AND seq = ? ORDER BY ordinal",
                (chain, seq),
            )
        ]
        digest = link_digest(previous.get(chain, ""), position, events)
        connection.exec_driver_sql(
            "UPDATE link SET previous = ?, digest = ? WHERE chain = ? AND seq = ?",
            (previous.get(chain, ""), digest, chain, seq),
        )
        previous[chain] = digest


def test_a_chain_written_anew_is_found_by_the_head_alone(record: Record, connection: sqlalchemy.Connection) -> None:
    connection.exec_driver_sql("UPDATE event SET data = replace(data, 'budi', 'budo') WHERE type = 'alert.approved'")
    assert record.verdict(connection, with_head=False).differences
    rechain(connection)
    assert record.verdict(connection, with_head=False).differences == []
    (difference,) = record.verdict(connection).differences
    assert difference.sentence == "is not the one that was signed"


@pytest.mark.parametrize(
    "forge",
    [
        lambda head: {**head, "at": "2026-11-21T00:00:00+00:00"},
        lambda head: {**head, "chains": {}},
        lambda head: {**head, "signature": ""},
        lambda head: {**head, "signature": "no hexadecimal"},
        lambda head: {name: value for name, value in head.items() if name != "signature"},
        lambda head: {},
    ],
)
def test_a_forged_head_is_told(
    record: Record, connection: sqlalchemy.Connection, forge: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    verdict = verify(Read(connection, 0), head=forge(record.head), public_key=record.public_key)
    assert [d.sentence for d in verdict.differences] == ["its signature is not by this ledger's key"]


def test_a_head_of_another_installation_is_told(
    record: Record, connection: sqlalchemy.Connection, tmp_path: Path
) -> None:
    other = StateKeys.open(tmp_path)
    body = {name: value for name, value in record.head.items() if name != "signature"}
    body["key"] = other.head_public_key.hex()
    forged = {**body, "signature": other.sign_head(canonical(body).encode()).hex()}
    assert verify(Read(connection, 0), head=forged, public_key=record.public_key).differences


def test_a_clock_put_back_or_standing_still_makes_no_difference(tmp_path: Path) -> None:
    clock = StandingClock()
    path = tmp_path / "ledger.db"
    with open_at(path, clock=clock, chain="b") as one, open_at(path, clock=clock, chain="a") as two:
        one.write(lambda write: put_dispatch(write, [public("toots", later())]))
        clock.pass_by(1_000)
        for ledger, other in ((one, two), (two, one), (one, two)):
            (claimed,) = ledger.write(
                lambda write, sender=ledger.chain: claims.claim(  # type: ignore[misc]
                    write, sender=sender, alert_id="alert1", instance="toots", most=1
                )
            )
            (intent,) = ledger.write(
                lambda write, sender=ledger.chain, id=claimed.id: claims.intend(  # type: ignore[misc]
                    write, sender=sender, deliveries=[id], phase=Phase.IRREVERSIBLE
                )
            )
            clock.pass_by(-10)
            again = Decision(Evidence.ABSENT, Reason.NEVER_LEFT, due_at=clock.wall())
            settled = Settled(claimed.id, intent.attempt, again)
            # Another process may settle what this one began, in the same millisecond or an earlier one.
            other.write(lambda write, s=settled: outcomes.settle(write, sender="else", outcomes=[s]))  # type: ignore[misc]
            ledger.write(
                lambda write, sender=ledger.chain, s=settled: outcomes.settle(  # type: ignore[misc]
                    write, sender=sender, outcomes=[s]
                )
            )
        keys = StateKeys.open(tmp_path / "state")
        head = one.read(lambda read: signed_head(read, keys))
        verdict = one.read(lambda read: verify(read, head=head, public_key=keys.head_public_key))
    assert verdict.differences == []
    assert verdict.chains == 2


def test_the_page_on_the_ledger_names_what_no_event_speaks_of() -> None:
    page = (Path(__file__).parents[3] / "docs" / "ledger.md").read_text("utf-8")
    for table, columns in UNTRACKED.items():
        for column in columns:
            assert f"`{table}.{column}`" in page
    for table in schema.metadata.tables.keys() - set(TABLES):
        assert f"`{table}`" in page
