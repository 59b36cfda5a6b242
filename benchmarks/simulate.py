"""What a national alert needs, on paper: a second-by-second simulation of planning, sending and recording one alert.

What a recipient costs comes from a run of the benchmark (`--results FILE.json`) or from arguments; the providers' rates
are those that docs/scale.md names. Each second, as many are sent as the scarcest thing allows: people planned so far,
processors, requests in flight, commits, the database's processors, the provider's rate. What it was is counted.

    python benchmarks/simulate.py
    python benchmarks/simulate.py --results benchmarks/results/TIME.json --recipients 10000000 --hosts 4
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

_PLANNING = 0.9
"""The share of its time for which a writer that plans does nothing else: chunks are longer than what goes between."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What was measured, in microseconds of processor time a recipient.

    `sender_us` is all of the sending process, `ledger_us` the part of it in which the ledger is written, which one
    process does for one transaction at a time; `plan_us` is what planning costs the same writer.
    """

    sender_us: float = 670.0
    ledger_us: float = 126.0
    plan_us: float = 90.0


@dataclass(frozen=True, slots=True)
class Site:
    """What the agency has: hosts with `cores` that send, each with `in_flight` requests open at once, and a database.

    `writers`: transactions that run side by side, one for a file; `planners`: those that plan, today one for an alert.
    `commit_ms`: what a transaction takes, with `gathered` recipients in it. `database_us`: processor time of the
    database's own a recipient, of `database_cores`; a file has none.
    """

    hosts: int = 1
    cores: int = 2
    in_flight: int = 16
    writers: int = 1
    planners: int = 1
    commit_ms: float = 1.5
    gathered: int = 16
    database_us: float = 0.0
    database_cores: int = 1


@dataclass(frozen=True, slots=True)
class Provider:
    """Who takes the messages: `rate` a second for each of `credentials`; `a_day` is the most people each may write to.

    `round_trip_ms` is the median of an answer; single seconds are slower or faster, by `spread` of its logarithm.
    """

    name: str
    rate: float
    credentials: int = 1
    round_trip_ms: float = 100.0
    spread: float = 0.3
    a_day: int | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """How it went. `reached` in time, of `recipients`; `seconds` until the last, None where that was not in time.

    `half`: seconds until half of them had it. `breaks_first`: what was scarcest for the longest time; `scarce` for how
    many seconds each was.
    """

    recipients: int
    reached: int
    seconds: int | None
    half: int | None
    scarce: Mapping[str, int]

    @property
    def breaks_first(self) -> str:
        """What was scarcest for the longest time."""
        return max(self.scarce, key=lambda name: self.scarce[name], default="nothing")


def simulate(
    recipients: int, costs: Costs, site: Site, provider: Provider, *, within: int, chance: random.Random
) -> Sent:
    """Sends to so many people, of whom nobody is written to after `within` seconds."""
    most = recipients if provider.a_day is None else min(recipients, provider.a_day * provider.credentials)
    planned = sent = 0.0
    half: int | None = None
    scarce: Counter[str] = Counter()
    for second in range(1, within + 1):
        # Whoever plans does so at the cost of what it could record meanwhile.
        planning = _PLANNING * min(site.planners, site.writers) if planned < recipients else 0.0
        planned = min(recipients, planned + planning * 1e6 / costs.plan_us)
        writers = site.writers - planning
        round_trip = provider.round_trip_ms * chance.lognormvariate(0.0, provider.spread) / 1000
        offered = {
            "the provider's rate": provider.rate * provider.credentials,
            "requests in flight": site.hosts * site.in_flight / round_trip,
            "the hosts' processors": site.hosts * site.cores * 1e6 / costs.sender_us,
            "the ledger's writers": writers * 1e6 / costs.ledger_us,
            # The intent and the outcome of each are in a commit of their own.
            "commits": writers * 1000 / site.commit_ms / 2 * site.gathered,
            "planning": planned - sent,
        }
        if site.database_us:
            offered["the database's processors"] = site.database_cores * 1e6 / site.database_us
        name = min(offered, key=lambda each: offered[each])
        sent = min(sent + max(0.0, offered[name]), float(most))
        scarce[name] += 1
        if half is None and sent >= recipients / 2:
            half = second
        if sent >= most:
            whole = most == recipients
            if not whole:
                scarce["the provider's limit a day"] += within - second + 1
            return Sent(recipients, most, second if whole else None, half, dict(scarce))
    return Sent(recipients, int(sent), None, half, dict(scarce))


def costs_from(document: Mapping[str, Any], costs: Costs) -> Costs:
    """The costs as a run of the benchmark found them, for what it took; raises ValueError for no such document."""
    rows = document.get("rows")
    if not isinstance(rows, list):
        raise ValueError("that is no result of `make bench`: it has no rows")
    found: dict[str, float] = {}
    for figure, field in (
        ("with_record_cpu_us", "sender_us"),
        ("many_cpu_us", "sender_us"),
        ("ledger_cpu_us", "ledger_us"),
    ):
        taken = sorted(
            each[figure]
            for row in rows
            for each in row.get("rounds", ())
            if isinstance(each.get(figure), (int, float)) and each[figure] > 0
        )
        if taken:
            found[field] = float(taken[len(taken) // 2])
    return replace(costs, **found)


PROVIDERS: Sequence[Provider] = (
    Provider("SMS, one aggregator account", rate=30, round_trip_ms=150),
    Provider("SMS, 5 binds to operators", rate=500, credentials=5, round_trip_ms=60),
    Provider("Telegram, one bot", rate=30, round_trip_ms=80),
    Provider("Telegram, one bot, paid", rate=1_000, round_trip_ms=80),
    Provider("WhatsApp, one number", rate=80, round_trip_ms=150, a_day=100_000),
    Provider("WhatsApp, 20 numbers, unlimited", rate=1_000, credentials=20, round_trip_ms=150),
    Provider("a provider without limits", rate=1e9, round_trip_ms=50),
)
"""Rates as docs/scale.md gives them, with their sources."""


def _postgres(hosts: int, planners: int = 1) -> Site:
    """Hosts with eight processors and senders each, and a database of 32, reached over a network."""
    return Site(
        hosts=hosts,
        cores=8,
        in_flight=256,
        writers=32,
        planners=planners,
        commit_ms=6.0,
        gathered=128,
        database_us=150.0,
        database_cores=32,
    )


SITES: Sequence[tuple[str, Site]] = (
    ("1 host, a file", Site(cores=1, in_flight=64)),
    ("10 hosts, Postgres", _postgres(hosts=10)),
    ("50 hosts, Postgres", _postgres(hosts=50)),
    ("the same, 16 plan", _postgres(hosts=50, planners=16)),
)


def main() -> int:
    """Prints a line for each site, provider and number of people."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipients", type=int, nargs="+", default=[1_000_000, 10_000_000, 100_000_000])
    parser.add_argument("--within", type=float, default=30, help="minutes after which nobody is written to any more")
    parser.add_argument("--results", type=Path, help="a result of `make bench`, for what a recipient costs")
    for name, what in (
        ("sender-us", "CPU microseconds a recipient in the sender"),
        ("ledger-us", "of these, in the ledger's writer"),
        ("plan-us", "to plan one delivery"),
        ("commit-ms", "milliseconds of one commit"),
        ("database-us", "of the database's own processors"),
    ):
        parser.add_argument(f"--{name}", type=float, help=what)
    for name, what in (
        ("hosts", "hosts that send; with it, that site alone"),
        ("cores", "processors of each"),
        ("in-flight", "requests each keeps open"),
        ("writers", "transactions side by side: 1 for a file"),
        ("planners", "of these, how many plan: today one for an alert"),
        ("gathered", "recipients in one commit"),
        ("database-cores", "processors of the database"),
    ):
        parser.add_argument(f"--{name}", type=int, help=what)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    costs = Costs()
    if wanted.results is not None:
        try:
            costs = costs_from(json.loads(wanted.results.read_text("utf-8")), costs)
        except (OSError, ValueError) as error:
            parser.error(str(error))
    costs = replace(costs, **_given(wanted, "sender_us", "ledger_us", "plan_us"))
    own = _given(wanted, *Site.__dataclass_fields__)
    sites = SITES if not own else [("this site", replace(Site(), **own))]
    told = [
        (name, people, provider.name, _one(people, costs, site, provider, wanted))
        for name, site in sites
        for people in wanted.recipients
        for provider in PROVIDERS
    ]
    if wanted.json:
        print(json.dumps([{"site": site, "provider": whose, **_document(sent)} for site, _, whose, sent in told]))
        return 0
    print(f"{costs}\n")
    print(f"{'site':20} {'people':>12} {'over':34} {'in time':>8} {'half':>7} {'all':>7}  breaks first")
    for site, people, whose, sent in told:
        share = f"{sent.reached / sent.recipients:.1%}"
        print(
            f"{site:20} {people:12,} {whose:34} {share:>8} {_time(sent.half):>7} {_time(sent.seconds):>7}"
            f"  {sent.breaks_first}"
        )
    return 0


def _given(wanted: argparse.Namespace, *names: str) -> dict[str, Any]:
    return {name: getattr(wanted, name) for name in names if getattr(wanted, name) is not None}


def _one(people: int, costs: Costs, site: Site, provider: Provider, wanted: argparse.Namespace) -> Sent:
    # The same seconds are slow for every site, so that sites can be compared.
    chance = random.Random(wanted.seed)
    return simulate(people, costs, site, provider, within=round(wanted.within * 60), chance=chance)


def _document(sent: Sent) -> dict[str, Any]:
    return {
        "recipients": sent.recipients,
        "reached": sent.reached,
        "seconds": sent.seconds,
        "half": sent.half,
        "breaks_first": sent.breaks_first,
        "scarce": dict(sent.scarce),
    }


def _time(seconds: int | None) -> str:
    return "-" if seconds is None else f"{seconds // 60}:{seconds % 60:02}"


if __name__ == "__main__":
    sys.exit(main())
