"""A bucket in the ledger is what its rules say, for every process, until the machine starts anew."""

from __future__ import annotations

from pathlib import Path

from kentongan.bucket import SLICE, Bucket
from kentongan.ledger import buckets
from tests.kentongan.ledger.scenes import open_at


def test_processes_lease_of_one_bucket_and_of_no_other(tmp_path: Path) -> None:
    with open_at(tmp_path / "ledger.db") as one, open_at(tmp_path / "ledger.db") as two:
        seen = []
        for ledger in (one, two, one):
            _, leave = ledger.write(
                lambda write: buckets.lease(write, "a", boot_id="b1", now=100.0, length=SLICE, rank=1)
            )
            seen.append((leave.start, leave.end))
        # The third would begin too far ahead.
        assert [(round(start, 6), round(end, 6)) for start, end in seen[:2]] == [(99.9, 100.4), (100.4, 100.9)]
        assert seen[2][0] == seen[2][1]
        two.write(lambda write: buckets.pause(write, "a", boot_id="b1", now=100.0, seconds=60.0))
        assert one.read(lambda read: buckets.paused(read, boot_id="b1", now=110.0)) == {"a": 50.0}
        _, leave = one.write(lambda write: buckets.lease(write, "a", boot_id="b1", now=110.0, length=SLICE, rank=9))
        assert (leave.start == leave.end, leave.again) == (True, 160.0)
        _, leave = one.write(lambda write: buckets.lease(write, "other", boot_id="b1", now=110.0, length=SLICE, rank=1))
        assert leave.end > leave.start
        # What another start of the machine has left stops nobody, and an officer ends a pause at once.
        assert one.read(lambda read: buckets.get(read, "a", boot_id="b2")) == Bucket()
        one.write(lambda write: buckets.resume(write, ["a", "unheard of"]))
        assert two.read(lambda read: buckets.paused(read, boot_id="b1", now=110.0)) == {}
