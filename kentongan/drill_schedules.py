"""Schedules of drills: when a run is due, late or lapsed, and by what right it goes without an officer. All pure.

Two officers sign the schedule together with the digest of what its scenario renders to; a run is good where this
installation's key witnesses that the alert was rendered from that scenario for that hour.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from kentongan.errors import BadInput
from kentongan.keys import canonical_json, verify_witness
from kentongan.officers import CLOCK_SKEW, Officer, Refusal, Signed, read_statement, statement, verify
from kentongan.quick_dataclass import dataclass

LASTS = timedelta(days=90)
"""How long two officers' word on a schedule is good."""

_LONGEST_LOOK = 366 * 8 + 2  # days: from one 29 February to the next over 2100
_MOST_MISSED = 50

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_PLAIN = re.compile(
    r"(?:(?P<daily>daily)|weekly-(?P<weekday>[a-z]+)|monthly-(?P<day>\d{1,2})(?:st|nd|rd|th)?)"
    r"\s+(?P<hour>\d{1,2})[:.](?P<minute>\d{2})"
)
_WANTED = 'write "daily 06:00", "weekly-monday 09:00", "monthly-26th 10:00" or the five fields of cron'


# --- When ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Recurrence:
    """Local times of day on certain days. `text` is as an officer wrote it, trimmed."""

    text: str
    minute: int
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool
    """Cron's rule: where both days of the month and weekdays are named, one of the two is enough."""

    def on(self, day: date) -> bool:
        """Whether there is a run on this day."""
        if day.month not in self.months:
            return False
        by_day, by_weekday = day.day in self.days, day.weekday() in self.weekdays
        return (by_day or by_weekday) if self.either else (by_day and by_weekday)

    def after(self, moment: datetime, zone: ZoneInfo) -> Iterator[datetime]:
        """The times after `moment` in UTC, in order; ends where none comes within eight years.

        An hour that clocks skip counts as the one after; one that they strike twice counts at the first stroke.
        """
        day = moment.astimezone(zone).date() - timedelta(days=1)
        for _ in range(_LONGEST_LOOK):
            if self.on(day):
                for hour in sorted(self.hours):
                    found = datetime.combine(day, time(hour, self.minute), zone).astimezone(UTC)
                    if found > moment:
                        yield found
            day += timedelta(days=1)


def read_recurrence(text: str) -> Recurrence:
    """Reads "daily 06:00", "weekly-monday 09:00", "monthly-26th 10:00", or the five fields of cron; raises BadInput."""
    text = " ".join(text.lower().split())
    match = _PLAIN.fullmatch(text)
    parts = _plain(match) if match is not None else text.split(" ")
    if parts is None or len(parts) != 5:
        raise BadInput(f"{text!r} is no schedule; {_WANTED}")
    try:
        minutes = _field(parts[0], 0, 59)
        hours = _field(parts[1], 0, 23)
        days = _field(parts[2], 1, 31)
        months = _field(parts[3], 1, 12)
        # Cron counts from Sunday and lets 7 be one too; Python counts from Monday.
        weekdays = frozenset((number - 1) % 7 for number in _field(parts[4], 0, 7))
    except ValueError:
        raise BadInput(f"{text!r} is no schedule; {_WANTED}") from None
    if len(minutes) != 1:
        raise BadInput(f"{text!r} runs more than once an hour; name one minute")
    recurrence = Recurrence(
        text=text,
        minute=min(minutes),
        hours=hours,
        days=days,
        months=months,
        weekdays=weekdays,
        either=not parts[2].startswith("*") and not parts[4].startswith("*"),
    )
    if next(recurrence.after(datetime(2026, 1, 1, tzinfo=UTC), ZoneInfo("UTC")), None) is None:
        raise BadInput(f"{text!r} never comes; name a day that a month has")
    return recurrence


def _plain(match: re.Match[str]) -> list[str] | None:
    at = [match["minute"], match["hour"]]
    if match["daily"]:
        return [*at, "*", "*", "*"]
    if match["day"]:
        return [*at, match["day"], "*", "*"]
    named = [n for n, name in enumerate(_DAYS, 1) if name == match["weekday"]]
    return [*at, "*", "*", str(named[0])] if named else None


def _field(text: str, least: int, most: int) -> frozenset[int]:
    """One field of cron: numbers, ranges and steps, parted by commas; raises ValueError."""
    found: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"(\*|\d{1,2}(?:-\d{1,2})?)(?:/(\d{1,2}))?", part, re.ASCII)
        if match is None:
            raise ValueError(part)
        span, step = match.group(1), int(match.group(2) or 1)
        first, last = (least, most) if span == "*" else (int(n) for n in (span.split("-") * 2)[:2])
        if "-" in span:
            first, last = (int(n) for n in span.split("-"))
        if not least <= first <= last <= most or step < 1:
            raise ValueError(part)
        found.update(range(first, last + 1, step))
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class Missed:
    """What has come of a schedule since it was last looked at: the run that is `due` now, and those too `late`."""

    due: datetime | None
    late: tuple[datetime, ...]


