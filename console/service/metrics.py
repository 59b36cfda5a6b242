"""The service in numbers, for Prometheus: what the record says, and what only this process knows.

No label names an alert, a person, an address or an officer. A channel's label is `channel`, not `instance`, which is
Prometheus' own name for whom it asks.
"""

from __future__ import annotations

import importlib.metadata
import itertools
import sys
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, exposition
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.process_collector import ProcessCollector

from kentongan.dispatcher import Pulse
from kentongan.figures import Figures
from kentongan.ledger import commit_times, tallies
from kentongan.ledger.commit_times import CommitTimes
from kentongan.ledger.opening import HEAD
from kentongan.ledger.tallies import NOTHING
from kentongan.quick_dataclass import dataclass

_CHANNEL = ["channel"]
_PYTHON = ".".join(map(str, sys.version_info[:3]))
_REQUESTS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass(frozen=True, slots=True)
class Moment:
    """What a scrape shows of this process: `prefect` is None without one, `figures` None where none were found yet."""

    now: int
    channels: Sequence[str]
    figures: Figures | None
    commits: CommitTimes
    waiting: int
    pulse: Pulse
    ready: bool
    prefect: bool | None


class _Times:
    """How long things of one kind took."""

    def __init__(self) -> None:
        self.counts = [0] * (len(_REQUESTS) + 1)
        self.seconds = 0.0


class Metrics:
    """What this process counts as it happens, in plain numbers, and the page that shows it with the rest.

    Counted in the event loop, right where messages are sent; the page may be made in another thread.
    """

    def __init__(self) -> None:
        self._process = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._process)
        self._answers: dict[tuple[str, str], int] = {}
        self._requests: dict[str, _Times] = {}
        self._receipts: dict[tuple[str, str], int] = {}
        self._refused: dict[str, int] = {}

    def answered(self, instance: str, word: str, count: int) -> None:
        """So many messages of an instance were answered alike."""
        self._answers[instance, word] = self._answers.get((instance, word), 0) + count

    def took(self, instance: str, seconds: float) -> None:
        """One request of an instance has ended."""
        times = self._requests.get(instance)
        if times is None:
            times = self._requests[instance] = _Times()
        times.counts[bisect_left(_REQUESTS, seconds)] += 1
        times.seconds += seconds

    def kept(self, instance: str, kind: str) -> None:
        """One receipt was kept."""
        self._receipts[instance, kind] = self._receipts.get((instance, kind), 0) + 1

    def refused(self, instance: str) -> None:
        """One call that was to bring receipts was refused."""
        self._refused[instance] = self._refused.get(instance, 0) + 1

    def counted(self) -> Iterator[Metric]:
        """What was counted so far, with what the system says of this process."""
        attempts = "Messages by what the provider answered to this process; in_doubt is also no answer in time."
        yield _counter("kentongan_attempts", attempts, [*_CHANNEL, "outcome"], self._answers.copy().items())
        requests = "Requests to providers, each of one message or a batch, until the answer was read."
        taken = HistogramMetricFamily("kentongan_request_seconds", requests, labels=_CHANNEL)
        for name, times in sorted(self._requests.copy().items()):
            taken.add_metric([name], _buckets(_REQUESTS, list(times.counts)), times.seconds)
        yield taken
        receipts = "Receipts that were kept, by what they say; one that comes twice counts twice."
        yield _counter("kentongan_receipts", receipts, [*_CHANNEL, "kind"], self._receipts.copy().items())
        refused = "Calls to the receipt endpoint that did not prove where they came from."
        by_channel = [((name,), count) for name, count in self._refused.copy().items()]
        yield _counter("kentongan_receipts_refused", refused, _CHANNEL, by_channel)
        yield from self._process.collect()

    def page(self, moment: Moment, accepted: str) -> tuple[bytes, str]:
        """The page and its type: OpenMetrics where `accepted`, the request's Accept, names it; else plain text."""
        registry = _Page(itertools.chain(_of_process(moment), _of_record(moment), self.counted()))
        if "application/openmetrics-text" in accepted:
            page: bytes = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]
            return page, openmetrics.CONTENT_TYPE_LATEST
        return exposition.generate_latest(registry), exposition.CONTENT_TYPE_PLAIN_0_0_4


class _Page(CollectorRegistry):
    """What is shown once."""

    def __init__(self, families: Iterable[Metric]) -> None:
        super().__init__(auto_describe=False)
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _counter(name: str, says: str, labels: Sequence[str], counts: Iterable[tuple[tuple[str, ...], int]]) -> Metric:
    family = CounterMetricFamily(name, says, labels=labels)
    for values, count in sorted(counts):
        family.add_metric(list(values), count)
    return family


