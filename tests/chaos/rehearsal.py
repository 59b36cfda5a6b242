"""One scenario's installation, its alerts and processes, what was killed in it, and what came of it."""

from __future__ import annotations

import contextlib
import os
import random
import shlex
import signal
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kentongan.ledger import alerts
from tests.chaos import logs, watch
from tests.chaos.checks import Broken, Finding, check, rows_of
from tests.chaos.counter import Counter as StandIn
from tests.chaos.counter import credentials
from tests.chaos.installation import Installation, Recipients
from tests.chaos.options import Options

if TYPE_CHECKING:
    from tests.chaos.postgres import Mortal
    from tests.chaos.report import Played

PATIENCE = 180.0
"""Seconds that finishing one alert may take before it counts as hung."""


@dataclass(slots=True)
class Alert:
    """One approved alert; `before`: what the counter had taken when it was approved."""

    code: str
    id: str
    before: Mapping[tuple[str, str], int]


@dataclass(slots=True)
class Rehearsal:
    """A scenario at work. `database`: the address of the Postgres database that holds its ledger, None for a file.

    `server`: who serves that database.
    """

    root: Path
    options: Options
    chance: random.Random
    stand_in: StandIn
    database: str | None = None
    server: Mortal | None = None
    kills: int = 0
    deliveries: int = 0
    alerts: int = 0
    marked: int = 0
    counted_twice: int = 0
    words: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    killed: dict[str, dict[str, list[int]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    _installation: Installation | None = None
    _people: Recipients | None = None
    _numbers: dict[str, str] = field(default_factory=dict)
    _running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def told_to(self, played: Played) -> None:
        """Writes down what came of it so far."""
        played.alerts, played.deliveries, played.kills = self.alerts, self.deliveries, self.kills
        played.marked, played.counted_twice, played.words = self.marked, self.counted_twice, dict(self.words)
        played.killed = {kind: dict(states) for kind, states in self.killed.items()}
        played.findings.extend(self.findings)
        played.notes.extend(self.notes)

    # --- The installation and its alerts ---

    @property
    def installation(self) -> Installation:
        """Made at first use, for as many people as the options say, with the public channels that drop repeats."""
        if self._installation is None:
            options = self.options
            self._people = Recipients.make(options.channel, options.recipients)
            self._installation = Installation.make(
                self.root,
                kind=options.channel,
                channel={
                    "base_url": self.stand_in.base,
                    "rate": options.rate,
                    "deadline": 1.0,
                    **credentials(options.channel, self.root),
                    **options.settings,
                },
                policy={"repeat_after": 1, "backoff_first": 0.2, "backoff_most": 2},
                people=self._people,
                others={name: {"deadline": 1.0, **each} for name, each in self.stand_in.others(self.root).items()},
            )
            family = "phone" if options.channel == "kannel" else "telegram"
            with self._installation.open() as house:
                self._numbers = {house.keys.address_hash(family, n): n.lstrip("+") for n in self._people.numbers}
        return self._installation

    @property
    def place(self) -> Path | str:
        """Where the ledger is."""
        return self.database or self.installation.root / "state" / "ledger.db"

    def approve(self) -> Alert:
        """Drafts an alert and has it approved by two officers."""
        code = self.installation.approved(severity=self.options.severity)
        with self.installation.open() as house:
            id = house.ledger.read(lambda read: alerts.by_handle(read, code)).id
        return Alert(code, id, self.stand_in.taken())

    def is_dispatched(self, alert: Alert) -> bool:
        """Whether the ledger has taken it."""
        with watch.looking(self.place) as rows:
            return bool(rows("SELECT 1 FROM dispatch WHERE alert_id = ?", alert.id))

    def is_open(self, alert: Alert) -> bool:
        """Whether anything of it is still to be done."""
        with self.looking() as rows:
            return not rows(watch.AIMS["done"], alert.id)

    def finish(self, alert: Alert) -> None:
        """Has an alert sent to its end, whatever happened before, and checks every delivery of it."""
        command = "resume" if self.is_dispatched(alert) else "send"
        process = self.start(command, alert.code)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.hung(f"`{command}`, within {PATIENCE:.0f} s")
            self.end(process)
        self.compare(alert)

    def compare(self, alert: Alert) -> None:
        """Checks every delivery of an alert that has come to its end."""
        now = self.stand_in.taken()
        taken = {place: count - alert.before.get(place, 0) for place, count in now.items()}
        rows = rows_of(self.installation, alert.code, taken)
        assert self._people is not None
        everybody = [(self.installation.instance, number) for number in self._people.numbers]
        public = [(name, "public") for name in self.stand_in.others(self.root)]
        self.findings.extend(check(rows, [*everybody, *public]))
        self.alerts += 1
        self.deliveries += len(rows)
        self.words.update(row.word for row in rows)
        self.marked += sum(row.marked for row in rows)
        self.counted_twice += sum(row.taken > 1 for row in rows)

    def prompt(self, alert: Alert, most: float) -> None:
        """Checks that the first intent came within `most` seconds of the dispatch."""
        with watch.looking(self.place) as rows:
            statement = (
                "SELECT (SELECT min(first_intent_at) FROM delivery v WHERE v.alert_id = d.alert_id) - d.at"
                " FROM dispatch d WHERE d.alert_id = ?"
            )
            waited = rows(statement, alert.id)[0][0]
        if waited is None or waited > most * 1000:
            told = "never came" if waited is None else f"came after {waited / 1000:.1f} s"
            self.findings.append(Finding(Broken.LATE, f"the first request of {alert.code} {told}"))

    def hung(self, what: str) -> None:
        """Notes that something of ours did not end, or begin, in time."""
        self.findings.append(Finding(Broken.COMMAND, f"not in time: {what}"))

    def verify(self) -> None:
        """Has the record read again from its first event."""
        process = subprocess.run(
            self.installation.command("log", "verify"),
            env=self.installation.environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        if process.returncode:
            said = f"{process.stdout}{process.stderr}".strip().splitlines()
            self.findings.extend(Finding(Broken.RECORD, line) for line in said[:5] or ["it ended without a word"])

    # --- Processes ---

    def start(
        self, *arguments: str, environment: Mapping[str, str] | None = None, state: Path | None = None
    ) -> subprocess.Popen[bytes]:
        """Starts a command; what it says goes to `commands.log` in the scenario's folder. `state`: of another host."""
        with (self.root / "commands.log").open("ab") as log:
            process = subprocess.Popen(
                self.installation.command(*arguments, state=state),
                env={**self.installation.environment(), **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._running.append(process)
        return process

    def sender(self, alert: Alert) -> subprocess.Popen[bytes]:
        """Starts the command that sends an alert, or goes on with it."""
        return self.start("resume" if self.is_dispatched(alert) else "send", alert.code)

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """Kills a process that was started here, and waits for it."""
        if process.poll() is None:
            process.kill()
        process.wait(60)

    def stop(self, process: subprocess.Popen[bytes], name: str) -> None:
        """Ends a process in order, as its supervisor would."""
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            self.hung(f"{name}, after SIGTERM")
            self.end(process)

    def end_all(self) -> None:
        """Ends whatever of this still runs."""
        for process in self._running:
            with contextlib.suppress(ProcessLookupError):
                if process.poll() is None:
                    process.send_signal(signal.SIGCONT)
            self.end(process)

    def kill(self, process: subprocess.Popen[bytes], kind: str, alert: Alert, *, note: bool = True) -> None:
        """Kills a sender with SIGKILL, or by the killer of the options, and notes in which state everything was."""
        if self.options.killer:
            subprocess.run([*shlex.split(self.options.killer), str(process.pid)], check=True, timeout=60)
        else:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        process.wait(60)
        self.kills += 1
        if note:
            self.note(kind, alert, pid=process.pid)

    def note(self, kind: str, alert: Alert, *, pid: int | None = None) -> None:
        """Notes in which state every delivery is now; of what is claimed or sent by others than `pid`, nothing."""
        with watch.looking(self.place) as rows:
            counted = watch.states(
                rows,
                alert.id,
                sender=watch.sender_of(rows, pid) if pid is not None else None,
                everybody=pid is None,
                moments=self.stand_in.moments,
                numbers=self._numbers,
            )
        for state, count in counted.items():
            self.killed[kind][state].append(count)

    # --- Waiting ---

    def until(self, condition: Callable[[], bool], *, patience: float = 30.0) -> bool:
        """Whether a condition came to hold in time."""
        end = time.monotonic() + patience
        while not (held := condition()) and time.monotonic() < end:
            time.sleep(0.01)
        return held

    def pause(self, most: float) -> None:
        """Waits for a while by chance: for some messages more, as often as not, or for up to `most` seconds."""
        seconds, more = self.chance.uniform(0.0, most), self.chance.randint(1, 60)
        if self.chance.random() < 0.5:
            time.sleep(seconds)
        else:
            self.until(self.sent_since(more), patience=2 * most)

    def sent_since(self, count: int = 1) -> Callable[[], bool]:
        """A condition: so many more messages were taken than now."""
        wanted = self.stand_in.total() + count
        return lambda: self.stand_in.total() >= wanted

    def looking(self) -> contextlib.AbstractContextManager[watch.Rows]:
        """A look into the ledger."""
        return watch.looking(self.place)


@contextlib.contextmanager
def at_work(played: Rehearsal) -> Iterator[Rehearsal]:
    """A rehearsal whose processes are ended with it, and whose record is verified unless it was given up."""
    try:
        yield played
        played.end_all()
        played.stand_in.heal()
        played.verify()
        played.findings.extend(Finding(Broken.COMMAND, fault) for fault in logs.faults(played.root))
    finally:
        played.end_all()


def is_there(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False
