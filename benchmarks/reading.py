"""How long officers wait for what a very large alert left on record: `status`, `log` and `report` as they type them.

The ledger is made by the functions that planning and sending use, in commits as large as those of a sender, but without
a provider: most deliveries accepted at once, a few after a retry, a few refused and a few in doubt. Each command is a
process of its own, timed from its start to its end, its output read through a pipe.

    python benchmarks/reading.py --folder /var/lib/kentongan
    python benchmarks/reading.py --made FOLDER    what `million.py --keep` or `--keep` here left behind
"""

from __future__ import annotations

import argparse
import functools
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measures import Compare, Line, Measured, Round, at_most, print_alone, tell
from kentongan.delivery import Evidence, Phase
from kentongan.desk import releases
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger, Read, Write, alerts, claims, dispatches, outcomes, planning, views
from kentongan.ledger.outcomes import Settled
from kentongan.policy import Decision, Reason
from kentongan.seam import Address
from tests.chaos.counter import credentials
from tests.chaos.installation import Installation, Recipients
from tests.kentongan.ledger.scenes import register_sender

_ROOT = Path(__file__).resolve().parents[1]
_MANY = 1_000_000
_CHUNK = 10_000

_ACCEPTED = Decision(Evidence.ACCEPTED, Reason.ACCEPTED)
_REFUSED = Decision(Evidence.REJECTED, Reason.REFUSED, "the provider knows no such number")
_DOUBTED = Decision(Evidence.IN_DOUBT, Reason.OFFICER, "read timeout")


def make(root: Path, recipients: int, *, batch: int) -> Installation:
    """An installation below the new folder `root` whose one alert was sent to so many people."""
    root.mkdir(mode=0o700, parents=True)
    settings = {"base_url": "http://127.0.0.1:9", **credentials("kannel", root)}
    nobody = Recipients.make("kannel", 0)
    installation = Installation.make(root, kind="kannel", channel=settings, policy={}, people=nobody)
    code = installation.approved(severity="Severe")
    with installation.open() as house:
        for first in range(0, recipients, _CHUNK):
            rows = _people(house.keys, range(first, min(first + _CHUNK, recipients)))
            house.ledger.write(functools.partial(_put, rows=rows))
        released = releases.dispatch(house.desk(), code, installation.login("ani").read(now=house.desk().now))
    with Ledger.open(root / "state" / "ledger.db", chain="bench") as ledger:
        sender = register_sender(ledger, "bench")
        found = ledger.read(lambda read: dispatches.get(read, released.alert.id))
        assert found is not None
        expand = functools.partial(planning.expand, alert_id=released.alert.id, plan=found.plan, size=1_000)
        while ledger.write(expand):
            pass
        _send(ledger, released.alert.id, installation.instance, sender, batch)
    return installation


def _people(keys: StateKeys, numbers: range) -> list[dict[str, Any]]:
    """Rows of people who exist nowhere, with addresses that can be read."""
    rows = []
    for n in numbers:
        value = f"+62812{n:07d}"
        key, (ciphertext,) = keys.encrypt_for_new([Address("phone", value)], None, aad=f"p{n:07}".encode())
        hashed = keys.address_hash("phone", value)
        rows.append({"id": f"p{n:07}", "key": key, "hash": hashed, "ciphertext": ciphertext})
    return rows


def _put(write: Write, rows: list[dict[str, Any]]) -> None:
    write.sql("INSERT INTO person (id, reference, language, key) VALUES (:id, :id, 'id', :key)", rows)
    write.sql("INSERT INTO person_group (person_id, name) VALUES (:id, 'all')", rows)
    write.sql(
        "INSERT INTO address (person_id, family, hash, ciphertext) VALUES (:id, 'phone', :hash, :ciphertext)", rows
    )


def _send(ledger: Ledger, alert_id: str, instance: str, sender: str, batch: int) -> None:
    claim = functools.partial(claims.claim, sender=sender, alert_id=alert_id, instance=instance, most=50 * batch)
    while claimed := ledger.write(claim):
        for start in range(0, len(claimed), batch):
            ids = [each.id for each in claimed[start : start + batch]]
            intend = functools.partial(claims.intend, sender=sender, deliveries=ids, phase=Phase.IRREVERSIBLE)
            intents = ledger.write(intend)
            shown = [
                Settled(each.delivery, each.attempt, _answer(each.delivery, each.attempt, each.at), f"m{each.delivery}")
                for each in intents
            ]
            ledger.write(functools.partial(outcomes.settle, sender=sender, outcomes=shown))


