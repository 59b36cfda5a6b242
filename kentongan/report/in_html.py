"""The report as one page of HTML: everything in one file, no script, no network; for paper, telephones and the dark."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from kentongan import telling
from kentongan.alert import Kind
from kentongan.banners import BREAK_GLASS, SANDBOX
from kentongan.data import data_path
from kentongan.report import charts
from kentongan.report.shapes import Moment, Part, Report


def html(report: Report, *, timezone: str, agency: str = "") -> str:
    """The whole page; times are local to the IANA zone `timezone`. It loads nothing."""
    zone = ZoneInfo(timezone)
    names = {
        "report": report,
        "agency": agency,
        "telling": telling,
        "sandbox": SANDBOX,
        "glass": BREAK_GLASS,
        "zone": zone,
        "thread_picture": _thread(report, zone),
        "parts": _parts(report, zone),
        "summary": list(_summary(report, zone)),
    }
    return _environment().get_template("report.html.j2").render(names)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(data_path("templates") / "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable,
    )
    environment.filters["coded"] = _coded
    return environment


def _printable(value: Any) -> Any:
    return telling.printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _coded(text: str) -> Markup:
    """A sentence of ours whose commands stand between backticks."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(telling.printable(text)))))  # noqa: S704  # escaped


def _drawn(picture: str) -> Markup:
    # Our own pictures escape every text that they hold.
    return Markup(picture)  # noqa: S704


def _parts(report: Report, zone: ZoneInfo) -> list[dict[str, Any]]:
    """The parts with their pictures; an area that an earlier part has is not drawn twice."""
    drawn: dict[object, str] = {}
    parts = []
    for part in report.parts:
        names = _names(part, zone)
        area = re.sub(r"\bm[0-9a-f]{10}[a-z]?\b|<title.*?</title>", "", part.sketch)
        names["same_area"] = drawn.get(area, "") if part.sketch else ""
        drawn.setdefault(area, part.code)
        parts.append(names)
    return parts


def _names(part: Part, zone: ZoneInfo) -> dict[str, Any]:
    marked = _marked(part)
    numbered = [(moment.after or 0, str(number)) for number, moment in enumerate(marked, 1)]
    return {
        "part": part,
        "standing": part.standing,
        "alert": part.standing.alert,
        "sketch": _drawn(part.sketch) if part.sketch else "",
        "after_press": _drawn(charts.after_press(part.code, part.spans, numbered)) if part.spans else "",
        "marked": marked,
        "legend": [(_drawn(sample), meaning) for sample, meaning in charts.legend(f"{part.code} legend")],
        "bars": {
            each.name: _drawn(charts.bar(each.name, each.words, ident=f"{part.standing.alert.id}:{each.name}"))
            for each in part.standing.channels
        },
        "plot": _drawn(charts.scores(part.drill.scores, zone)) if part.drill is not None else "",
        "timeline": _by_day(part, zone),
    }


def _marked(part: Part) -> list[Moment]:
    """The moments that stand in the picture with a number: those of the first hours, not when all has long ended."""
    furthest = max([60_000, *(2 * at for span in part.spans for at in (span.last, span.begun) if at is not None)])
    return [each for each in part.timeline if each.marked and each.after is not None and each.after <= furthest][:9]


def _by_day(part: Part, zone: ZoneInfo) -> list[tuple[str, list[Moment]]]:
    days: dict[str, list[Moment]] = {}
    for each in part.timeline:
        said = replace(each, what=telling.local(each.what, zone))
        days.setdefault(telling.moment(each.at, zone)[:10], []).append(said)
    return list(days.items())


def _thread(report: Report, zone: ZoneInfo) -> Markup | str:
    lives = []
    for part in report.parts:
        dispatch = part.standing.dispatch
        if dispatch is None:
            continue
        ended = [each for each in part.timeline if each.marked and part.standing.alert.state in each.what]
        over = ended[-1].at if ended else min(part.standing.alert.expires_at or report.now, report.now)
        told = f"{telling.clock_time(dispatch.at, zone)[:8]}, {part.standing.said}"
        lives.append(charts.Life(f"{part.code} {part.standing.alert.kind}", told, dispatch.at, max(over, dispatch.at)))
    if len(lives) < 2:
        return ""
    return _drawn(charts.thread(lives, told="; ".join(f"{life.name}: {life.told}" for life in lives)))


def _summary(report: Report, zone: ZoneInfo) -> Iterator[tuple[str, str]]:
    """What a tired reader wants first."""
    sent = [part for part in report.parts if part.standing.dispatch is not None]
    if sent:
        yield "First press", telling.moment(sent[0].standing.dispatch.at, zone)  # type: ignore[union-attr]
        yield "First acceptance", f"{telling.span(sent[0].first)} after it"
        yield "Last acceptance", f"{telling.span(sent[0].last)} after it"
    yield from _withdrawn(sent)
    yield "People reached, or perhaps", f"{report.persons:,}, each counted once"
    doubt = sum(part.totals.get("in_doubt", 0) for part in report.parts)
    yield "Still in doubt", telling.several(doubt, "delivery", "deliveries")
    missed = sum(
        failure.count
        for part in report.parts
        for failure in part.failures
        if failure.remedy.name not in ("STOPPED", "OFFICER")
    )
    yield "Reached nobody", telling.several(missed, "delivery", "deliveries")
    alone = [part.code for part in report.parts if part.standing.break_glass]
    if alone:
        yield "Sent by one officer alone", ", ".join(alone)
    due = [p.code for p in report.parts if p.standing.review is not None and not p.standing.review.is_done]
    if due:
        yield "Review still due", ", ".join(due)
    by_code = [f"{name} on {p.code}" for p in report.parts for name in p.standing.by_code]
    if by_code:
        yield "Approved by one-time code", ", ".join(by_code)


def _withdrawn(sent: list[Part]) -> Iterator[tuple[str, str]]:
    for part in sent:
        if part.standing.alert.kind is Kind.CORRECTION and part is not sent[0]:
            assert part.standing.dispatch is not None
            assert sent[0].standing.dispatch is not None
            after = telling.span(part.standing.dispatch.at - sent[0].standing.dispatch.at)
            yield "Withdrawn", f"{after} after the first press, by {part.standing.dispatch.by}"
