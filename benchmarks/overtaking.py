"""A campaign to 200,000 that is being sent, and an Extreme alert on the same credential that overtakes it.

Both go to people by one channel of one installation: the campaign to everybody, the alert to the people of one regency
of them. From the press it is counted until the provider's first and last acceptance stands in the ledger, with and
without the campaign; with a rate that nobody reaches and with one that the provider sets; with one sender for both and
with one for each, in processes of their own on one ledger. The press is a command's: it commits the dispatch and
nudges the sender.

    python benchmarks/overtaking.py --recipients 200000 --near 2000 --rounds 5
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path

from pydantic import JsonValue

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measures import Compare, Line, Measured, Round, print_alone, tell
from benchmarks.stand_in import stand_in
from flows.house import House
from kentongan.area.rows import RegionRow
from kentongan.cap.model import Status
from kentongan.desk import approvals, drafts, releases, submitting
from kentongan.ledger import dispatches, regions
from tests.chaos.counter import credentials
from tests.chaos.installation import Installation, Recipients

_ROOT = Path(__file__).resolve().parents[1]
_UNREACHED = 100_000.0
"""A rate that no sender comes to."""

_UNDER_WAY = 2.0
"""Seconds for which the campaign is being sent before the alert: its people are still being looked up."""

_PATIENCE = 900.0
_LETTERS = str.maketrans("0123456789", "abcdefghij")


@dataclass(frozen=True)
class _Stage:
    """Where a campaign meets an alert: the rate of their credential, and how many senders there are."""

    name: str
    rate: float
    senders: int


def prepare(root: Path, *, recipients: int, near: int, base_url: str, rate: float) -> Installation:
    """An installation whose `recipients` live in two regencies, `near` of them in the second."""
    root.mkdir(mode=0o700)
    channel = {"base_url": base_url, "rate": rate, "concurrency": 16, **credentials("kannel", root)}
    nobody = Recipients.make("kannel", 0)
    installation = Installation.make(root, kind="kannel", channel=channel, policy={}, people=nobody)
    people = root / "people.csv"
    with people.open("w") as file:
        file.write("reference,phone,language,groups,regions\n")
        # The near ones stand all over the list, as people do.
        every = max(1, recipients // near)
        for n in range(recipients):
            region = "33.05" if n % every == 0 and n // every < near else "33.01"
            file.write(f"{str(n).translate(_LETTERS)},+62812{n:07d},id,all,{region}\n")
    with (root / "import.log").open("w") as log:
        subprocess.run(
            installation.command("people", "import", str(people), "--json"),
            env=installation.environment(),
            cwd=_ROOT,
            stdout=log,
            check=True,
        )
    people.unlink()
    named = [RegionRow(1, "33", "Jawa Tengah"), RegionRow(2, "33.01", "Cilacap"), RegionRow(3, "33.05", "Kebumen")]
    with installation.open() as house:
        rows = regions.prepared(named)
        house.ledger.write(lambda write: regions.import_regions(write, rows, source="made up", replace=False))
    return installation


def approved(installation: Installation, *, area: str, severity: str, urgency: str) -> str:
    """A drill, drafted, submitted by one officer and approved by the other; its code."""
    with installation.open() as house:
        desk = house.desk()
        fields: dict[str, JsonValue] = {
            "headline": "Luapan sungai mendekati permukiman",
            "description": "Air sungai naik sejak sore dan terus naik.",
            "instruction": "Pindahlah ke tempat tinggi sekarang.",
            "area": [area],
            "severity": severity,
            "urgency": urgency,
            "certainty": "Observed",
            "expires": (datetime.now(UTC) + timedelta(hours=6)).isoformat(),
        }
        drafted = drafts.from_fields(desk, "general", fields, status=Status.EXERCISE, by="ani")
        now = desk.now
        submitting.submit(desk, drafted.alert.code, installation.login("ani").read(now=now))
        approvals.approve(desk, drafted.alert.code, installation.login("budi").read(now=now))
        return drafted.alert.code


# --- Senders, each in a process of its own ----------------------------------------------------------------


def _send(pipe: Connection, installation: Installation, name: str, only: str | None) -> None:
    """Sends what the pipe names until it says nothing more; `only` keeps it from taking another's alert over."""

    async def run(house: House) -> None:
        opened = house.open_channels()
        dispatcher = house.dispatcher(opened, only=frozenset({only}) if only is not None else None)
        await dispatcher.start()
        pipe.send("ready")
        while (alert_id := await asyncio.to_thread(pipe.recv)) is not None:
            await dispatcher.nudge(alert_id)
        await dispatcher.close()
        for channel in opened.values():
            await channel.close()

    with installation.open(name) as house:
        asyncio.run(run(house))


