"""Which of the machines that send does what only one of them need do."""

from __future__ import annotations

from pathlib import Path

import pytest

from kentongan.clock import Process
from kentongan.ledger import Ledger, hosts, senders
from tests.kentongan.ledger.scenes import open_at


def put(ledger: Ledger, sender: str, role: str) -> None:
    process, clock = Process.current(), ledger.clock
    ledger.write(lambda write: senders.register(write, sender=sender, role=role, process=process, clock=clock))


def who_signs(ledger: Ledger, *workers: str) -> list[str]:
    process = Process.current()
    return [
        each
        for each in workers
        if ledger.read(lambda read: hosts.signs(read, each, clock=ledger.clock, process=process))  # noqa: B023
    ]


@pytest.mark.parametrize("goes", ["ended", "silent"])
def test_one_worker_signs_where_no_service_is_there_and_another_once_it_has_gone(tmp_path: Path, goes: str) -> None:
    with open_at(tmp_path / "ledger.db") as ledger:
        for name, role in (("a", "send"), ("c", "worker"), ("b", "worker"), ("s", "service")):
            put(ledger, name, role)
        assert who_signs(ledger, "b", "c") == []
        change = "ended = 1" if goes == "ended" else f"beat = beat - {senders.LEASE + 1}"
        ledger.write(lambda write: write.sql(f"UPDATE sender SET {change} WHERE id = 's'"))
        assert who_signs(ledger, "a", "b", "c") == ["b"]
        ledger.write(lambda write: write.sql(f"UPDATE sender SET {change} WHERE id = 'b'"))
        assert who_signs(ledger, "b", "c") == ["c"]