def come(recurrence: Recurrence, zone: ZoneInfo, *, since: datetime, now: datetime, late_after: float) -> Missed:
    """Which runs after `since` have come by `now`; only the newest can be due, and only within `late_after` seconds.

    Of many that were missed the newest are named.
    """
    found: list[datetime] = []
    for slot in recurrence.after(since, zone):
        if slot > now:
            break
        found = [*found, slot][-_MOST_MISSED:]
    if not found:
        return Missed(None, ())
    newest = found[-1]
    if now - newest > timedelta(seconds=late_after):
        return Missed(None, tuple(found))
    return Missed(newest, tuple(found[:-1]))


# --- By what right -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Schedule:
    """What two officers sign: the scenario, by name and by the `digest` of what it renders to, and when it runs.

    `zone` is the agency's when it was scheduled. `correct`: its correction is sent by the same right.
    """

    id: str
    scenario: str
    digest: str
    every: str
    zone: str
    correct: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """A schedule that holds, by the word of these officers, from `since` until `until`."""

    by: tuple[str, ...]
    since: datetime
    until: datetime


def schedule_statement(schedule: Schedule, now: datetime) -> bytes:
    """What an officer signs of a schedule."""
    return statement(
        "drill.schedule",
        {
            "schedule": schedule.id,
            "scenario": schedule.scenario,
            "digest": schedule.digest,
            "every": schedule.every,
            "zone": schedule.zone,
            "correct": schedule.correct,
        },
        now,
    )


def standing(
    schedule: Schedule, signed: Sequence[Signed], *, officers: Mapping[str, Officer], now: datetime
) -> Standing | Refusal:
    """Whether two officers' word on a schedule holds at `now`; it lapses 90 days after the older of the two."""
    again = f"schedule it again with `kentongan drill schedule {schedule.scenario}`"
    sound: dict[str, datetime] = {}
    lapsed = False
    for each in signed:
        said = read_statement(each.statement)
        if each.statement != schedule_statement(schedule, said.at) or not verify(each, officers, now):
            continue
        if said.at > now + CLOCK_SKEW:
            continue
        if now - said.at >= LASTS:
            lapsed = True
            continue
        sound[each.officer] = max(said.at, sound.get(each.officer, said.at))
    if len(sound) < 2:
        if lapsed:
            told = f"the schedule of drill {schedule.scenario} lapsed after {LASTS.days} days; {again}"
            return Refusal("schedule-lapsed", told)
        return Refusal(
            "schedule-approval",
            f"the schedule of drill {schedule.scenario} needs the word of two officers who count and has that of "
            f"{len(sound)}; another runs `kentongan drill approve {schedule.scenario}`",
        )
    newest = sorted(sound.items(), key=lambda item: item[1], reverse=True)[:2]
    times = [at for _, at in newest]
    return Standing(tuple(sorted(name for name, _ in newest)), max(times), min(times) + LASTS)


@dataclass(frozen=True, slots=True)
class ScheduledRun:
    """The right by which a scheduled run goes: its schedule with the officers' word, and what witnesses the alert.

    `slot` is the hour that the run is for; `ended`: the schedule was taken back before it. `head_key` is this
    installation's public key.
    """

    schedule: Schedule
    signed: tuple[Signed, ...]
    slot: datetime
    ended: bool
    witness: bytes = field(repr=False)
    head_key: bytes = field(repr=False)


def witnessed(run: Schedule, *, alert_id: str, digest: str, slot: datetime) -> bytes:
    """What this installation's key signs: that the alert of this `digest` is a run of that schedule, for that hour."""
    return canonical_json(
        ["kentongan scheduled drill 1", alert_id, digest, run.id, run.digest, slot.astimezone(UTC).isoformat()]
    )


def may_run(
    run: ScheduledRun, *, code: str, alert_id: str, digest: str, officers: Mapping[str, Officer], now: datetime
) -> Standing | Refusal:
    """Whether a scheduled run may leave at `now`; `digest` is that of its subject, computed anew."""
    if run.ended:
        return Refusal("schedule-ended", f"alert {code} is of a schedule that was taken back before; run it by hand")
    if not verify_witness(
        run.head_key, witnessed(run.schedule, alert_id=alert_id, digest=digest, slot=run.slot), run.witness
    ):
        told = f"alert {code} is not what its schedule rendered here; discard it, and tell the reviewer"
        return Refusal("schedule-witness", told)
    return standing(run.schedule, run.signed, officers=officers, now=now)