@contextlib.contextmanager
def _sender(installation: Installation, name: str, only: str | None = None) -> Iterator[Connection]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_send, args=(theirs, installation, name, only))
    process.start()
    theirs.close()
    try:
        ours.recv()
        yield ours
        ours.send(None)
    except EOFError:
        raise SystemExit("a sender ended before its time; its error stands above") from None
    finally:
        ours.close()
        process.join(60)
        if process.is_alive():
            process.kill()
            process.join()


# --- One round --------------------------------------------------------------------------------------------


def _id(house: House, code: str) -> str:
    return str(
        house.ledger.read(lambda read: read.sql("SELECT id FROM alert WHERE code = :c", {"c": code}).scalar_one())
    )


def _accepted(house: House, alert_id: str) -> int:
    found = "SELECT count(accepted_at) FROM delivery WHERE alert_id = :id AND accepted_at IS NOT NULL"
    return int(house.ledger.read(lambda read: read.sql(found, {"id": alert_id}).scalar_one()))


def _wait(what: str, done: object) -> None:
    assert callable(done)
    until = time.monotonic() + _PATIENCE
    while not done():
        if time.monotonic() > until:
            raise SystemExit(f"{what} did not end within {_PATIENCE:.0f} s")
        time.sleep(0.05)


def _over(house: House, alert_id: str) -> bool:
    left = (
        "SELECT 1 FROM dispatch s JOIN alert a ON a.id = s.alert_id WHERE s.alert_id = :id AND"
        " ((a.state = 'dispatched' AND s.expanded = 0)"
        " OR EXISTS (SELECT 1 FROM delivery d WHERE d.alert_id = s.alert_id AND d.stage <> 'done'))"
    )
    return house.ledger.read(lambda read: read.sql(left, {"id": alert_id}).first()) is None


def _alert(house: House, installation: Installation, code: str, pipe: Connection, name: str) -> dict[str, float]:
    """Presses an alert; seconds until its dispatch and first intent are on disk, and its first and last acceptance."""
    login = installation.login("ani").read(now=house.desk().now)
    pressed = house.clock.wall()
    released = releases.dispatch(house.desk(), code, login)
    dispatched = (house.clock.wall() - pressed) / 1000
    pipe.send(released.alert.id)
    _wait("the alert", lambda: _over(house, released.alert.id))
    found = (
        "SELECT min(accepted_at), max(accepted_at), count(*), count(accepted_at), min(first_intent_at) FROM delivery"
        " WHERE alert_id = :id"
    )
    row = tuple(house.ledger.read(lambda read: read.sql(found, {"id": released.alert.id}).one()))
    if not row[2] or row[2] != row[3]:
        raise SystemExit(f"of {row[2]} messages of the alert {row[3]} were accepted; nothing is measured by that")
    return {
        f"{name}_dispatched": dispatched,
        f"{name}_begun": (row[4] - pressed) / 1000,
        f"{name}_first": (row[0] - pressed) / 1000,
        f"{name}_last": (row[1] - pressed) / 1000,
    }


