"""What would become of an alert that was sent now: the looks at the channels, and at what belongs to them, in words."""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from console import output, words
from kentongan import telling
from kentongan.quick_dataclass import dataclass
from kentongan.readiness import Verdict, Word, sentence, tally

if TYPE_CHECKING:
    from flows.house import House
    from kentongan.settings import InstanceSettings, Settings

_PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at all channels. `taking`: instances whose receipts we ask for, each with what keeps them out, or ""."""

    at: int
    verdicts: Sequence[Verdict]
    taking: Mapping[str, str]


def look(house: House) -> Seen:
    """Asks every configured channel now, at an officer's wish; raises BadConfig where there is no config."""
    from flows.looking import look as ask

    judged = asyncio.run(ask(house))
    assert house.settings is not None
    return Seen(house.clock.wall(), judged, dict(_receipts(house, house.settings)))


def _receipts(house: House, settings: Settings) -> Iterator[tuple[str, str]]:
    """Asks our own receipt endpoint for every instance that should be confirmed, at the address its provider has."""
    import channels as kinds
    from console.service import client

    wanted = {
        name: each for name, each in settings.channels.items() if kinds.traits(each.kind).receipts and each.confirmed()
    }
    if not wanted:
        return
    status = client.status(house.state)
    here = str(status["receipts"]) if status is not None and status.get("receipts") else None
    for name, each in wanted.items():
        yield name, _reached(name, each, here)


def _reached(name: str, instance: InstanceSettings, here: str | None) -> str:
    told = getattr(instance, "receipt_url", None)
    if told is None and here is None:
        return "receipts are not taken: no service runs; start `kentongan serve`"
    address = str(told) if told is not None else f"http://{here}/receipts/{name}"
    status = _status_of(address)
    if status is None:
        why = "nothing answers there" if here is not None else "no service runs; start `kentongan serve`"
        return f"receipts are not taken at {address}: {why}"
    # What bears no signature of the provider is refused, and only by an endpoint that knows the instance.
    if status == http.client.FORBIDDEN:
        return ""
    return f"receipts are not taken at {address}: it answers {status} and is not our endpoint for {name}"


def _status_of(address: str) -> int | None:
    parts = urlsplit(address)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    try:
        connection = kind(parts.hostname or "", parts.port, timeout=_PATIENCE)
        try:
            connection.request("GET", parts.path or "/")
            return connection.getresponse().status
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError):
        return None


def failed(seen: Seen) -> bool:
    """Whether a channel would not pass."""
    return any(each.word is not Word.PASSES for each in seen.verdicts)


def show(seen: Seen, zone: ZoneInfo, *, told: Collection[str] = ()) -> None:
    """Writes a look as a table, what is to be mended but for what was `told` before, and the count."""
    rows = [
        (
            each.instance.name,
            each.instance.mode.value + (", sandbox" if each.instance.sandbox else ""),
            each.word.value,
            _readers(each),
            _ends(each, zone),
            telling.span(each.probe.took) if each.probe is not None else "-",
        )
        for each in seen.verdicts
    ]
    if rows:
        output.print_table(("Channel", "Mode", "If sent now", "People", "Credential", "Answer"), rows, right=(3, 5))
    for each in seen.verdicts:
        for remark in remarks(each, seen.taking):
            if any(remark.rstrip(".") in each_told for each_told in told):
                continue
            output.say(f"{each.instance.name}: {telling.local(remark, zone)}")
    output.say(sentence(tally(seen.verdicts)))


def remarks(verdict: Verdict, taking: Mapping[str, str]) -> Iterator[str]:
    """All that is to be said of an instance: why it would fail, and what is to be mended although it passes."""
    if verdict.word is not Word.PASSES:
        yield verdict.why
    elif verdict.why and ";" in verdict.why:
        # The provider said more than that it would pass.
        yield verdict.why
    yield from (f"{remark}." for remark in verdict.remarks)
    if taking.get(verdict.instance.name):
        yield f"{taking[verdict.instance.name]}."


def _readers(verdict: Verdict) -> str:
    people = verdict.instance.people
    return "everybody" if people is None else words.number(people)


def _ends(verdict: Verdict, zone: ZoneInfo) -> str:
    seen = verdict.probe.seen if verdict.probe is not None else None
    if seen is None or not seen.ready:
        return "-"
    return f"to {seen.expires_at.astimezone(zone):%Y-%m-%d}" if seen.expires_at is not None else "passes"


def to_json(seen: Seen) -> dict[str, Any]:
    """A look with stable keys."""
    return {
        "at": telling.iso(seen.at),
        "channels": [_told(each, seen.taking) for each in seen.verdicts],
        "would_pass": {
            mode.value: {"passing": each.passing, "of": each.of} for mode, each in tally(seen.verdicts).items()
        },
        "sentence": sentence(tally(seen.verdicts)),
    }


def _told(verdict: Verdict, taking: Mapping[str, str]) -> dict[str, Any]:
    instance, probe = verdict.instance, verdict.probe
    seen = probe.seen if probe is not None else None
    return {
        "channel": instance.name,
        "kind": instance.kind,
        "mode": instance.mode.value,
        "sandbox": instance.sandbox,
        "passes": verdict.word is Word.PASSES,
        "word": verdict.word.value,
        "why": verdict.why,
        "remarks": list(verdict.remarks),
        "held": instance.held,
        "people": instance.people,
        "seconds_for_all": verdict.lasts,
        "credential_ends_at": seen.expires_at.isoformat() if seen is not None and seen.expires_at is not None else None,
        "quota_left": seen.quota_left if seen is not None else None,
        "asked_at": telling.iso(probe.at) if probe is not None else None,
        "answered_after_ms": probe.took if probe is not None else None,
        "receipts": None if instance.name not in taking else taking[instance.name] or "taken",
    }