def _of_process(moment: Moment) -> Iterator[Metric]:
    build = InfoMetricFamily("kentongan_build", "Which Kentongan this is, on which Python, with which schema.")
    build.add_metric([], {"version": importlib.metadata.version("kentongan"), "schema": HEAD, "python": _PYTHON})
    yield build
    ready = "1 where /readyz says so: alerts are taken and recorded."
    yield GaugeMetricFamily("kentongan_ready", ready, value=int(moment.ready))
    outdated = "1 where the ledger is of a version that this process does not know: it begins nothing more, and ends."
    yield GaugeMetricFamily("kentongan_ledger_of_other_version", outdated, value=int(bool(moment.pulse.outdated)))
    if moment.pulse.beat is not None:
        beat = "Seconds since this sender's last beat was on disk; after 10 another sender takes its work over."
        yield GaugeMetricFamily("kentongan_sender_beat_age_seconds", beat, value=max(0.0, moment.pulse.beat))
    if moment.pulse.sweep is not None:
        sweep = "Seconds since the sweep last went round."
        yield GaugeMetricFamily("kentongan_sweep_age_seconds", sweep, value=max(0.0, moment.pulse.sweep))
    if moment.prefect is not None:
        prefect = "1 where the Prefect server answers; alerts are sent without it too."
        yield GaugeMetricFamily("kentongan_prefect_up", prefect, value=int(moment.prefect))
    commits = HistogramMetricFamily("kentongan_ledger_commit_seconds", "Commits of this process, from begin to disk.")
    commits.add_metric([], _buckets(commit_times.BOUNDS, moment.commits.counts), moment.commits.seconds)
    yield commits
    failed = "Commits that the ledger did not take; what must be written is tried again."
    yield CounterMetricFamily("kentongan_ledger_commits_failed", failed, value=moment.commits.failed)
    waiting = "Pieces of work that wait for the ledger's writer."
    yield GaugeMetricFamily("kentongan_ledger_queue", waiting, value=moment.waiting)


def _of_record(moment: Moment) -> Iterator[Metric]:
    figures = moment.figures
    if figures is None:
        return
    names = sorted({*moment.channels, *figures.latencies})
    result = GaugeMetricFamily(
        "kentongan_deliveries",
        "Deliveries on record by what is known of them.",
        labels=[*_CHANNEL, "result"],
    )
    doubt = GaugeMetricFamily("kentongan_in_doubt", "Deliveries that wait for an officer's word.", labels=_CHANNEL)
    repeated = GaugeMetricFamily("kentongan_possible_duplicates", "Deliveries so marked.", labels=_CHANNEL)
    due = GaugeMetricFamily("kentongan_queue_due", "Messages that are due and not begun.", labels=_CHANNEL)
    age = GaugeMetricFamily(
        "kentongan_queue_oldest_due_age_seconds", "Since when the oldest of them is due; 0 for none.", labels=_CHANNEL
    )
    held = GaugeMetricFamily("kentongan_holds", "1 where a channel is held; * holds all.", labels=_CHANNEL)
    accepted = HistogramMetricFamily(
        "kentongan_delivery_acceptance_seconds", "From the dispatch to the provider's acceptance.", labels=_CHANNEL
    )
    for name in names:
        tally = figures.channels.get(name, NOTHING)
        for word, count in tally.words.items():
            result.add_metric([name, word], count)
        doubt.add_metric([name], tally.waiting)
        repeated.add_metric([name], tally.repeated)
        waiting = figures.due.get(name)
        due.add_metric([name], waiting.count if waiting is not None else 0)
        since = moment.now if waiting is None else waiting.since
        age.add_metric([name], max(0, moment.now - since) / 1000)
        grown = figures.latencies.get(name, NOTHING)
        accepted.add_metric([name], _buckets(tallies.LATENCIES, grown.latencies), grown.seconds)
    for name in sorted({"*", *names, *figures.held}):
        held.add_metric([name], int(name in figures.held))
    yield from (result, doubt, repeated, due, age, held, accepted)
    yield _counter("kentongan_pages", "Pages to officers.", ["cause", "outcome"], figures.pages.items())
    lost = "Dispatches that Prefect did not show to their end, since this service began; they were sent all the same."
    yield CounterMetricFamily("kentongan_orchestration_lost", lost, value=figures.orchestrations_lost)
    old = "Seconds since the record was last counted; while a million are sent it is counted less often."
    yield GaugeMetricFamily("kentongan_figures_age_seconds", old, value=max(0, moment.now - figures.at) / 1000)
    yield GaugeMetricFamily("kentongan_figures_took_seconds", "How long that counting took.", value=figures.took)


def _buckets(bounds: Sequence[float], counts: Sequence[int]) -> list[tuple[str, float]]:
    names = [*(str(bound) for bound in bounds), "+Inf"]
    return list(zip(names, map(float, itertools.accumulate(counts)), strict=True))
