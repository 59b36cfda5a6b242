"""Another program that locks a ledger: `python holder.py PLACE LOCK`, until its standard input ends."""

from __future__ import annotations

import contextlib
import sqlite3
import sys


def hold(place: str, lock: int) -> None:
    """Locks, says so, and holds on; `lock` is the advisory lock of a database's writers."""
    if place.startswith("postgres"):
        import psycopg

        with psycopg.connect(place, autocommit=True) as connection:
            connection.execute("SELECT pg_advisory_lock(%s)", [lock])
            _say_and_wait()
        return
    with contextlib.closing(sqlite3.connect(place, timeout=30, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        _say_and_wait()
        connection.execute("ROLLBACK")


def _say_and_wait() -> None:
    print("locked", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    hold(sys.argv[1], int(sys.argv[2]))
