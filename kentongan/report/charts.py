"""The report's pictures as SVG elements: no script, no network, light, dark and in print.

Places along the width are in percent and letters in pixels, so that a picture narrows to a telephone and its words stay
readable. Colour says nothing alone: every kind of bar has a pattern of its own, and words beside it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from html import escape as escaped
from zoneinfo import ZoneInfo

from kentongan import telling
from kentongan.clock import Milliseconds
from kentongan.quick_dataclass import dataclass
from kentongan.report.shapes import Span

_BAR = 26
_ROW = 46
_TOP = 30
_BELOW = 48
_NEAR = 5.0
"""Percent of the width that two numbers need between them, to stand on one line."""

FATES: Mapping[str, tuple[str, str]] = {
    "read": ("out", "solid"),
    "delivered": ("out", "solid"),
    "accepted": ("sent", "dots"),
    "in_doubt": ("doubt", "cross"),
    "unreachable": ("missed", "hatch"),
    "rejected": ("missed", "hatch"),
    "expired": ("missed", "hatch"),
    "cancelled": ("off", "empty"),
    "planned": ("open", "empty"),
    "claimed": ("open", "empty"),
    "sending": ("open", "empty"),
}
"""How a delivery's word is drawn: class and pattern. Words that mean the same to a reader share one."""

LEGEND: Sequence[tuple[str, str, str]] = (
    ("out", "solid", "delivered or read"),
    ("sent", "dots", "accepted by the provider, no receipt"),
    ("doubt", "cross", "in doubt"),
    ("missed", "hatch", "reached nobody"),
    ("off", "empty", "cancelled, or still open"),
)


def legend(ident: str) -> list[tuple[str, str]]:
    """A sample of every pattern, as SVG, with what it means; `ident` is unique on its page."""
    samples = []
    for name, pattern, meaning in LEGEND:
        own = f"{_prefix(ident)}{name}"
        body = _pattern(own, name, pattern)
        body += f'<rect class="bar {name}" x="1" y="1" width="26" height="12" fill="url(#{own})"/>'
        samples.append((f'<svg class="chart sample" width="28" height="14" aria-hidden="true">{body}</svg>', meaning))
    return samples


def bar(channel: str, words: Mapping[str, int], *, ident: str) -> str:
    """One channel's deliveries as one bar, the whole width standing for all of them; `ident` is unique on its page."""
    total = sum(words.values())
    told = f"{channel}: {telling.states(words)}"
    parts: dict[str, int] = {}
    for word in FATES:
        if words.get(word):
            parts[FATES[word][0]] = parts.get(FATES[word][0], 0) + words[word]
    kinds = {name: pattern for name, pattern, _ in LEGEND} | {"open": "empty"}
    prefix = _prefix(ident)
    body, start = "", 0.0
    for name, count in parts.items():
        # What is rare must still be seen.
        width = max(100.0 * count / total, 1.0)
        width = min(width, 100.0 - start)
        body += _pattern(f"{prefix}{name}", name, kinds[name]) + _segment(f"{prefix}{name}", name, start, width)
        if width >= 14:
            body += f'<text class="on" x="{start + 1.2:.2f}%" y="{_BAR - 8}">{count:,}</text>'
        start += width
    if not parts:
        body = f'<text x="0" y="{_BAR - 8}">nobody to write to</text>'
    return _svg(body, _BAR, told)


def _escape(text: str) -> str:
    return escaped(telling.printable(text))


