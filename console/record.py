"""The record on the command line: what is wanted of it, and writing it out as it is read."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from console import output, words
from console.event_words import sentence, spoken_of
from kentongan import telling
from kentongan.clock import Milliseconds, to_datetime, to_milliseconds
from kentongan.delivery import Closed, Result, Stage
from kentongan.errors import BadInput
from kentongan.ledger import Read, alerts, hosts, log, officers, story, threads
from kentongan.ledger.log import Filter, Place
from kentongan.ledger.views import Event

if TYPE_CHECKING:
    from console.office import Office

_CHUNK = 1_000
_FEW = 2_000  # events on single deliveries that a story still has
_LOOK = 1.0

pause = time.sleep
"""How one who follows waits between two looks, in seconds; a test puts its own in this place."""

ALERT_STATES = (
    "draft",
    "submitted",
    "approved",
    "prepared",
    "dispatched",
    "stopped",
    "superseded",
    "withdrawn",
    "ended",
    "discarded",
)
STATES = tuple(dict.fromkeys((*(r for r in Result if r is not Result.NONE), *Closed, *Stage, *ALERT_STATES)))

COLUMNS = ("at", "alert", "type", "says", "delivery", "channel", "by", "chain", "sequence", "data")


def filter_of(
    office: Office,
    *,
    code: str | None,
    thread: str | None,
    channel: str,
    state: str,
    region: str,
    officer: str,
    types: tuple[str, ...],
    since: str | None,
    until: str | None,
) -> Filter:
    """What an officer asked for; raises BadInput for what does not exist."""
    from console.event_words import WORDS

    if code is not None and thread is not None:
        raise BadInput("give the alert once: CODE for itself, or --alert CODE for its thread")
    state = state.strip().lower().replace(" ", "_").replace("-", "_")
    if state and state not in STATES:
        raise BadInput(f"--in-state {state!r} is no state; known are {', '.join(STATES)}")
    read = office.house.ledger.read
    for type_ in types:
        if type_ not in WORDS and not read(lambda read, t=type_: _has_type(read, t)):  # type: ignore[misc]
            raise BadInput(f"--type {type_!r} is no type of event; known are {', '.join(sorted(WORDS))}")
    now = to_datetime(office.house.clock.wall())

    def moment(text: str | None, option: str) -> Milliseconds | None:
        return None if text is None else to_milliseconds(words.since(text, now=now, zone=office.zone, option=option))

    return Filter(
        alerts=read(lambda read: _alerts(read, code, thread)),
        types=types,
        channel=_channel(office, channel.strip()),
        state=state,
        region=read(lambda read: _region(read, region)),
        officer=_officer(office, officer.strip()),
        since=moment(since, "--since"),
        until=moment(until, "--until"),
    )


def _channel(office: Office, name: str) -> str:
    """A channel of the config, or one that is on record though the config names it no more."""
    if name and name not in office.settings.channels:
        on_record = office.house.ledger.read(log.instances)
        if name not in on_record:
            raise BadInput(
                f"--channel {name!r} is no channel of the config or on record; known are "
                f"{', '.join(sorted({*office.settings.channels, *on_record})) or 'none'}"
            )
    return name


def _officer(office: Office, name: str) -> str:
    known = office.house.ledger.read(officers.officers)
    if name and name not in known:
        raise BadInput(f"--officer {name!r} is no officer, nor was one; known are {', '.join(sorted(known)) or 'none'}")
    return name


def _has_type(read: Read, type_: str) -> bool:
    return read.sql("SELECT 1 FROM event WHERE type = :type LIMIT 1", {"type": type_}).first() is not None


def _alerts(read: Read, code: str | None, thread: str | None) -> tuple[str, ...]:
    if thread is not None:
        return tuple(threads.whole(read, alerts.id_by_handle(read, thread)))
    return (alerts.id_by_handle(read, code),) if code is not None else ()


def _region(read: Read, text: str) -> str:
    """The code of the region meant; one that is not loaded may still be some people's."""
    if not text.strip():
        return ""
    found = log.region_codes(read, text)
    if len(found) > 1:
        listed = ", ".join(f"{code} ({name})" for code, name in found[:8])
        raise BadInput(f"--region {text!r} is the name of {len(found)} regions; give one by its code: {listed}")
    from kentongan.area.codes import read_code

    if found:
        return found[0][0]
    try:
        return read_code(text)
    except ValueError as error:
        raise BadInput(f"--region {text!r} is no region that is loaded, and {error}") from None


