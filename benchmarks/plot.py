"""A picture of one run as SVG: a bar for each line with a goal, reached where it ends at the mark or beyond."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from benchmarks.measures import Compare, Sense, Shown, number

_LEFT, _WIDE, _HIGH, _TOP = 460, 420, 26, 46
_MARK = 0.5
_REACHED, _SHORT = "#2f7d4f", "#b3392f"


def share(shown: Shown) -> float:
    """How far a line with a goal has come: 1 is reached exactly, above 1 is better; never below 0."""
    goal = shown.line.goal
    if goal is None:
        raise ValueError(f"{shown.line.title}: a line without a goal has no share of it")
    value = max(shown.compared, 1e-9)
    return value / goal.value if goal.sense is Sense.LEAST else goal.value / value


def svg(title: str, shown: Sequence[Shown]) -> str:
    """The picture; lines without a goal are left out of it."""
    bars = [each for each in shown if each.line.goal is not None]
    high = _TOP + _HIGH * len(bars) + 20
    mark = _LEFT + _WIDE * _MARK
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _WIDE + 130}" height="{high}"'
        ' font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="10" y="18" font-weight="bold">{escape(title)}</text>',
        f'<text x="{mark}" y="38" text-anchor="middle">to reach</text>',
    ]
    for count, each in enumerate(bars):
        y = _TOP + _HIGH * count
        # To the mark is what was to be reached; what is more than twice as good ends at the edge.
        width = _WIDE * min(share(each) * _MARK, 1.0)
        colour = _REACHED if each.reached else _SHORT
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 15}" text-anchor="end">{escape(_name(each))}</text>')
        parts.append(f'<rect x="{_LEFT}" y="{y + 3}" width="{width:.1f}" height="{_HIGH - 9}" fill="{colour}"/>')
        told = f"{number(each.compared)} ({each.line.goal})"
        parts.append(f'<text x="{_LEFT + width + 6:.1f}" y="{y + 15}">{escape(told)}</text>')
    parts.append(f'<line x1="{mark}" y1="42" x2="{mark}" y2="{high - 14}" stroke="black" stroke-dasharray="3 3"/>')
    return "\n".join([*parts, "</svg>", ""])


def _name(shown: Shown) -> str:
    line = shown.line
    name = f"{line.title} / {line.against_title}" if line.compare is Compare.RATIO else line.title
    return name if len(name) <= 72 else f"{name[:71]}…"
