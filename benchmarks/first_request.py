"""How long an officer waits for the first request: `kentongan send` without a service and with one, against Apprise.

From the start of the process to the first byte at the stand-in, which each command meets anew. Apprise's command sends
one notification to one `json://` address; `kentongan send` an approved drill to a few people, with its record. With the
resident service the request comes from there, through Prefect; the same from press on, which leaves out what the
command takes to start, stands beside it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import apprise_environments
from benchmarks.apprise_environments import Apprise
from benchmarks.measures import Line, Measured, Round, at_most, print_alone, tell
from benchmarks.press import service, ways
from benchmarks.stand_in import StandIn, stand_in
from kentongan.ledger import alerts
from tests.chaos.counter import credentials
from tests.chaos.installation import Installation, Recipients

_PRESSED = Path(__file__).with_name("pressed.py")
_SPACING = 1.0


@dataclass(frozen=True)
class _Setting:
    installation: Installation
    there: StandIn

    @classmethod
    def make(cls, root: Path, there: StandIn, people: int) -> _Setting:
        root.mkdir(mode=0o700)
        channel = {"base_url": there.base, "rate": 1_000, **credentials("kannel", root)}
        recipients = Recipients.make("kannel", people)
        return cls(Installation.make(root, kind="kannel", channel=channel, policy={}, people=recipients), there)

    def waited(self, command: Sequence[str]) -> float:
        """Seconds from the start of a process to its first request; it must end well."""
        self.there.forget()
        began = time.monotonic()
        environment = self.installation.environment()
        # What is installed is compiled; a checkout is too, once its first command may keep what it compiled.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        first = self.there.seen().first
        if done.returncode or not first:
            raise SystemExit(f"{Path(command[0]).name} ended with {done.returncode} and no measure: {done.stderr}")
        return first - began

    def theirs(self, apprises: Sequence[Apprise]) -> Round:
        """One notification by each Apprise."""
        address = self.there.base.replace("http://", "json://")
        return {f"{each.name}_s": self.waited([each.command, "--body", "Siaga banjir.", address]) for each in apprises}

    def start(self) -> float:
        """One alert by the command as it is installed, which is the environment's own."""
        command = self.installation.command("send", self.installation.approved(severity="Severe"))
        # The line without Python and its module, for the installed script names both.
        return self.waited([str(Path(sys.prefix) / "bin" / "kentongan"), *command[3:]])

    def press(self) -> tuple[float, float]:
        """One alert; seconds from press to the first request, and the share of channels that Prefect began."""
        code = self.installation.approved(severity="Severe")
        noted = self.installation.root / "pressed"
        began = time.monotonic()
        waited = self.waited([sys.executable, str(_PRESSED), str(noted), *self.installation.command("send", code)[3:]])
        pressed = float(noted.read_text("ascii"))
        with self.installation.open() as house:
            id = house.ledger.read(lambda read: alerts.by_handle(read, code)).id
            begun = house.ledger.read(lambda read: ways(read, id))
        # `waited` counts from a moment that lies microseconds after `began`.
        return began + waited - pressed, sum(way == "prefect" for way in begun) / len(begun)


def _apprises() -> list[Apprise]:
    return [apprise_environments.newest(), apprise_environments.locked()]


def _lines(title: str, ours: str, most: float, apprises: Sequence[Apprise]) -> list[Line]:
    """One line against each Apprise; the goal is the newest's."""
    return [
        Line(
            title=title,
            ours=ours,
            unit="s",
            against=f"{each.name}_s",
            against_title=f"Apprise's command {each.version}",
            goal=at_most(most) if each.name == "apprise_newest" else None,
        )
        for each in apprises
    ]


def measure_cold(*, rounds: int, folder: Path, people: int = 10, apprises: Sequence[Apprise] | None = None) -> Measured:
    """Sends with no service running; every round takes turns with each Apprise."""
    found = _apprises() if apprises is None else apprises
    taken: list[Round] = []
    with stand_in() as there:
        setting = _Setting.make(folder / "cold", there, people)
        for number in range(rounds + 1):
            one = {"cold_s": setting.start(), **setting.theirs(found)}
            # The first round meets files that nobody has read since the machine started, and compiles what is new.
            if number:
                taken.append(one)
    tell(f"cold: {rounds} rounds")
    lines = _lines("cold send, no service: process start to first request", "cold_s", 2.0, found)
    return Measured("cold", taken, lines, {"people": people, **{each.name: each.version for each in found}})


def measure_resident(
    *, rounds: int, folder: Path, people: int = 10, apprises: Sequence[Apprise] | None = None
) -> Measured:
    """Sends with the resident service running; every round takes turns with each Apprise."""
    found = _apprises() if apprises is None else apprises
    taken: list[Round] = []
    with stand_in() as there:
        setting = _Setting.make(folder / "resident", there, people)
        with service(setting.installation):
            for number in range(rounds + 1):
                one = {"resident_s": setting.start(), **setting.theirs(found)}
                time.sleep(_SPACING)
                one["press_s"], one["begun_in_prefect"] = setting.press()
                time.sleep(_SPACING)
                if number:
                    taken.append(one)
    tell(f"resident: {rounds} rounds")
    lines = [
        *_lines("send to the resident service: process start to first request", "resident_s", 1.5, found),
        *_lines("the same: press to first request", "press_s", 0.35, found),
    ]
    return Measured("resident", taken, lines, {"people": people, **{each.name: each.version for each in found}})


def main() -> int:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=["cold", "resident"])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--people", type=int, default=10)
    parser.add_argument("--folder", type=Path, help="where the ledger is made; the disk is part of what is measured")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    measure = measure_cold if wanted.way == "cold" else measure_resident
    with tempfile.TemporaryDirectory(prefix="kentongan-first-request-", dir=wanted.folder) as folder:
        measured = measure(rounds=wanted.rounds, folder=Path(folder), people=wanted.people)
    print_alone(measured, as_json=wanted.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