def overtake(installation: Installation, *, senders: int) -> Round:
    """The alert by itself, then another like it while the campaign is being sent."""
    extreme = {"area": "Kebumen", "severity": "Extreme", "urgency": "Immediate"}
    alone, over = (approved(installation, **extreme) for _ in range(2))
    campaign = approved(installation, area="Jawa Tengah", severity="Minor", urgency="Future")
    with installation.open() as house, contextlib.ExitStack() as stack:
        campaigning = _id(house, campaign)
        first = stack.enter_context(_sender(installation, "serve", campaigning if senders > 1 else None))
        second = first
        if senders > 1:
            second = stack.enter_context(_sender(installation, "send", _id(house, over)))
            by_itself = stack.enter_context(_sender(installation, "alone", _id(house, alone)))
        else:
            by_itself = first
        quiet = _alert(house, installation, alone, by_itself, "alone")
        login = installation.login("ani").read(now=house.desk().now)
        releases.dispatch(house.desk(), campaign, login)
        first.send(campaigning)
        _wait("the campaign's first message", lambda: _accepted(house, campaigning) > 0)
        time.sleep(_UNDER_WAY)
        before, began = _accepted(house, campaigning), time.monotonic()
        busy = _alert(house, installation, over, second, "over")
        beside = _accepted(house, campaigning) - before
        tell(f"{before:,} of the campaign had gone, {beside:,} went meanwhile, in {time.monotonic() - began:.1f} s")
        _wait("the campaign's return", lambda: _accepted(house, campaigning) > before + beside)
        house.ledger.write(lambda write: dispatches.stop(write, campaigning, by="ani", signed=False))
        _wait("the campaign's stop", lambda: _over(house, campaigning))
    return {
        **quiet,
        **busy,
        "campaign_before": before,
        "campaign_meanwhile": beside,
    }


def measure(
    *, rounds: int, folder: Path, recipients: int = 200_000, near: int = 2_000, limited: float = 200.0
) -> Measured:
    """Lets an alert overtake a campaign, in every round with each rate and number of senders."""
    stages = [
        _Stage(f"{name}_{senders}", rate, senders)
        for name, rate in (("free", _UNREACHED), ("limited", limited))
        for senders in (1, 2)
    ]
    taken: list[Round] = []
    with stand_in() as there:
        places = {
            rate: prepare(folder / f"at-{rate:.0f}", recipients=recipients, near=near, base_url=there.base, rate=rate)
            for rate in (_UNREACHED, limited)
        }
        for number in range(rounds):
            one: dict[str, float] = {}
            for stage in stages:
                tell(f"overtaking: round {number + 1} of {rounds}, {stage.name}, load {os.getloadavg()[0]:.1f}")
                found = overtake(places[stage.rate], senders=stage.senders)
                one |= {f"{stage.name}_{name}": value for name, value in found.items()}
            taken.append(one)
    return Measured(
        name="overtaking",
        rounds=taken,
        lines=tuple(
            Line(
                title=f"Extreme alert over a campaign, {which} acceptance, {_told(stage, limited)}",
                ours=f"{stage.name}_over_{which}",
                unit="s",
                against=f"{stage.name}_alone_{which}",
                against_title="without the campaign",
                compare=Compare.DIFFERENCE,
            )
            for stage in stages
            for which in ("first", "last")
        ),
        facts={"campaign": recipients, "alert": near, "limited_rate": limited, "load": os.getloadavg()[0]},
    )


def _told(stage: _Stage, limited: float) -> str:
    rate = f"{limited:g}/s" if stage.rate == limited else "no limit"
    return f"{rate}, {'one sender' if stage.senders == 1 else 'a sender each'}"


def main() -> int:
    """Prints each round and the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipients", type=int, default=200_000, help="of the campaign")
    parser.add_argument("--near", type=int, default=2_000, help="of them, whom the alert is for")
    parser.add_argument("--limited", type=float, default=200.0, help="requests a second that the provider takes")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where the ledgers are made; the disk is part of what is measured")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kentongan-overtaking-", dir=wanted.folder) as name:
        measured = measure(
            rounds=wanted.rounds,
            folder=Path(name),
            recipients=wanted.recipients,
            near=wanted.near,
            limited=wanted.limited,
        )
    print_alone(measured, as_json=wanted.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
