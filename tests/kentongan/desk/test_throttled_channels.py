"""What officers read of a provider that lets an alert wait too long, and their word that ends it."""

from __future__ import annotations

from pathlib import Path

from kentongan.bucket import name_of
from kentongan.clock import Process
from kentongan.desk import releases, settling
from kentongan.forecast import throttled as told
from kentongan.ledger import buckets, throttled
from kentongan.ledger.buckets import Here
from kentongan.overview import overview
from tests.kentongan.desk.scenes import login, scene

HOUR = 3_600_000


def test_it_stands_in_the_overview_until_an_officer_ends_it(tmp_path: Path) -> None:
    with scene(tmp_path) as desk:
        stored = desk.approved()
        sent = releases.dispatch(desk.desk, stored.id, login("siti"))
        here, now = Here(desk.clock, Process.current().boot_id), desk.clock.wall()
        limits = desk.desk.kinds.limits(desk.desk.settings.channels["sms-drill"])
        name = name_of("sms-drill", limits)
        assert name.startswith("kannel:")
        assert name != name_of("bot-drill", desk.desk.kinds.limits(desk.desk.settings.channels["bot-drill"]))
        desk.ledger.write(lambda write: buckets.pause(write, name, here, seconds=7200.0))
        desk.ledger.write(
            lambda write: throttled.record(
                write,
                stored.id,
                "sms-drill",
                until=now + 2 * HOUR,
                deliver_by=now + HOUR // 2,
                waiting=3_000,
                also={"bot-drill": 900, "mail": 0},
            )
        )
        (found,) = desk.ledger.read(lambda read: overview(read, sent.alert.id)).throttled
        assert told(found) == (
            "its provider asks us to wait 2 hours, and the alert is of use there for 30 minutes;"
            " of the 3,000 who wait for it 900 also have bot-drill"
        )
        assert settling.retry(desk.desk, stored.code, channel="sms-drill", by="budi")[0] == []
        assert desk.ledger.read(lambda read: overview(read, sent.alert.id)).throttled == ()
        assert desk.ledger.read(lambda read: buckets.paused(read, here)) == {}