def _answer(delivery: int, attempt: int, now: int) -> Decision:
    of_hundred = delivery % 100
    if of_hundred < 2:
        return _REFUSED
    if of_hundred < 3:
        return _DOUBTED
    if of_hundred < 6 and attempt == 1:
        return Decision(Evidence.ABSENT, Reason.NEVER_LEFT, "connection refused", due_at=now)
    return _ACCEPTED


def _run(installation: Installation, arguments: Sequence[str]) -> tuple[float, float, int]:
    """Seconds and CPU seconds of a command's process, and how many lines it wrote."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    done = subprocess.run(
        installation.command(*arguments),
        env=installation.environment(),
        cwd=_ROOT,
        capture_output=True,
        check=False,
    )
    seconds = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"`kentongan {' '.join(arguments)}` failed: {done.stderr.decode()}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    return seconds, cpu, done.stdout.count(b"\n")


def measure(
    *, rounds: int, folder: Path, recipients: int = _MANY, batch: int = 16, made: Path | None = None
) -> Measured:
    """Reads the ledger of an installation that was `made` before, else of a new one below `folder`."""
    if made is not None:
        (config,) = (made / "config").glob("channels.yaml")
        installation = Installation(made, _instance(config))
    else:
        tell(f"making a ledger of {recipients:,} deliveries")
        installation = make(folder / "reading", recipients, batch=batch)
    with installation.open() as house:
        largest = house.ledger.read(_largest)
        code = house.ledger.read(lambda read: alerts.get(read, largest)).code
        counted = sum(each.total for each in house.ledger.read(lambda read: views.summaries(read, largest)))
        one = house.ledger.read(
            lambda read: read.sql("SELECT max(id) FROM delivery WHERE alert_id = :id", {"id": largest}).scalar_one()
        )
    commands = {
        "status": ["status"],
        "status_one": ["status", code],
        "log": ["log", code],
        "log_recipient": ["log", code, "--delivery", str(one)],
        "report": ["report", code, "-o", str(folder / "report.html")],
        "start": ["status", "--help"],
    }
    taken: list[Round] = []
    for _ in range(rounds):
        each: dict[str, float] = {}
        for name, arguments in commands.items():
            each[f"{name}_s"], each[f"{name}_cpu_s"], each[f"{name}_lines"] = _run(installation, arguments)
        taken.append(each)
    lines = [
        Line(f"`{shown}`, {counted:,} deliveries", f"{name}_s", "s", goal=at_most(goal), compare=Compare.ITSELF)
        for name, shown, goal in (
            ("status", "status", 1.0),
            ("status_one", "status CODE", 1.0),
            ("log", "log CODE", 1.0),
            ("log_recipient", "log CODE --delivery N", 1.0),
            ("report", "report CODE -o FILE.html", 10.0),
        )
    ]
    return Measured(
        name="reading",
        rounds=taken,
        lines=tuple(lines),
        facts={"deliveries": counted, "load": os.getloadavg()[0]},
    )


def _instance(channels: Path) -> str:
    import yaml

    (name,) = yaml.safe_load(channels.read_text("utf-8"))["channels"]
    return str(name)


def _largest(read: Read) -> str:
    """The alert that went to the most people."""
    found = read.sql("SELECT alert_id FROM delivery GROUP BY alert_id ORDER BY count(*) DESC LIMIT 1").scalar_one()
    return str(found)


def main() -> int:
    """Prints each round and the lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipients", type=int, default=_MANY)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=16, help="deliveries in one commit, as a sender gathers them")
    parser.add_argument("--folder", type=Path, help="where the ledger is made; the disk is part of what is measured")
    parser.add_argument("--made", type=Path, help="an installation that another run left")
    parser.add_argument("--keep", type=Path, help="an empty folder to leave the installation in, as `reading`")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kentongan-reading-", dir=wanted.folder) as name:
        measured = measure(
            rounds=wanted.rounds,
            folder=wanted.keep or Path(name),
            recipients=wanted.recipients,
            batch=wanted.batch,
            made=wanted.made,
        )
    print_alone(measured, as_json=wanted.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
