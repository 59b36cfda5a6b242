"""The report as Markdown, to be read and filed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from zoneinfo import ZoneInfo

from kentongan import telling
from kentongan.banners import BREAK_GLASS
from kentongan.ledger.reviews import Review
from kentongan.overview import Overview
from kentongan.report.shapes import Message, Part, Report

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~&!])")


def markdown(report: Report, *, timezone: str) -> str:
    """The whole report; times are local to the IANA zone `timezone`."""
    zone = ZoneInfo(timezone)
    lines = [f"# Report on alert {report.asked}\n", *banners(report), *_head(report, zone)]
    for part in report.parts:
        lines += _part(part, zone)
    lines += _section("Not sent", _unsent(report, zone), level=2)
    lines += _section("The record", _record(report), level=2)
    return "\n".join([*lines, *banners(report)]) + "\n"


def banners(report: Report) -> Iterator[str]:
    """What stands first and last."""
    for _, banner in report.banners:
        yield f"**{banner}**\n"


def _section(title: str, lines: Iterable[str], *, level: int = 3) -> Iterator[str]:
    content = list(lines)
    yield f"{'#' * level} {title}\n"
    yield from content or ["None.\n"]


def _head(report: Report, zone: ZoneInfo) -> Iterator[str]:
    yield f"Written {telling.moment(report.now, zone)}. Reached, or perhaps: {telling.people(report.persons)}.\n"
    for damaged in report.damaged:
        yield f"**DAMAGED**: {_plain(damaged.sentence)}\n"
    rows = [
        (
            part.code,
            f"{part.standing.alert.mode} {part.standing.alert.kind}",
            telling.moment(part.standing.dispatch.at, zone) if part.standing.dispatch is not None else "not sent",
            telling.states(part.totals),
            part.standing.said,
        )
        for part in report.parts
    ]
    yield from _table(("Code", "What", "Pressed", "Deliveries", "State"), rows)


def _part(part: Part, zone: ZoneInfo) -> Iterator[str]:
    standing = part.standing
    stored = standing.alert
    yield f"## {stored.kind.capitalize()} {stored.code}, {stored.mode}\n"
    if standing.pruned_at is not None:
        yield f"{telling.pruned(standing.pruned_at, zone)}\n"
    if standing.break_glass:
        yield f"**{BREAK_GLASS}**: {_plain(standing.break_glass)}\n"
    if standing.review is not None:
        yield _review(standing.review, zone) + "\n"
    origin = stored.draft.origin
    rows = [
        ("Says", part.title),
        ("Place", "; ".join(part.places)),
        ("State", standing.said),
        ("Follows", standing.predecessor or ""),
        ("Because", telling.word(standing.reason)),
        ("Rests on", stored.draft.evidence),
        ("Relays", f"{origin.sender_name}, {origin.identifier}" if origin is not None else ""),
        ("Pressed", telling.moment(standing.dispatch.at, zone) if standing.dispatch is not None else "not sent"),
        ("First acceptance", telling.span(part.first) if part.first is not None else ""),
        ("Last acceptance", telling.span(part.last) if part.last is not None else ""),
        ("Ends", telling.moment(stored.expires_at, zone) if stored.expires_at is not None else ""),
    ]
    yield from _table(("", ""), [row for row in rows if row[1]])
    yield from _section("Who decided what", _decisions(part, zone))
    yield from _section("What became of it", _channels(standing))
    yield from _section("What was said", _messages(part.messages))
    yield from _section("When", _timeline(part, zone))
    yield from _section("Failures, and what to do", _failures(part))
    retries = [(each.channel, f"{each.count:,}", each.reason) for each in part.retries]
    yield from _section("Retries", _table(("Channel", "Attempts", "Why"), retries))
    yield from _section("Doubt, and how it was resolved", _doubts(part, zone))
    receipts = [(each.channel, each.confirmed, f"{each.count:,}") for each in part.receipts]
    yield from _section("Receipts", _table(("Channel", "Said", "Receipts"), receipts))
    yield from _section("Answers", _answers(part))
    if part.drill is not None:
        yield from _section("Drill score", _drill(part))
    yield from _section("Orchestration", _orchestration(part))


def _review(review: Review, zone: ZoneInfo) -> str:
    if review.done_at is None:
        by = f"by another officer than {_plain(review.officer)}"
        return f"**REVIEW NOT DONE**: due {telling.moment(review.due_at, zone)}, {by}"
    return (
        f"Reviewed by {_plain(review.done_by or '')}, {telling.moment(review.done_at, zone)}: {_plain(review.finding)}"
    )


def _decisions(part: Part, zone: ZoneInfo) -> Iterator[str]:
    rows = []
    for each in part.decisions:
        what = ("BREAK-GLASS: " if each.alone else "") + each.act + (f": {each.reason}" if each.reason else "")
        people = f"{each.people:,}" if each.people is not None else ""
        rows.append(
            (telling.moment(each.at, zone), each.who + (" (no key)" if each.signed is False else ""), what, people)
        )
    yield from _table(("When", "Who", "What", "People shown"), rows)


def _messages(messages: Sequence[Message]) -> Iterator[str]:
    for each in messages:
        yield f"#### {_plain(each.channel)}, {_plain(each.language)}\n"
        if not each.as_sent:
            yield "Not sent; what was not known yet is left open.\n"
        if each.template:
            yield f"Through the provider's template {_plain(each.template)}.\n"
        if each.title:
            yield f"Title: {_plain(each.title)}\n"
        fence = "`" * max(3, max((len(run) for run in re.findall("`+", each.text)), default=0) + 1)
        yield f"{fence}text\n{each.text}\n{fence}\n"
        for image in each.images:
            yield f"- picture {_plain(image.name)}: {_plain(image.description)} (SHA-256 {_plain(image.digest)})\n"


def _channels(standing: Overview) -> Iterator[str]:
    rows = []
    for each in standing.channels:
        people = "everybody" if each.public else f"{each.total:,}"
        retries = f"{each.retries:,}" + (f", {each.duplicates:,} possible duplicates" if each.duplicates else "")
        first, last = _after(standing, each.first_accepted), _after(standing, each.last_accepted)
        rows.append((each.name, people, telling.states(each.words), first, last, retries))
    yield from _table(("Channel", "People", "State", "First accepted", "Last accepted", "Retries"), rows)


def _timeline(part: Part, zone: ZoneInfo) -> Iterator[str]:
    rows = [
        (
            telling.moment(each.at, zone),
            telling.span(each.after) if each.after is not None else "",
            each.channel,
            telling.local(each.what, zone),
        )
        for each in part.timeline
    ]
    yield from _table(("When", "After press", "Channel", "What"), rows)


def _failures(part: Part) -> Iterator[str]:
    for failure in part.failures:
        yield f"**{failure.remedy.cause}**: {telling.several(failure.count, 'delivery', 'deliveries')}. " + (
            f"To do: {_plain(failure.remedy.action)}\n"
        )
        rows = [(e.channel, f"{e.count:,}", telling.word(e.word), e.reason) for e in failure.causes]
        yield from _table(("Channel", "Deliveries", "State", "Why"), rows)


def _doubts(part: Part, zone: ZoneInfo) -> Iterator[str]:
    rows = [(each.channel, f"{each.count:,}", each.how, telling.word(each.word)) for each in part.doubts]
    yield from _table(("Channel", "Ever in doubt", "Resolved", "Now"), rows)
    for each in part.resolved:
        at = telling.moment(each.at, zone)
        yield f"- {at}: {_plain(each.who)} settled {each.what} as {_plain(each.evidence)}\n"


def _answers(part: Part) -> Iterator[str]:
    if not part.answers.answered:
        return
    told = f"{part.answers.answered:,} of {telling.people(part.answers.asked)} answered."
    yield f"{told} Each is counted by what they said last of themselves.\n"
    rows = [(meaning.value, f"{count:,}") for meaning, count in part.answers.counts.items() if count]
    yield from _table(("Said", "Answers"), rows)


def _drill(part: Part) -> Iterator[str]:
    if part.drill is None:
        return
    found = part.drill
    score = f"{found.score} of 100" if found.score is not None else "none"
    scenario = _plain(found.scenario) or "drafted by hand"
    yield f"Scenario {scenario}, {found.state}. Score: {score}. {_plain(found.why)}\n"
    if len(found.scores) > 1:
        yield f"So far: {', '.join(str(score) for _, score in found.scores)}.\n"
    rows = [(each.name, each.wanted, each.was, "met" if each.met else "NOT MET") for each in part.drill.targets]
    yield from _table(("Target", "Wanted", "Was", ""), rows)


def _orchestration(part: Part) -> Iterator[str]:
    if part.standing.dispatch is None:
        return
    done = part.orchestration
    yield ("It began in Prefect.\n" if done.began else "It did not begin in Prefect; sending does not wait for it.\n")
    for error in done.lost:
        yield f"Prefect lost it ({_plain(error)}); sending went on without.\n"
    yield from _table(("Channel", "Begun through"), list(done.through))


def _unsent(report: Report, zone: ZoneInfo) -> Iterator[str]:
    rows = [(each.code, each.kind, each.state, telling.moment(each.created_at, zone)) for each in report.unsent]
    yield from _table(("Code", "Kind", "State", "Drafted"), rows)


def _record(report: Report) -> Iterator[str]:
    yield "The ends of the record's chains when this was written. `kentongan log verify --head FILE` compares the\n"
    yield "ledger with a signed head (`kentongan log head`) that was kept on another machine.\n"
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


def _after(standing: Overview, at: int | None) -> str:
    return telling.span(at - standing.dispatch.at) if at is not None and standing.dispatch is not None else "-"
