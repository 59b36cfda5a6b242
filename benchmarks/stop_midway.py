"""Stops a broadcast to 20,000 people in the middle; then withdraws it, and compares whom the correction reached.

Prints how many intents of the old epoch were written after the stop was committed (must be 0), how many messages left
after it, and whether the correction's deliveries are exactly those that were accepted, delivered, read or in doubt.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kentongan.clock import to_datetime
from kentongan.delivery import REACHED
from kentongan.desk import releases, withdrawing
from kentongan.ledger import Read, alerts, views
from sandbox.server import Sandbox
from tests.chaos.installation import Installation, Recipients


async def measure(count: int, stop_after: int, rate: float, fault: float) -> int:
    """Runs one broadcast; returns how many of the three claims failed."""
    from sandbox.faults import Rule

    with tempfile.TemporaryDirectory(prefix="kentongan-stop-") as folder:
        root = Path(folder)
        (root / "secret").write_text("sandbox-kannel-password")
        async with Sandbox() as sandbox:
            people = Recipients.make("kannel", count)
            installation = Installation.make(
                root,
                kind="kannel",
                channel={
                    "base_url": sandbox.base_url("kannel"),
                    "username": "sandbox",
                    "password": {"file": str(root / "secret")},
                    "sender": "TEST",
                    "rate": rate,
                    "concurrency": 16,
                },
                policy={"repeat_after": 1},
                people=people,
            )
            code = installation.approved(severity="Severe")
            stand_in = sandbox.stand_in("kannel")
            if fault:
                rule = {"fault": "accept-then-reset", "probability": fault, "times": None, "seed": 1}
                stand_in.faults.add([Rule.read(rule)])
            with installation.open(role="send") as house:
                desk = house.desk()
                login = installation.login("ani").read(now=desk.now)
                dispatcher = house.dispatcher(house.open_channels())
                await dispatcher.start()
                released = await asyncio.to_thread(releases.dispatch, desk, code, login)
                await dispatcher.nudge(released.alert.id)
                while len(stand_in.messages) < stop_after:  # noqa: ASYNC110  # the stand-in tells nobody when it counts
                    await asyncio.sleep(0.01)
                began = time.perf_counter()
                await asyncio.to_thread(releases.stop, desk, code, by="ani", signed=True)
                took = time.perf_counter() - began
                stopped_at = house.ledger.read(lambda read: _stop(read, released.alert.id))
                await dispatcher.finished(released.alert.id)
                late = house.ledger.read(lambda read: _intents_after_stop(read, released.alert.id))
                left = sum(message.taken_at * 1000 > stopped_at for message in stand_in.messages)
                reached = house.ledger.read(lambda read: _reached(read, released.alert.id))
                words = {
                    s.instance: dict(s.words)
                    for s in house.ledger.read(lambda r: views.summaries(r, released.alert.id))
                }
                print(f"stop committed in {took * 1000:.0f} ms at {to_datetime(stopped_at):%H:%M:%S.%f}, {words}")
                print(f"intents of the old epoch after the commit: {late}; messages that left after it: {left}")
                stand_in.faults.clear()
                correction = await asyncio.to_thread(
                    withdrawing.release_correction, desk, code, login, reason=next(iter(desk.library.reasons))
                )
                await dispatcher.nudge(correction.alert.id)
                await dispatcher.finished(correction.alert.id)
                followed = house.ledger.read(lambda read: _followed(read, correction.alert.id))
                print(f"reached or in doubt: {len(reached):,}; correction followed: {len(followed):,}")
                await dispatcher.close()
    return (late != 0) + (reached != followed)


def _stop(read: Read, alert_id: str) -> int:
    return next(e.at for e in views.events(read, alert_id=alert_id, types=["alert.stopped"]))


def _intents_after_stop(read: Read, alert_id: str) -> int:
    """Events are appended in the order of commits, so their row ids tell what came after the stop."""
    return int(
        read.sql(
            "SELECT count(*) FROM event i WHERE i.alert_id = :id AND i.type = 'delivery.intended' AND i.rowid >"
            " (SELECT s.rowid FROM event s WHERE s.alert_id = :id AND s.type = 'alert.stopped')",
            {"id": alert_id},
        ).scalar_one()
    )


def _reached(read: Read, alert_id: str) -> set[int]:
    return {d.id for d in views.deliveries(read, alert_id, words=[result.value for result in REACHED])}


def _followed(read: Read, alert_id: str) -> set[int]:
    assert alerts.get(read, alert_id).predecessor is not None
    return set(read.sql("SELECT follows FROM delivery WHERE alert_id = :id", {"id": alert_id}).scalars())


def main() -> int:
    """Reads the command line; exit 1 where a claim failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipients", type=int, default=20_000)
    parser.add_argument("--stop-after", type=int, default=3_000)
    parser.add_argument("--rate", type=float, default=600)
    parser.add_argument("--fault", type=float, default=0.01, help="share of requests accepted and then reset")
    arguments = parser.parse_args()
    return asyncio.run(measure(arguments.recipients, arguments.stop_after, arguments.rate, arguments.fault))


if __name__ == "__main__":
    sys.exit(main())
