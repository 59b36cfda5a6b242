"""The report as Markdown, to be read and filed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from zoneinfo import ZoneInfo

from kentongan.clock import Milliseconds, to_datetime
from kentongan.ledger.reviews import Review
from kentongan.overview import Overview
from kentongan.report.content import Report

_BANNER = "SANDBOX - NOBODY WAS WARNED"
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#])")


def markdown(report: Report, *, timezone: str) -> str:
    """The whole report; times are local to the IANA zone `timezone`."""
    zone = ZoneInfo(timezone)
    parts = [
        *_head(report, zone),
        *_section("Who decided what", _decisions(report, zone)),
        *_section("What was said", _messages(report)),
        *_section("What became of it", _channels(report.standing)),
        *_section("When", _timeline(report, zone)),
        *_section("Failures by cause", _causes(report)),
        *_section(
            "Retries",
            _table(("Channel", "Attempts", "Why"), [(e.channel, f"{e.count:,}", e.reason) for e in report.retries]),
        ),
        *_section("Doubt, and how it was resolved", _doubts(report, zone)),
        *_section(
            "Receipts",
            _table(
                ("Channel", "Said", "Receipts"), [(e.channel, e.confirmed, f"{e.count:,}") for e in report.receipts]
            ),
        ),
        *_section("Correction", _correction(report, zone)),
        *_section("Orchestration", _orchestration(report)),
        *_section("The record", _record(report)),
    ]
    return "\n".join(parts) + "\n"


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    content = list(lines)
    yield f"## {title}\n"
    yield from content or ["None.\n"]


def _head(report: Report, zone: ZoneInfo) -> Iterator[str]:
    standing = report.standing
    stored = standing.alert
    yield f"# {stored.kind.capitalize()} {stored.code}, {stored.mode}\n"
    if standing.sandbox:
        yield f"**{_BANNER}**\n"
    if standing.break_glass:
        yield f"**BREAK-GLASS**: one officer sent this alone: {_plain(standing.break_glass)}\n"
    if standing.review is not None:
        yield _review(standing.review, zone) + "\n"
    info = stored.draft.cap.infos[0] if stored.draft.cap.infos else None
    rows = [
        ("Says", (info.headline or info.event) if info else stored.draft.hazard),
        ("Place", "; ".join(report.places)),
        ("State", stored.state),
        ("Withdraws", standing.predecessor or ""),
        ("Relays", _origin(report)),
        ("Pressed", _time(standing.dispatch.at, zone) if standing.dispatch is not None else "not sent"),
        ("Ends", _time(stored.expires_at, zone) if stored.expires_at is not None else ""),
        ("Written down", _time(report.now, zone)),
    ]
    yield from _table(("", ""), [row for row in rows if row[1]])


def _review(review: Review, zone: ZoneInfo) -> str:
    if review.done_at is None:
        by = f"by another officer than {_plain(review.officer)}"
        return f"**REVIEW NOT DONE**: due {_time(review.due_at, zone)}, {by}"
    return f"Reviewed by {_plain(review.done_by or '')}, {_time(review.done_at, zone)}: {_plain(review.finding)}"


def _origin(report: Report) -> str:
    origin = report.standing.alert.draft.origin
    return f"{origin.sender_name}, {origin.identifier}" if origin is not None else ""


def _decisions(report: Report, zone: ZoneInfo) -> Iterator[str]:
    rows = []
    for each in report.decisions:
        what = each.act + (f": {each.reason}" if each.reason else "")
        people = f"{each.people:,}" if each.people is not None else ""
        rows.append((_time(each.at, zone), each.who + ("" if each.signed else " (no key)"), what, people))
    yield from _table(("When", "Who", "What", "People shown"), rows)


def _messages(report: Report) -> Iterator[str]:
    for each in report.messages:
        yield f"### {_plain(each.channel)}, {each.language}\n"
        if not each.as_sent:
            yield "Not sent; what was not known yet is left open.\n"
        fence = "`" * (max((len(run) for run in re.findall("`+", each.text)), default=0) + 3)
        yield f"{fence}text\n{each.text}\n{fence}\n"


def _channels(standing: Overview) -> Iterator[str]:
    rows = []
    for each in standing.channels:
        first = _after(standing, each.first_accepted)
        last = _after(standing, each.last_accepted)
        people = "everybody" if each.public else f"{each.total:,}"
        retries = f"{each.retries:,}" + (f", {each.duplicates:,} possible duplicates" if each.duplicates else "")
        rows.append((each.name, people, _words(each.words), first, last, retries))
    yield from _table(("Channel", "People", "State", "First accepted", "Last accepted", "Retries"), rows)


def _timeline(report: Report, zone: ZoneInfo) -> Iterator[str]:
    rows = [(_time(each.at, zone), _span(each.after), each.what) for each in report.timeline]
    yield from _table(("When", "After press", "What"), rows)


def _causes(report: Report) -> Iterator[str]:
    rows = [(e.channel, f"{e.count:,}", e.word.replace("_", " "), e.reason) for e in report.standing.causes]
    yield from _table(("Channel", "Deliveries", "State", "Why"), rows)


def _doubts(report: Report, zone: ZoneInfo) -> Iterator[str]:
    rows = [(e.channel, f"{e.count:,}", e.word.replace("_", " ")) for e in report.doubts]
    yield from _table(("Channel", "Ever in doubt", "Now"), rows)
    for each in report.resolved:
        yield f"- {_time(each.at, zone)}: {_plain(each.who)} settled delivery {each.delivery} as {each.evidence}\n"


def _correction(report: Report, zone: ZoneInfo) -> Iterator[str]:
    found = report.withdrawal
    if found is None:
        return
    if found.dispatched_at is None:
        yield f"Correction {found.code} lies ready and was not released.\n"
        return
    yield (
        f"Correction {found.code} was released by {_plain(found.by)} at {_time(found.dispatched_at, zone)}, "
        f"{_span(found.after)} after the alert, because: {_plain(found.reason.replace('_', ' '))}.\n"
    )
    yield from _channels(found.standing)


def _orchestration(report: Report) -> Iterator[str]:
    orchestration = report.orchestration
    if report.standing.dispatch is None:
        return
    yield ("It began in Prefect.\n" if orchestration.began else "It did not begin in Prefect.\n")
    for error in orchestration.lost:
        yield f"Prefect lost it ({_plain(error)}); sending went on without.\n"
    yield from _table(("Channel", "Begun through"), list(orchestration.through))


def _record(report: Report) -> Iterator[str]:
    yield "The ends of the record's chains when this was written; `kentongan log verify` compares them.\n"
    yield from _table(("Chain", "Links", "Digest"), [(e.chain, f"{e.seq:,}", e.digest) for e in report.chains])


# --- How things are written ---


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    if not rows:
        return
    yield f"| {' | '.join(headings)} |"
    yield f"|{' --- |' * len(headings)}"
    for row in rows:
        yield f"| {' | '.join(map(_plain, row))} |"
    yield ""


def _plain(text: str) -> str:
    """Text from outside must not turn into markup, nor break a table's row."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _words(counted: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {word.replace('_', ' ')}" for word, count in sorted(counted.items()) if count)


def _time(at: Milliseconds, zone: ZoneInfo) -> str:
    local = to_datetime(at).astimezone(zone)
    return f"{local:%Y-%m-%d %H:%M:%S}.{local.microsecond // 1000:03} {local:%Z}"


def _after(standing: Overview, at: Milliseconds | None) -> str:
    return _span(at - standing.dispatch.at) if at is not None and standing.dispatch is not None else "-"


def _span(milliseconds: Milliseconds | None) -> str:
    return "" if milliseconds is None else f"{milliseconds / 1000:,.1f} s"