def write(office: Office, wanted: Filter, *, form: str, follow: bool, whole: bool) -> None:
    """Writes the events as they are read; with `follow` also those that come, until it is interrupted.

    A text that asks for nothing but alerts is a story: unless the `whole` is wanted, thousands of events on single
    deliveries are left out of it, and it says so.
    """
    writer = _WRITERS[form](office)
    read = office.house.ledger.read
    if form == "text" and wanted == Filter(alerts=wanted.alerts) and not (whole or follow):
        left_out = read(lambda read: story.left_out(read, wanted.alerts, most=_FEW))
        if left_out:
            _tell_story(office, wanted.alerts, left_out)
            return
    place, last = read(lambda read: log.bounds(read, wanted))
    writer.begin()
    while True:
        place = _write_up_to(office, wanted, writer, place, last)
        if not follow:
            break
        sys.stdout.flush()
        pause(_LOOK)
        last = read(log.end)
    writer.end()


def _write_up_to(office: Office, wanted: Filter, writer: _Writer, place: Place, last: Place) -> Place:
    """Writes what lies behind `place` and not behind `last`; returns the place reached."""
    while True:
        found, reached, more = office.house.ledger.read(
            lambda read, place=place: log.chunk(read, wanted, after=place, up_to=last, most=_CHUNK)  # type: ignore[misc]
        )
        _write_all(office, writer, found)
        place = reached
        if not more:
            return last


def _write_all(office: Office, writer: _Writer, found: Sequence[Event]) -> None:
    unknown = {event.alert_id for event in found if event.alert_id is not None} - writer.codes.keys()
    if unknown:
        writer.codes.update(office.house.ledger.read(lambda read: alerts.codes(read, list(unknown))))
    strange = {id for event in found for id in spoken_of(event.data).values()} - writer.senders.keys()
    if strange:
        writer.senders.update(office.house.ledger.read(lambda read: hosts.named(read, strange)))
    for event in found:
        writer.write(event)


def _tell_story(office: Office, ids: Sequence[str], left_out: int) -> None:
    writer = _Text(office)
    _write_all(office, writer, office.house.ledger.read(lambda read: story.told(read, ids)))
    output.say(
        f"Left out: {left_out:,} entries on single deliveries. `kentongan status` and `report` count what they came to;"
        " --deliveries shows them all, --delivery NUMBER or --to FILE those of one."
    )


@dataclass
class _Writer:
    """One form of the record; `codes` are those of the alerts seen so far, by id, and `senders` who sends."""

    office: Office
    codes: dict[str, str] = field(default_factory=dict)
    senders: dict[str, str] = field(default_factory=dict)

    def begin(self) -> None:
        """Writes what stands before the first event."""

    def write(self, event: Event) -> None:
        """Writes one event."""
        raise NotImplementedError

    def end(self) -> None:
        """Writes what stands after the last event."""


@dataclass
class _Text(_Writer):
    day: str = ""
    written: int = 0

    def write(self, event: Event) -> None:
        zone = self.office.zone
        local = words.moment(event.at, zone)
        if local[:10] != self.day:
            self.day = local[:10]
            output.say(f"{self.day} ({local.rpartition(' ')[2]})")
        subject = self.codes.get(event.alert_id or "", "-")
        output.say(
            f"{telling.clock_time(event.at, zone)}  {subject:<4}  {telling.local(sentence(event, self.senders), zone)}"
        )
        self.written += 1

    def end(self) -> None:
        if not self.written:
            output.say("Nothing of that kind is on record.")


@dataclass
class _Csv(_Writer):
    def begin(self) -> None:
        self._put(COLUMNS)

    def write(self, event: Event) -> None:
        content = _document(event, self.codes, self.senders)
        data = content["data"]
        cells = {
            **content,
            "channel": data.get("instance"),
            "by": data.get("by") if isinstance(data.get("by"), str) else ", ".join(map(str, data.get("by") or ())),
            "data": json.dumps(data, ensure_ascii=False, sort_keys=True),
        }
        self._put(cells[column] for column in COLUMNS)

    def _put(self, cells: Iterable[object]) -> None:
        # Late: reports take longer to import than a page of the record to be written.
        from kentongan.report import in_csv

        click.echo(in_csv.line(cells), nl=False)


@dataclass
class _Json(_Writer):
    """One document, written a piece at a time: a large record is never held as a whole."""

    first: bool = True

    def begin(self) -> None:
        click.echo('{"events": [', nl=False)

    def write(self, event: Event) -> None:
        piece = json.dumps(_document(event, self.codes, self.senders), ensure_ascii=False)
        click.echo(f"{'' if self.first else ','}\n  {piece}", nl=False)
        self.first = False

    def end(self) -> None:
        click.echo("\n]}")


_WRITERS: Mapping[str, Callable[[Office], _Writer]] = {"text": _Text, "csv": _Csv, "json": _Json}


def _document(event: Event, codes: Mapping[str, str], senders: Mapping[str, str]) -> dict[str, Any]:
    return {
        "at": telling.iso(event.at),
        "type": event.type,
        "alert": codes.get(event.alert_id or ""),
        "alert_id": event.alert_id,
        "delivery": event.delivery_id,
        "chain": event.chain,
        "sequence": event.seq,
        "says": sentence(event, senders),
        "data": dict(event.data),
    }
