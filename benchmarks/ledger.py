"""What the ledger costs: intents and outcomes a second with and without its chain, and planning for 200,000 people.

Run it on the disk that the ledger will lie on: `python benchmarks/ledger.py --folder /var/lib/kentongan`; or on an
empty database: `python benchmarks/ledger.py --database postgresql://...`.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kentongan.database import Database
from kentongan.delivery import Evidence, Phase
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger, Write, claims, dispatches, outcomes, planning
from kentongan.ledger.outcomes import Settled
from kentongan.ledger.verification import signed_head, verify
from kentongan.policy import Decision, Reason
from tests.kentongan.ledger.scenes import direct, put_dispatch, register_sender

HOUR = 3_600_000
_EACH = 96
"""Deliveries of each process, where many send at once to a database that is far: its answers are waited for anyway."""

ACCEPTED = Decision(Evidence.ACCEPTED, Reason.ACCEPTED)


def people(write: Write, first: int, count: int) -> None:
    """Puts people on record as rows alone: encrypting their addresses is not what is measured here."""
    rows = [
        {"id": f"p{n:07}", "hash": secrets.token_hex(16), "group": "subscriber", "none": b"\0"}
        for n in range(first, first + count)
    ]
    write.sql("INSERT INTO person (id, reference, language, key) VALUES (:id, :id, 'id', :none)", rows)
    write.sql("INSERT INTO person_group (person_id, name) VALUES (:id, :group)", rows)
    write.sql("INSERT INTO address (person_id, family, hash, ciphertext) VALUES (:id, 'phone', :hash, :none)", rows)


def dispatch(ledger: Ledger, alert_id: str, code: str) -> None:
    """An alert to all people on record."""
    instance = direct("sms", ledger.clock.wall() + HOUR)
    ledger.write(lambda write: put_dispatch(write, [instance], id=alert_id, code=code))


def expand(ledger: Ledger, alert_id: str, chunk: int) -> tuple[float, float]:
    """Plans all deliveries of an alert; returns the seconds in all, and of the longest chunk."""
    found = ledger.read(lambda read: dispatches.get(read, alert_id))
    assert found is not None
    begun = time.perf_counter()
    longest = 0.0
    more = True
    while more:
        before = time.perf_counter()
        more = ledger.write(lambda write: planning.expand(write, alert_id, found.plan, chunk))
        longest = max(longest, time.perf_counter() - before)
    return time.perf_counter() - begun, longest


def send(ledger: Ledger, alert_id: str, sender: str, count: int, batch: int, *, beside: bool = True) -> float:
    """Claims, intends and settles `count` deliveries in batches; returns deliveries a second."""
    done = 0
    begun = time.perf_counter()
    while done < count:
        claimed = ledger.write(
            lambda write: claims.claim(write, sender=sender, alert_id=alert_id, instance="sms", most=batch),
            beside=beside,
        )
        if not claimed:
            raise SystemExit("too few people for so many sends; give more --people or fewer --sends")
        ids = [item.id for item in claimed]
        intents = ledger.write(
            lambda write, ids=ids: claims.intend(  # type: ignore[misc]
                write, sender=sender, deliveries=ids, phase=Phase.IRREVERSIBLE
            ),
            beside=beside,
        )
        settled = [Settled(i.delivery, i.attempt, ACCEPTED, provider_id=f"m{i.delivery}") for i in intents]
        ledger.write(
            lambda write, s=settled: outcomes.settle(write, sender=sender, outcomes=s),  # type: ignore[misc]
            beside=beside,
        )
        done += len(intents)
    return done / (time.perf_counter() - begun)


def one_of_many(url: str, number: int, count: int, away: float, beside: bool, ready: Any, times: Any) -> None:
    """One sender, in a process of its own, whose database is `away` seconds to and fro."""
    with Ledger.open(Database(url), chain=f"bench{number}") as ledger:
        sender = register_sender(ledger, f"bench{number}-{secrets.token_hex(4)}")
        sqlalchemy.event.listen(ledger._engine, "before_cursor_execute", lambda *_: time.sleep(away))
        ready.wait()
        begun = time.perf_counter()
        send(ledger, "alert1", sender, count, 16, beside=beside)
        times.put(time.perf_counter() - begun)


def many(url: str, processes: int, count: int, away: float, *, beside: bool) -> float:
    """Lets `processes` send `count` deliveries each, in batches of 16; returns deliveries a second of all."""
    context = multiprocessing.get_context("spawn")
    ready, times = context.Barrier(processes), context.Queue()
    started = [
        context.Process(target=one_of_many, args=(url, number, count, away, beside, ready, times))
        for number in range(processes)
    ]
    for process in started:
        process.start()
    longest = max(times.get() for _ in started)
    for process in started:
        process.join()
    return processes * count / longest


@contextlib.contextmanager
def unchained() -> Iterator[None]:
    """Lets ledgers write their events without linking them."""
    chain = Write.chain

    def plain(write: Write, chain: str) -> None:
        write.events.clear()

    Write.chain = plain  # type: ignore[method-assign]
    try:
        yield
    finally:
        Write.chain = chain  # type: ignore[method-assign]


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", metavar="URL", help="an empty Postgres database, instead of a file")
    parser.add_argument("--processes", type=int, default=0, help="how many send at once (with --database)")
    parser.add_argument("--away", type=float, default=100.0, help="milliseconds to the database, for those")
    parser.add_argument("--folder", type=Path, help="where to put the ledger (default: the temporary folder)")
    parser.add_argument("--people", type=int, default=200_000)
    parser.add_argument("--sends", type=int, default=10_000)
    parser.add_argument("--chunk", type=int, default=1000, help="people planned in one transaction")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kentongan-ledger-", dir=arguments.folder) as name:
        root = Path(name)
        keys = StateKeys.open(root)
        place = Database(arguments.database) if arguments.database else root / "ledger.db"
        with Ledger.open(place, chain="bench") as ledger:
            for first in range(0, arguments.people, 10_000):
                count = min(10_000, arguments.people - first)
                ledger.write(lambda write, f=first, c=count: people(write, f, c))  # type: ignore[misc]
            sender = register_sender(ledger, "bench")
            dispatch(ledger, "alert1", "K7Q4")
            whole, longest = expand(ledger, "alert1", arguments.chunk)
            print(f"planning {arguments.people:,} people: {whole:.1f} s ({arguments.people / whole:,.0f}/s)")
            print(f"longest chunk of {arguments.chunk:,}: {longest * 1000:.0f} ms")
            for batch in (1, 16, 256):
                sends = min(arguments.sends, 1000 if batch == 1 else arguments.sends)
                chained = send(ledger, "alert1", sender, sends, batch)
                with unchained():
                    plain = send(ledger, "alert1", sender, sends, batch)
                print(
                    f"claim, intent and outcome in batches of {batch}: {chained:,.0f}/s with the record,"
                    f" {plain:,.0f}/s without it"
                )
        if arguments.processes and arguments.database:
            for beside in (False, True):
                rates = [
                    many(arguments.database, number, _EACH, arguments.away / 1000, beside=beside)
                    for number in (1, arguments.processes)
                ]
                how = "side by side" if beside else "one at a time"
                print(
                    f"{how}, the database {arguments.away} ms away: one process {rates[0]:,.0f}/s,"
                    f" {arguments.processes} processes {rates[1]:,.0f}/s ({rates[1] / rates[0]:.2f})"
                )
        with Ledger.open(place) as ledger:
            begun = time.perf_counter()
            head = ledger.read(lambda read: signed_head(read, keys))
            verdict = ledger.read(lambda read: verify(read, head=head, public_key=keys.head_public_key))
            seconds = time.perf_counter() - begun
            # What was sent without the record differs from it, as it must.
            print(f"verifying {verdict.events:,} events and {verdict.deliveries:,} deliveries: {seconds:.1f} s")


if __name__ == "__main__":
    main()
