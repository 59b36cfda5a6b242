"""Whether the channels would pass if we sent now: what a look at each of them is worth.

All of it is pure. The looking itself is `kentongan.probing`; what was seen lies in the ledger.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping

from kentongan import telling
from kentongan.clock import Milliseconds, to_milliseconds
from kentongan.quick_dataclass import dataclass
from kentongan.seam import Limits, Mode, Readiness

AT_MOST_HOURLY: Milliseconds = 3_600_000
"""How seldom the service asks a provider that charges for its answers."""

LOST: Milliseconds = 120_000
"""After so long a look that was begun and never ended is nobody's any more."""

_HOUR: Milliseconds = 3_600_000
_DAY: Milliseconds = 86_400_000


class Word(enum.StrEnum):
    """What would become of a message that was sent now; only PASSES counts as passing."""

    PASSES = "passes"
    SHORT = "falls short"
    FAILS = "would fail"
    UNKNOWN = "not asked yet"


@dataclass(frozen=True, slots=True)
class Probe:
    """One look at one instance, and what was seen; `took`: milliseconds until its answer."""

    instance: str
    at: Milliseconds
    seen: Readiness
    took: Milliseconds


@dataclass(frozen=True, slots=True)
class Standing:
    """The last look at an instance, and how it stood before: `failing` looks in a row failed, from `since` on."""

    last: Probe
    failing: int = 0
    since: Milliseconds | None = None


@dataclass(frozen=True, slots=True)
class Instance:
    """What is known of a configured instance without asking anybody.

    `people`: how many it would write to; None where it publishes to everybody. `held`: the reason of a hold.
    """

    name: str
    kind: str
    mode: Mode
    sandbox: bool
    limits: Limits
    batch: int = 1
    people: int | None = None
    held: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a look is worth. `why`: one sentence. `remarks`: what does not stop it, and is to be mended.

    `lasts`: seconds until the last of its people is written to, at the rate that the instance allows.
    """

    instance: Instance
    word: Word
    why: str
    remarks: tuple[str, ...] = ()
    lasts: float | None = None
    probe: Probe | None = None


def judge(instance: Instance, probe: Probe | None, *, now: Milliseconds, warn_before: Milliseconds) -> Verdict:
    """Says whether a message on `instance` would pass, by the last look at it.

    `warn_before`: how long before a credential ends that is told.
    """
    remarks = [f"it is held ({instance.held}); once it passes it goes on by itself"] if instance.held else []
    lasts = _lasts(instance)
    if probe is None:
        return Verdict(instance, Word.UNKNOWN, "Nobody has asked its provider yet.", tuple(remarks), lasts)
    seen, word, why = probe.seen, Word.PASSES, probe.seen.detail
    if not seen.ready:
        word = Word.FAILS
    ends = to_milliseconds(seen.expires_at) if seen.expires_at is not None else None
    if ends is not None and ends <= now:
        word, why = Word.FAILS, f"Its credential ended on {telling.recorded(ends)}; put a new one there."
    elif ends is not None and ends - now <= warn_before:
        remarks.append(f"its credential ends in {_span(ends - now)} ({telling.recorded(ends)}); renew it before")
    if instance.people is not None and instance.people == 0:
        remarks.append("its audience is empty; import people")
    if word is Word.PASSES and seen.quota_left is not None and (instance.people or 0) > seen.quota_left:
        word = Word.SHORT
        why = f"Its provider takes {seen.quota_left:,} in 24 hours; {instance.people:,} people are to be written to."
    if instance.people is not None and lasts is not None and lasts > instance.limits.deliver_within:
        remarks.append(
            f"{instance.people:,} people take {_span(round(lasts * 1000))} at its rate, longer than the"
            f" {_span(round(instance.limits.deliver_within * 1000))} in which a message is of use"
        )
    return Verdict(instance, word, why, tuple(remarks), lasts, probe)


def _lasts(instance: Instance) -> float | None:
    if instance.people is None:
        return None
    return -(-instance.people // instance.batch) / instance.limits.rate


def _span(lasting: Milliseconds) -> str:
    """A length of time in the unit that fits it."""
    for unit, name in ((_DAY, "days"), (_HOUR, "hours"), (60_000, "minutes")):
        if lasting >= 2 * unit:
            return f"{lasting // unit} {name}"
    return f"{max(0, lasting) // 1000} seconds"


@dataclass(frozen=True, slots=True)
class Tally:
    """How many instances would pass, of how many."""

    passing: int
    of: int


def tally(verdicts: Iterable[Verdict]) -> Mapping[Mode, Tally]:
    """Counts by mode, for an alert goes to the instances of one mode alone; a mode without instances is left out."""
    counted: dict[Mode, Tally] = {}
    for verdict in verdicts:
        mode = verdict.instance.mode
        before = counted.get(mode, Tally(0, 0))
        counted[mode] = Tally(before.passing + (verdict.word is Word.PASSES), before.of + 1)
    return {mode: counted[mode] for mode in Mode if mode in counted}


def sentence(counted: Mapping[Mode, Tally]) -> str:
    """The count in one line."""
    if not counted:
        return "There is no channel to send on."
    passing, of = sum(each.passing for each in counted.values()), sum(each.of for each in counted.values())
    parts = ", ".join(f"{mode}: {each.passing} of {each.of}" for mode, each in counted.items())
    return f"If we sent now, {passing} of {of} would pass ({parts})."


def interval(every: Milliseconds, limits: Limits) -> Milliseconds:
    """How often an instance is asked where its config says `every`: a provider that charges is asked hourly at most."""
    return max(every, AT_MOST_HOURLY) if limits.cost is not None else every


def is_due(last: Milliseconds | None, *, now: Milliseconds, every: Milliseconds) -> bool:
    """Whether to look again, `last` being when the last look began. One that lies ahead: the clock was set back."""
    return last is None or last > now or now - last >= every
