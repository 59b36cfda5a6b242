"""How long it takes to restore, to resolve in bulk, and to merge what was sent from the spare, by the delivery.

Run it on the disk that the ledger will lie on, for 100,000 people: `python benchmarks/trouble.py --people 100000
--folder /var/lib/kentongan`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kentongan.delivery import Evidence, Phase
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger, claims, dispatches, merging, outcomes, restored
from kentongan.ledger.outcomes import Settled
from kentongan.plan import Plan
from kentongan.policy import Decision, Reason
from kentongan.seam import Mode
from tests.kentongan.ledger.scenes import (
    StandingClock,
    direct,
    expand_all,
    later,
    open_at,
    put_alert,
    put_people,
    register_sender,
)

_BATCH = 500


def main() -> None:
    """Measures once and prints the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=20_000, help="deliveries of the alert (default 20,000)")
    parser.add_argument("--folder", type=Path, help="where to measure; a temporary folder there is removed again")
    arguments = parser.parse_args()
    figures: dict[str, object] = {"people": arguments.people, "load": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        root, clock = Path(folder), StandingClock()
        keys = StateKeys.open(root / "keys")
        with open_at(root / "main.db", clock=clock) as ledger:
            ledger.write(lambda write: put_people(write, keys, arguments.people))
            ledger.write(lambda write: put_alert(write, instances=["sms"]))
        (root / "spool").mkdir()
        shutil.copy(root / "main.db", root / "spool" / "ledger.db")
        with open_at(root / "main.db", clock=clock) as ledger, open_at(root / "spool/ledger.db", clock=clock) as spool:
            _send(spool)
            with _measured(figures, "merge", arguments.people):
                merging.merge(ledger, spool, name="one", alert_id="alert1")
        with open_at(root / "open.db", clock=clock) as ledger:
            ledger.write(lambda write: put_people(write, keys, arguments.people))
            ledger.write(lambda write: put_alert(write, instances=["sms"]))
            _dispatch(ledger)
            taken = clock.wall()
            clock.pass_by(1000)
            with _measured(figures, "restore", arguments.people):
                restored.take_over(ledger, taken_at=taken, by="siti")
            with _measured(figures, "resolve", arguments.people):
                _resolve(ledger)
    print(json.dumps(figures, indent=1))


@contextmanager
def _measured(figures: dict[str, object], name: str, count: int) -> Iterator[None]:
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    seconds, busy = time.perf_counter() - wall, time.process_time() - cpu
    figures[name] = {
        "seconds": round(seconds, 2),
        "a_second": round(count / seconds),
        "cpu_us_each": round(busy / count * 1e6, 1),
    }


def _dispatch(ledger: Ledger) -> None:
    plan = Plan(mode=Mode.DRILL, life_at_stake=True, instances=(direct("sms", later()),), values={})
    ledger.write(lambda write: dispatches.begin(write, "alert1", plan=plan, by="siti", allowed=("approved",), proof={}))
    expand_all(ledger, "alert1")


def _send(ledger: Ledger) -> None:
    _dispatch(ledger)
    sender = register_sender(ledger, "s1")
    while claimed := ledger.write(
        lambda write: claims.claim(write, sender=sender, alert_id="alert1", instance="sms", most=_BATCH)
    ):
        ids = [each.id for each in claimed]
        intents = ledger.write(
            lambda write, ids=ids: claims.intend(write, sender=sender, deliveries=ids, phase=Phase.IRREVERSIBLE)  # type: ignore[misc]
        )
        done = Decision(Evidence.ACCEPTED, Reason.ACCEPTED)
        settled = [Settled(each.delivery, each.attempt, done, provider_id=f"m{each.delivery}") for each in intents]
        ledger.write(lambda write, s=settled: outcomes.settle(write, sender=sender, outcomes=s))  # type: ignore[misc]


def _resolve(ledger: Ledger) -> None:
    after = 0
    while ids := ledger.read(
        lambda read, after=after: restored.in_doubt(  # type: ignore[misc]
            read, "alert1", instances=["sms"], restored=True, after=after, most=_BATCH
        )
    ):
        ledger.write(lambda w, ids=ids: outcomes.resolve(w, deliveries=ids, sent=False, again=True, by="siti"))  # type: ignore[misc]
        after = ids[-1]


if __name__ == "__main__":
    main()
