"""What one channel that hangs costs the others: when their last message is accepted, with and without it.

Alerts go out one after the other over an SMS gateway and four public channels, through the dispatcher, as soon as all
but the one that hangs are done with the last. Nothing ends what hangs before its deadline of ten seconds, so that the
requests of several alerts hang at once. It is a public channel in one half of the rounds, the gateway in the other.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measures import Line, Measured, Round, at_most, print_alone, tell
from flows.house import House
from kentongan.desk import releases
from kentongan.ledger import dispatches, views
from tests.chaos.counter import PARTNERS, Counter, counter, credentials
from tests.chaos.installation import Installation, Recipients

_HANG = [{"fault": "hang", "times": None}]
_PUBLIC, _DIRECT = f"webhook/{PARTNERS[0]}", "kannel"
_NAMES = {_PUBLIC: PARTNERS[0], _DIRECT: "kannel-drill"}


async def _send(house: House, installation: Installation, codes: Sequence[str], but: str) -> list[float]:
    """Sends alerts one after the other; seconds from each dispatch to the last acceptance on all channels `but` one."""
    opened = house.open_channels()
    dispatcher = house.dispatcher(opened)
    await dispatcher.start()
    login = installation.login("ani").read(now=house.desk().now)
    taken = []
    for code in codes:
        released = await asyncio.to_thread(releases.dispatch, house.desk(), code, login)
        alert_id = released.alert.id
        await dispatcher.nudge(alert_id)
        others = [name for name in opened if name != but]
        await asyncio.gather(*(dispatcher.channel(alert_id, name, "benchmark") for name in others))
        summaries = house.ledger.read(lambda read, id=alert_id: views.summaries(read, id))  # type: ignore[misc]
        dispatch = house.ledger.read(lambda read, id=alert_id: dispatches.get(read, id))  # type: ignore[misc]
        assert dispatch is not None
        ended = {each.instance: each for each in summaries if each.instance != but}
        if any(each.words.get("accepted", 0) != each.total for each in ended.values()) or len(ended) < len(others):
            raise SystemExit(f"the other channels did not take all of {code}; nothing is measured by that")
        taken.append((max(each.last_accepted or 0 for each in ended.values()) - dispatch.at) / 1000)
    await dispatcher.close()
    for channel in opened.values():
        await channel.close()
    return taken


def _round(root: Path, there: Counter, hanging: str, *, alerts: int, people: int) -> tuple[list[float], list[float]]:
    """The same alerts with nothing wrong, then with `hanging` hung, each from an installation of its own."""
    found = []
    for name, faults in (("well", ()), ("hung", _HANG)):
        there.heal()
        folder = root / name
        folder.mkdir(parents=True)
        installation = Installation.make(
            folder,
            kind="kannel",
            channel={"base_url": there.base, "rate": 100_000, "concurrency": 16, **credentials("kannel", folder)},
            policy={},
            people=Recipients.make("kannel", people),
            others=there.others(folder),
        )
        codes = [installation.approved(severity="Severe") for _ in range(alerts)]
        if faults:
            there.fault(faults, hanging)
        with installation.open("send") as house:
            found.append(asyncio.run(_send(house, installation, codes, _NAMES[hanging])))
    there.heal()
    well, hung = found
    return well, hung


def measure(*, rounds: int, folder: Path, alerts: int = 20, people: int = 100) -> Measured:
    """Sends `alerts` to `people` on the gateway and to the public channels, in each round with and without the hang."""
    taken: list[Round] = []
    with counter("kannel") as there:
        for number in range(rounds):
            each: dict[str, float] = {}
            for short, hanging in (("public", _PUBLIC), ("direct", _DIRECT)):
                well, hung = _round(folder / f"{number}-{short}", there, hanging, alerts=alerts, people=people)
                each |= {
                    f"{short}_well_s": statistics.mean(well),
                    f"{short}_hung_s": statistics.mean(hung),
                    f"{short}_well_longest_s": max(well),
                    f"{short}_hung_longest_s": max(hung),
                }
            tell(f"round {number + 1}: {', '.join(f'{name} {value:.3f}' for name, value in each.items())}")
            taken.append(each)
    lines = tuple(
        Line(
            title=f"last acceptance of all others, {what} hanging, {alerts} alerts",
            ours=f"{short}_hung_s",
            unit="s",
            against=f"{short}_well_s",
            against_title="nothing hanging",
            goal=at_most(1.1),
        )
        for short, what in (("public", "a public channel"), ("direct", "the SMS gateway"))
    )
    facts = {"alerts": alerts, "people": people, "public_channels": 4, "load": os.getloadavg()[0]}
    return Measured(name="hanging", rounds=taken, lines=lines, facts=facts)


def main() -> int:
    """Prints each round and both lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--alerts", type=int, default=20)
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--folder", type=Path, help="where the ledgers are made; the disk is part of what is measured")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kentongan-hanging-", dir=wanted.folder) as name:
        measured = measure(rounds=wanted.rounds, folder=Path(name), alerts=wanted.alerts, people=wanted.people)
    print_alone(measured, as_json=wanted.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
