"""The ledger's contract on Postgres, and what only a server can suffer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from kentongan.clock import Process, SystemClock
from kentongan.database import Database
from kentongan.delivery import Evidence, Phase
from kentongan.errors import LedgerUnavailable
from kentongan.figures import Following
from kentongan.keys import StateKeys
from kentongan.ledger import (
    Ledger,
    Write,
    claims,
    opening,
    outcomes,
    postgres,
    postgres_writing,
    schema,
    senders,
    views,
)
from kentongan.ledger import ledger as ledger_module
from kentongan.ledger.dialect import for_postgres
from kentongan.ledger.outcomes import Settled
from kentongan.ledger.verification import verify
from kentongan.policy import Decision, Reason
from tests.kentongan.ledger.contract_on_postgres import PostgresContract
from tests.kentongan.ledger.scenes import StandingClock, later, public, put_dispatch, register_sender
from tests.kentongan.ledger.test_tallies import begin, settle
from tests.postgres import Server, open_database


class TestPostgres(PostgresContract):
    @pytest.fixture(autouse=True)
    def on_server(self, postgres: Server) -> None:
        self.server = postgres

    @pytest.fixture
    def place(self, address: str) -> str:
        return address

    def another_place(self, tmp_path: Path) -> str:
        return self.server.empty()


def engine(address: str) -> sqlalchemy.Engine:
    return postgres._engine(Database(address), "SET lock_timeout = 0")


# --- What is made ---


def test_migrated_tables_are_the_tables_of_the_schema(address: str, postgres: Server) -> None:
    def ours(_: object, name: str | None, kind: str, *__: object) -> bool:
        return not (kind == "column" and name == "rowid")

    options = {"compare_type": True, "compare_server_default": True, "include_object": ours}
    partial = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND indexdef LIKE '%% WHERE %%' ORDER BY 1"
    migrated, fresh = engine(address), engine(postgres.empty())
    with migrated.connect() as one, fresh.connect() as other:
        assert compare_metadata(MigrationContext.configure(one, opts=options), schema.metadata) == []
        schema.metadata.create_all(other)
        conditions = [each.exec_driver_sql(partial).scalars().all() for each in (one, other)]
        assert conditions[0] == conditions[1] != []
    migrated.dispose()
    fresh.dispose()


def test_a_ledger_of_a_newer_version_is_left_alone(address: str) -> None:
    other = engine(address)
    with other.connect() as connection, connection.begin():
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    other.dispose()
    with pytest.raises(LedgerUnavailable, match="written by a newer Kentongan"):
        open_database(address, "here")


def test_an_empty_database_holds_no_ledger_yet(address: str, postgres: Server) -> None:
    assert opening.exists(Database(address))
    assert not opening.exists(Database(postgres.empty()))


# --- Why it cannot be used ---


@pytest.mark.parametrize(
    ("said", "match"),
    [
        ("DiskFull", "the disk is full; make room"),
        ("ReadOnlySqlTransaction", "is a standby that can only be read; name the primary"),
        ("TooManyConnections", "takes no more connections"),
        ("InsufficientPrivilege", "make the user the owner"),
        ("AdminShutdown", "does not answer"),
        ("DataCorrupted", "is damaged; restore it"),
        ("SyntaxError", r"code 42601\); look into the server's log"),
    ],
)
def test_what_is_wrong_is_told_in_one_sentence(said: str, match: str) -> None:
    error = getattr(psycopg.errors, said)("kept-user kept-password\nDETAIL: kept-value")
    told = str(postgres.unavailable(Database("postgresql://kept-user:kept-password@db.example/alerts"), error))
    assert told.startswith("ledger alerts on db.example ")
    assert "\n" not in told
    assert "kept" not in told
    with pytest.raises(LedgerUnavailable, match=match):
        raise postgres.unavailable(Database("postgresql://db.example/alerts"), error)


def test_who_may_not_come_in_is_told_without_a_name(postgres: Server) -> None:
    postgres.ask_for_a_password("kept_user", "the right one")
    place = postgres.address("postgres").replace("postgres:@", "kept_user:kept-password@")
    with pytest.raises(LedgerUnavailable, match="does not let this user in; look at user and password") as raised:
        open_database(place, "here")
    assert "kept" not in str(raised.value)
    missing = postgres.address("no_such_database")
    with pytest.raises(
        LedgerUnavailable, match=r"no_such_database on this machine is not there; make it with createdb"
    ):
        open_database(missing, "here")
    with pytest.raises(LedgerUnavailable, match=r"alerts on 127.0.0.1:1 does not answer; start the database"):
        open_database("postgresql://kept_user:kept-password@127.0.0.1:1/alerts", "here")
    with pytest.raises(LedgerUnavailable, match="cannot be reached by the address that is set") as raised:
        open_database("postgresql://kept_user:kept-password@127.0.0.1/alerts?no_such_option=1", "here")
    assert "kept" not in str(raised.value)


# --- A database that goes away ---


@pytest.mark.parametrize("committed", [True, False])
def test_a_commit_that_nobody_answered_is_asked_after(
    address: str, committed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_database(address, "here") as ledger:
        commit = postgres_writing.commit

        def cut_off(connection: sqlalchemy.Connection) -> None:
            monkeypatch.setattr(postgres_writing, "commit", commit)
            if committed:
                commit(connection)
            driver: Any = connection.connection.driver_connection
            driver.close()
            commit(connection)

        monkeypatch.setattr(postgres_writing, "commit", cut_off)
        if committed:
            assert ledger.write(lambda write: write.event("note") or "said") == "said"
        else:
            with pytest.raises(LedgerUnavailable, match="does not answer"):
                ledger.write(lambda write: write.event("note"))
        ledger.write(lambda write: write.event("afterwards"))
        assert len(ledger.read(lambda read: views.events(read, types=["note"]))) == committed


def test_a_server_that_was_restarted_is_found_again(address: str, postgres: Server) -> None:
    with open_database(address, "here") as ledger:
        ledger.write(lambda write: write.event("before"))
        ledger.read(lambda read: views.events(read))
        postgres.act("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'kentongan'")
        ledger.write(lambda write: write.event("after"))
        assert [event.type for event in ledger.read(lambda read: views.events(read))] == ["before", "after"]


def test_who_falls_silent_in_the_middle_loses_the_lock_and_what_was_not_committed(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    silence = postgres.WRITING.replace(str(postgres_writing.SILENCE * 1000), "200")
    assert silence != postgres.WRITING
    monkeypatch.setattr(postgres, "WRITING", silence)
    held, go_on = threading.Event(), threading.Event()

    def fall_silent(write: Write) -> None:
        write.event("note")
        held.set()
        assert go_on.wait(30)

    with open_database(address, "silent") as silent, open_database(address, "here") as ledger:
        lost = silent._submit(fall_silent, must=False)
        assert held.wait(30)
        ledger.write(lambda write: write.event("meanwhile"))
        go_on.set()
        assert isinstance(lost.exception(30), LedgerUnavailable)
        assert [event.type for event in ledger.read(lambda read: views.events(read))] == ["meanwhile"]


@pytest.mark.parametrize("beside", [True, False])
def test_a_command_waits_until_a_writer_that_was_stopped_has_lost_its_hold_and_says_so_once(
    address: str, beside: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whoever waits has no patience of its own, and the server ends nobody by itself here.
    monkeypatch.setattr(postgres, "WRITING", "SET lock_timeout = 50")
    monkeypatch.setattr(ledger_module, "SILENCE", 0.5)
    held, go_on = threading.Event(), threading.Event()
    told: list[str] = []

    def fall_silent(write: Write) -> None:
        write.event("note")
        write.sql("SELECT 1")
        held.set()
        assert go_on.wait(30)

    with open_database(address, "silent") as silent, open_database(address, "here") as ledger:
        ledger.tell = told.append
        lost = silent._submit(fall_silent, must=False, beside=beside)
        assert held.wait(30)
        ledger.write(lambda write: write.event("meanwhile"))
        go_on.set()
        assert isinstance(lost.exception(30), LedgerUnavailable)
        assert [event.type for event in ledger.read(lambda read: views.events(read))] == ["meanwhile"]
    assert len(told) == 1
    assert "says nothing" in told[0]


def test_nobody_elses_hold_on_the_ledger_is_ended(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "WRITING", "SET lock_timeout = 50")
    monkeypatch.setattr(ledger_module, "UNREACHED", 0)
    with psycopg.connect(address, application_name="psql") as other, open_database(address, "here") as ledger:
        other.execute(f"SELECT pg_advisory_xact_lock({postgres_writing.LOCK}), pg_current_xact_id()")
        with pytest.raises(LedgerUnavailable, match="is locked by another program"):
            ledger.write(lambda write: write.event("note"), urgent=True)
        other.commit()
        ledger.write(lambda write: write.event("note"))


# --- Leases ---


def test_a_sender_of_another_machine_is_gone_when_its_lease_is_over_by_the_databases_clock(address: str) -> None:
    here = Process.current()
    elsewhere = Process("another machine's", here.namespace, 1, 1)

    def gone(ledger: Ledger) -> list[str]:
        return ledger.read(lambda read: senders.gone(read, clock=SystemClock(), process=here, suspects=["far"]))

    with open_database(address, "here") as ledger:
        ledger.write(
            lambda write: senders.register(write, sender="far", role="send", process=elsewhere, clock=SystemClock())
        )
        assert gone(ledger) == []
        ledger.write(lambda write: write.sql("UPDATE sender SET beat = beat - :lease", {"lease": senders.LEASE + 1}))
        assert gone(ledger) == ["far"]
        ledger.write(lambda write: senders.beat(write, sender="far", clock=SystemClock()))
        assert gone(ledger) == []


# --- The record ---


def test_a_changed_row_is_found_and_an_outcome_is_recorded_whatever_the_provider_says(
    address: str, tmp_path: Path
) -> None:
    keys = StateKeys.open(tmp_path)
    with open_database(address, "here") as ledger:
        ledger.write(lambda write: put_dispatch(write, [public("toots", later(hours=24 * 365), ("id",))]))
        sender = register_sender(ledger, "s1")
        (claimed,) = ledger.write(
            lambda write: claims.claim(write, sender=sender, alert_id="alert1", instance="toots", most=1)
        )
        ledger.write(
            lambda write: claims.intend(write, sender=sender, deliveries=[claimed.id], phase=Phase.IRREVERSIBLE)
        )
        # Postgres stores no NUL in a text.
        settled = Settled(claimed.id, 1, Decision(Evidence.ACCEPTED, Reason.ACCEPTED, "so\0"))
        ledger.write(lambda write: outcomes.settle(write, sender=sender, outcomes=[settled]))
        assert [d.word for d in ledger.read(lambda read: views.deliveries(read, "alert1"))] == ["accepted"]
        check: Callable[[], list[str]] = lambda: [  # noqa: E731
            each.place
            for each in ledger.read(lambda read: verify(read, head=None, public_key=keys.head_public_key)).differences
        ]
        before = check()
        ledger.write(lambda write: write.sql("UPDATE delivery SET url = 'https://elsewhere.example/'"))
        assert set(check()) - set(before) == {f"delivery {claimed.id}"}


def test_deliveries_are_counted_as_in_a_file(address: str, tmp_path: Path) -> None:
    keys, clock = StateKeys.open(tmp_path), StandingClock()
    with Ledger.open(Database(address), clock=clock, chain="console") as ledger:
        begin(ledger, keys, 12)
        following = Following(ledger)
        assert following.look().channels["sms"].words["open"] == 12
        clock.pass_by(1_500)
        settle(ledger, Evidence.ACCEPTED, 4)
        settle(ledger, Evidence.IN_DOUBT, 3)
        ledger.write(lambda write: write.event("orchestration.lost", alert="alert1", error="TimeoutError", why=""))
        seen = following.look()
        tally = seen.channels["sms"]
        assert (tally.words["accepted"], tally.words["in_doubt"], tally.waiting, tally.seconds) == (4, 3, 3, 6.0)
        assert (seen.due["sms"].count, seen.orchestrations_lost, seen.pages) == (5, 1, {})
        assert Following(ledger).look().channels == seen.channels


# --- Statements ---


def test_rows_go_in_together_but_where_one_may_meet_another() -> None:
    rows = [{"a": 1, "b": "x"}, {"a": 2, "b": None}]
    insert = for_postgres("INSERT INTO t (a, b) VALUES (:a, coalesce(:b, '%')) ON CONFLICT DO NOTHING")
    assert insert.run(rows) == (
        "INSERT INTO t (a, b) VALUES (%(a.0)s, coalesce(%(b.0)s, '%%')), (%(a.1)s, coalesce(%(b.1)s, '%%'))"
        " ON CONFLICT DO NOTHING",
        {"a.0": 1, "b.0": "x", "a.1": 2, "b.1": None},
    )
    upsert = for_postgres("INSERT INTO t (a, b) VALUES (:a, :b) ON CONFLICT (a) DO UPDATE SET b = coalesce(:b, t.b)")
    assert upsert.run(rows) == (upsert.text, rows)


@pytest.mark.parametrize(
    ("written", "turned"),
    [
        ("id IN (SELECT value FROM json_each(:ids))", "id = ANY(%(ids)s)"),
        ("END NOT IN (SELECT value FROM json_each(:ids))", "END <> ALL(%(ids)s)"),
        (
            "r CROSS JOIN json_each(:a_1) w",
            "r CROSS JOIN jsonb_array_elements_text(CAST(%(a_1)s AS jsonb)) AS w(value)",
        ),
        (
            "UPDATE t SET x = r.value ->> 'x' FROM json_each(:rows) AS r",
            "UPDATE t SET x = r.value ->> 'x' FROM jsonb_array_elements(CAST(%(rows)s AS jsonb)) AS r(value)",
        ),
        (":chosen ->> (p.x)", "CAST(%(chosen)s AS jsonb) ->> (p.x)"),
        ("delivery n INDEXED BY delivery_person WHERE", "delivery n WHERE"),
        ("w.x IS :alert AND y LIKE :z || ':%'", "w.x IS NOT DISTINCT FROM %(alert)s AND y LIKE %(z)s || ':%%'"),
    ],
)
def test_a_statement_is_put_into_the_words_of_postgres(written: str, turned: str) -> None:
    assert for_postgres(written).text == turned
