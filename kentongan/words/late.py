"""Facts known only when a message is sent, and the widest they can be.

slot          stands for
sent          when this message is sent
earlier_sent  when the message that a correction withdraws was sent
withdrawn_at  when that message was withdrawn
reason        why, from a closed list (`reasons` of a language)

A time as it is read aloud stands in a slot of its own, `sent_aloud`. In a rendering that holds several languages the
slot's name carries the language behind it: `sent_id`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from kentongan.errors import BadInput
from kentongan.seam import fill, slots
from kentongan.words.languages import Language
from kentongan.words.times import local_time, widest_time

TIMES = ("sent", "earlier_sent", "withdrawn_at")
ALOUD = {name: f"{name}_aloud" for name in TIMES}
"""The slot in which each time is written out, with the whole name of its month."""
SLOTS = frozenset({*TIMES, *ALOUD.values(), "reason"})


def widest(slot: str, language: Language, zone: ZoneInfo) -> str:
    """The longest text that can come to stand in `slot`; raises KeyError for a slot that is none of `SLOTS`."""
    if slot not in SLOTS:
        raise KeyError(slot)
    if slot == "reason":
        return max(language.reasons.values(), key=len)
    return widest_time(zone, language, short=slot in TIMES)


def named(slots: Iterable[str]) -> dict[str, str]:
    """What officers read in the place of each slot until it is filled: its name in angle quotes."""
    return {name: f"‹{name.replace('_', ' ')}›" for name in slots}


def at_widest(text: str, language: Language, languages: Mapping[str, Language], zone: ZoneInfo) -> str:
    """Returns `text` with every slot at its widest; raises KeyError for an unknown slot."""
    names = slots(text)
    parted = {name: _parted(name, language, languages) for name in names}
    return fill(text, {name: widest(base, spoken, zone) for name, (base, spoken) in parted.items()})


def late_values(
    names: Collection[str],
    *,
    language: str,
    languages: Mapping[str, Language],
    zone: ZoneInfo,
    sent: datetime,
    earlier_sent: datetime | None = None,
    reason: str | None = None,
) -> dict[str, str]:
    """Returns the values of these slots (`seam.slots` of a message) for a message of `language` sent at `sent`.

    A correction is the withdrawal, so its `withdrawn_at` is its own `sent`. `reason` is a name, not a wording. Raises
    BadInput for an unknown reason, KeyError for an unknown slot, ValueError where a slot's fact was not given.
    """
    times = {"sent": sent, "earlier_sent": earlier_sent, "withdrawn_at": sent}
    times |= {aloud: times[name] for name, aloud in ALOUD.items()}
    values = {}
    for name in names:
        base, spoken = _parted(name, languages.get(language), languages)
        if base == "reason":
            if reason is None:
                raise ValueError("a correction needs a reason")
            if reason not in spoken.reasons:
                raise BadInput(f"{reason[:40]!r} is no reason; known are {', '.join(spoken.reasons)}")
            values[name] = spoken.reasons[reason]
            continue
        moment = times[base]
        if moment is None:
            raise ValueError(f"slot {name} has no time")
        values[name] = local_time(moment, zone, spoken, short=base in TIMES)
    return values


def _parted(name: str, own: Language | None, languages: Mapping[str, Language]) -> tuple[str, Language]:
    base, _, suffix = name.rpartition("_")
    if name not in SLOTS and base in SLOTS and suffix in languages:
        return base, languages[suffix]
    if name not in SLOTS or own is None:
        raise KeyError(name)
    return name, own