def _prefix(ident: str) -> str:
    return "b" + hashlib.sha256(ident.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _segment(ident: str, name: str, start: float, width: float) -> str:
    return (
        f'<rect class="bar {name}" x="{start:.2f}%" y="1" width="{width:.2f}%" height="{_BAR - 2}"'
        f' fill="url(#{ident})"/>'
    )


def _pattern(ident: str, name: str, pattern: str) -> str:
    inside = {
        "solid": "",
        "dots": f'<circle class="ink {name}" cx="4" cy="4" r="1.3"/>',
        "cross": f'<path class="ink {name}" d="M0 0L8 8M8 0L0 8"/>',
        "hatch": f'<path class="ink {name}" d="M-2 2L2 -2M0 8L8 0M6 10L10 6"/>',
        "empty": "",
    }[pattern]
    return (
        f'<pattern id="{ident}" width="8" height="8" patternUnits="userSpaceOnUse">'
        f'<rect class="ground {name}" width="8" height="8"/>{inside}</pattern>'
    )


# --- After the press ---


_TICKS: Sequence[tuple[Milliseconds, str]] = (
    (1_000, "1 s"),
    (10_000, "10 s"),
    (60_000, "1 min"),
    (600_000, "10 min"),
    (3_600_000, "1 h"),
    (21_600_000, "6 h"),
    (86_400_000, "1 day"),
)


def after_press(code: str, spans: Sequence[Span], marks: Sequence[tuple[Milliseconds, str]]) -> str:
    """Each channel from its first request to its last acceptance; each step to the right takes longer than the last.

    `marks` are the moments of the alert as a whole with the number that stands in the list below the picture.
    """
    moments = [at for span in spans for at in (span.begun, span.first, span.last) if at is not None]
    longest = max([*moments, *(at for at, _ in marks), 1_000])
    scale = _Scale(longest)
    height = _TOP + _ROW * max(1, len(spans)) + (_BELOW if marks else 4)
    body, foot = "", height - (_BELOW if marks else 2)
    for at, name in scale.ticks():
        x = scale.place(at)
        body += f'<line class="grid" x1="{x:.2f}%" x2="{x:.2f}%" y1="{_TOP - 8}" y2="{foot}"/>'
        edge, left = (" edge", 0.0) if at == 0 else ("", x)
        body += f'<text class="tick{edge}" x="{left:.2f}%" y="14">{name}</text>'
    lines = 0
    for number, (at, name) in enumerate(marks):
        x = scale.place(at)
        near = number > 0 and x - scale.place(marks[number - 1][0]) < _NEAR
        lines = lines + 1 if near else 0
        y = height - _BELOW + 14 + 14 * (lines % 3)
        body += f'<line class="mark" x1="{x:.2f}%" x2="{x:.2f}%" y1="{_TOP - 8}" y2="{y - 12}"/>'
        body += f'<text class="number" x="{x:.2f}%" y="{y}">{_escape(name)}</text>'
    for number, span in enumerate(spans):
        body += _row(span, _TOP + _ROW * number, scale)
    told = "; ".join(_told(span) for span in spans) or "nothing was sent"
    return _svg(body, height, f"Alert {code} after the press. {told}")


def _row(span: Span, top: int, scale: _Scale) -> str:
    first = f"first {telling.span(span.first)}, last {telling.span(span.last)}" if span.first is not None else ""
    told = first or ("no acceptance" if span.begun is not None else "not begun")
    y = top + 30
    body = (
        f'<text x="0" y="{top + 14}"><tspan class="name">{_escape(span.channel)}</tspan>'
        f'<tspan dx="8">{_escape(told)}</tspan></text>'
    )
    ends = [at for at in (span.begun, span.first, span.last) if at is not None]
    if not ends:
        return body
    left, right = scale.place(min(ends)), scale.place(max(ends))
    body += f'<line class="reach" x1="{left:.2f}%" x2="{right:.2f}%" y1="{y}" y2="{y}"/>'
    if span.first is not None:
        x = scale.place(span.first)
        body += f'<circle class="first" cx="{x:.2f}%" cy="{y}" r="5"/>'
    if span.last is not None and span.last != span.first:
        body += f'<line class="last" x1="{right:.2f}%" x2="{right:.2f}%" y1="{y - 7}" y2="{y + 7}"/>'
    return body


def _told(span: Span) -> str:
    if span.first is None:
        return f"{span.channel}: no acceptance"
    return f"{span.channel}: first acceptance after {telling.span(span.first)}, last after {telling.span(span.last)}"


@dataclass(frozen=True, slots=True)
class _Scale:
    """Where a span stands, in percent of the width: tenths of a second and hours in one picture."""

    longest: Milliseconds

    def place(self, at: Milliseconds) -> float:
        return 1.5 + 95.0 * math.log1p(max(0, at) / 400) / math.log1p(self.longest / 400)

    def ticks(self) -> list[tuple[Milliseconds, str]]:
        return [(0, "press"), *((at, name) for at, name in _TICKS if at <= self.longest and self.place(at) > 12)]


# --- The thread ---


@dataclass(frozen=True, slots=True)
class Life:
    """One message of a thread: from its press to when it was over, by wall time; `name` says which it is."""

    name: str
    told: str
    begun: Milliseconds
    over: Milliseconds


def thread(lives: Sequence[Life], *, told: str) -> str:
    """The messages of a thread below each other, each from its press to its end."""
    if not lives:
        return ""
    start, end = min(life.begun for life in lives), max(life.over for life in lives)
    wide = max(end - start, 1)
    height = _ROW * len(lives)
    body = ""
    for number, life in enumerate(lives):
        top = _ROW * number
        left = min(0.5 + 99.0 * (life.begun - start) / wide, 99.0)
        width = min(max(99.0 * (life.over - life.begun) / wide, 0.8), 99.8 - left)
        body += (
            f'<text x="0" y="{top + 14}"><tspan class="name">{_escape(life.name)}</tspan>'
            f'<tspan dx="8">{_escape(life.told)}</tspan></text>'
            f'<rect class="life" x="{left:.2f}%" y="{top + 22}" width="{width:.2f}%" height="14"/>'
        )
    return _svg(body, height, told)


# --- Scores of drills ---


_MOST_SCORES = 24
_HIGH = 120


def scores(found: Sequence[tuple[Milliseconds, int]], zone: ZoneInfo) -> str:
    """One column for each run with its score, the latest last; "" where there is but one run."""
    shown = found[-_MOST_SCORES:]
    if len(shown) < 2:
        return ""
    wide = 100.0 / len(shown)
    body = f'<line class="grid" x1="0" x2="100%" y1="{_HIGH + 20}" y2="{_HIGH + 20}"/>'
    for number, (_, score) in enumerate(shown):
        tall = max(2.0, _HIGH * score / 100)
        left = wide * number
        kind = "life" if number == len(shown) - 1 else "life earlier"
        body += (
            f'<rect class="{kind}" x="{left + wide * 0.12:.2f}%" y="{_HIGH + 20 - tall:.1f}" width="{wide * 0.76:.2f}%"'
            f' height="{tall:.1f}"/>'
            f'<text class="tick" x="{left + wide / 2:.2f}%" y="{_HIGH + 14 - tall:.1f}">{score}</text>'
        )
    first, last = telling.minute(shown[0][0], zone)[:10], telling.minute(shown[-1][0], zone)[:10]
    body += f'<text x="0" y="{_HIGH + 38}">{first}</text><text class="end" x="100%" y="{_HIGH + 38}">{last}</text>'
    told = ", ".join(f"{telling.minute(at, zone)[:10]}: {score}" for at, score in shown)
    return _svg(body, _HIGH + 44, f"Scores out of 100. {told}")


def _svg(body: str, height: int, told: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" width="100%" height="{height}" role="img"'
        f' aria-label="{_escape(told)}"><title>{_escape(told)}</title>{body}</svg>'
    )
