"""Forecasts in words: by when each channel would have reached everybody, and for whom that would be too late."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from console import output, words
from kentongan import telling
from kentongan.quick_dataclass import dataclass

if TYPE_CHECKING:
    from console.office import Office
    from kentongan.area.codes import Waves, Within
    from kentongan.desk.extent import People
    from kentongan.desk.forecasting import Foreseen
    from kentongan.desk.releases import Prospect
    from kentongan.forecast import Forecast
    from kentongan.ledger.alerts import StoredAlert
    from kentongan.routes import Following
    from kentongan.seam import Rendered


_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Seen:
    """What was foreseen at `at`, with the warnings by channel."""

    at: int
    channels: Sequence[Foreseen]
    warnings: Mapping[str, str]


NOTHING = Seen(0, (), {})


def look(
    office: Office,
    stored: StoredAlert,
    *,
    people: People,
    messages: Collection[Rendered],
    within: Within | None,
    waves: Waves,
    following: Following,
    overlaps: bool = True,
) -> Seen:
    """Foresees an alert that would be sent now with these messages."""
    from kentongan.desk import forecasting
    from kentongan.forecast import warning

    names = {message.instance for message in messages}
    instances = {name: each for name, each in office.settings.channels.items() if name in names}
    now = office.desk.clock.wall()
    seen = forecasting.foresee(
        office.desk,
        stored,
        instances,
        people=people,
        messages=messages,
        within=within,
        waves=waves,
        following=following,
        overlaps=overlaps,
    )
    told = {each.forecast.instance: warning(each.forecast, now=now, zone=office.zone, also=each.also) for each in seen}
    return Seen(now, seen, {name: sentence for name, sentence in told.items() if sentence is not None})


def before_sending(office: Office, ahead: Prospect, without: Collection[str], *, overlaps: bool) -> Seen:
    """Foresees an alert as `send` would send it; `overlaps`: see `forecasting.foresee`. Whatever fails, it goes on."""
    try:
        return _before_sending(office, ahead, without, overlaps=overlaps)
    except Exception as error:
        # A forecast that cannot be made must keep no warning back; sending itself says what is wrong.
        _log.warning("not foreseen", extra={"error": type(error).__name__})
        output.warn("warning: by when everybody will have it cannot be foreseen")
        return NOTHING


def _before_sending(office: Office, ahead: Prospect, without: Collection[str], *, overlaps: bool) -> Seen:
    from kentongan.desk import subjects
    from kentongan.ledger import renderings

    _, following = office.desk.ledger.read(lambda read: subjects.routed(read, ahead.alert.id))
    messages = [
        message
        for message in office.desk.ledger.read(lambda read: renderings.of(read, ahead.alert.id))
        if message.instance not in without and f"{message.instance}:{message.language}" not in without
    ]
    return look(
        office,
        ahead.alert,
        people=ahead.people,
        messages=messages,
        within=ahead.within,
        waves=office.desk.ledger.read(lambda read: subjects.waves(read, ahead.alert.id)),
        following=following,
        overlaps=overlaps,
    )


def show(office: Office, seen: Seen) -> None:
    """Writes the table; nothing where no channel was foreseen."""
    from kentongan.forecast import everyone_by

    rows = [
        (
            each.forecast.instance,
            "everybody" if each.forecast.people is None else words.number(each.forecast.people),
            everyone_by(each.forecast, now=seen.at, zone=office.zone),
            words.number(each.forecast.too_late) if each.forecast.too_late else "-",
        )
        for each in seen.channels
    ]
    if rows:
        output.print_table(("Channel", "People", "Everyone by", "Too late"), rows, right=(1, 3))
    for each in seen.channels:
        if each.nearest is not None and each.nearest.people is not None:
            by = everyone_by(each.nearest, now=seen.at, zone=office.zone)
            told = telling.people(each.nearest.people)
            output.say(f"{each.forecast.instance} writes to the nearest and worst hit first: {told} by {by}")


def warn(seen: Seen) -> None:
    """Writes the warnings to standard error, a sentence each."""
    for sentence in seen.warnings.values():
        output.warn(f"warning: {sentence}")


def to_json(seen: Seen) -> list[dict[str, Any]]:
    """The same with stable keys."""
    return [
        {
            "channel": each.forecast.instance,
            "people": each.forecast.people,
            "begins_at": telling.iso(each.forecast.begins_at),
            "everyone_at": telling.iso(each.forecast.everyone_at),
            "seconds": telling.seconds(
                each.forecast.everyone_at - seen.at if each.forecast.everyone_at is not None else None
            ),
            "deliver_by": telling.iso(each.forecast.deliver_by),
            "bound_by": each.forecast.bound.name.lower(),
            "nearest": _nearest(each.nearest, seen.at) if each.nearest is not None else None,
            "too_late": each.forecast.too_late,
            "beyond_daily_limit": each.forecast.refused,
            "too_late_have_also": dict(each.also) if each.also is not None else None,
            "warning": seen.warnings.get(each.forecast.instance),
        }
        for each in seen.channels
    ]


def _nearest(seen: Forecast, now: int) -> dict[str, Any]:
    return {
        "people": seen.people,
        "everyone_at": telling.iso(seen.everyone_at),
        "seconds": telling.seconds(seen.everyone_at - now if seen.everyone_at is not None else None),
    }
