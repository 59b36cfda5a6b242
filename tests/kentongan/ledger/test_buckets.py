"""A bucket in the ledger is what its rules say, for every process, until the machine starts anew."""

from __future__ import annotations

from pathlib import Path

from kentongan.bucket import SLICE, Bucket
from kentongan.ledger import buckets
from kentongan.ledger.buckets import Here
from tests.kentongan.ledger.scenes import StandingClock, open_at


def test_processes_lease_of_one_bucket_and_of_no_other(tmp_path: Path) -> None:
    clock = StandingClock()
    here, now = Here(clock, "b1"), clock.boot() / 1000
    with open_at(tmp_path / "ledger.db", clock=clock) as one, open_at(tmp_path / "ledger.db", clock=clock) as two:
        seen = []
        for ledger in (one, two, one):
            _, leave = ledger.write(lambda write: buckets.lease(write, "a", here, length=SLICE, rank=1))
            seen.append((round(leave.start - now, 6), round(leave.end - now, 6)))
        # The third would begin too far ahead.
        assert seen[:2] == [(-0.1, 0.4), (0.4, 0.9)]
        assert seen[2][0] == seen[2][1]
        two.write(lambda write: buckets.pause(write, "a", here, seconds=60.0))
        clock.pass_by(10_000)
        assert one.read(lambda read: buckets.paused(read, here)) == {"a": 50.0}
        _, leave = one.write(lambda write: buckets.lease(write, "a", here, length=SLICE, rank=9))
        assert (leave.start == leave.end, leave.again) == (True, now + 60.0)
        _, leave = one.write(lambda write: buckets.lease(write, "other", here, length=SLICE, rank=1))
        assert leave.end > leave.start
        # What another start of the machine has left stops nobody, and an officer ends a pause at once.
        assert one.read(lambda read: buckets.get(read, "a", Here(clock, "b2"))) == Bucket()
        one.write(lambda write: buckets.resume(write, ["a", "unheard of"]))
        assert two.read(lambda read: buckets.paused(read, here)) == {}
