"""The scores of a drill over time as one SVG picture: a point for each run, on a scale from 0 to 100."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from html import escape

from kentongan.clock import to_datetime
from kentongan.ledger.drills import State, StoredDrill

_HEIGHT = 150
_TOP, _BOTTOM = 14.0, 110.0
_MOST = 24
"""Runs in one picture: more points than this cannot be told apart on a telephone."""


def plot(results: Sequence[StoredDrill]) -> str:
    """The runs in their order, the newest last; a run without a score is a cross below. "" where there is none.

    It brings its own few styles as attributes, so that it is readable wherever it stands.
    """
    runs = [each for each in results if each.state in (State.DONE, State.STOPPED, State.DROPPED)][-_MOST:]
    if not runs:
        return ""
    told = "; ".join(f"{_day(run)}: {_said(run)}" for run in runs)
    places = [4.0 + 92.0 * number / max(1, len(runs) - 1) if len(runs) > 1 else 50.0 for number in range(len(runs))]
    body = "".join(_line(value) for value in (0, 50, 100))
    scored = [(x, run.score) for x, run in zip(places, runs, strict=True) if run.score is not None]
    for (left, before), (right, after) in itertools.pairwise(scored):
        ends = f'x1="{left:.2f}%" y1="{_y(before):.1f}" x2="{right:.2f}%" y2="{_y(after):.1f}"'
        body += f'<line {ends} stroke="currentColor" stroke-width="2"/>'
    for x, run in zip(places, runs, strict=True):
        if run.score is None:
            body += f'<text x="{x:.2f}%" y="{_BOTTOM + 4}" text-anchor="middle" fill="currentColor">×</text>'
            continue
        y = _y(run.score)
        body += f'<circle cx="{x:.2f}%" cy="{y:.1f}" r="4" fill="currentColor"/>'
        if run is runs[-1] or run is runs[0]:
            below = y < 30
            body += _text(x, y + (18 if below else -9), str(run.score), bold=True)
    body += _text(places[0], _HEIGHT - 12, _day(runs[0]), edge="start" if len(runs) > 1 else "middle")
    if len(runs) > 1:
        body += _text(places[-1], _HEIGHT - 12, _day(runs[-1]), edge="end")
    name = escape(f"Scores of drill {runs[-1].scenario or 'drafted by hand'}, out of 100. {told}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" width="100%" height="{_HEIGHT}" role="img"'
        f' font-size="13" aria-label="{name}"><title>{name}</title>{body}</svg>'
    )


def _y(score: int) -> float:
    return _BOTTOM - (_BOTTOM - _TOP) * score / 100


def _line(value: int) -> str:
    y = _y(value)
    return (
        f'<line x1="4%" x2="96%" y1="{y:.1f}" y2="{y:.1f}" stroke="currentColor" stroke-opacity="0.25"/>'
        f'<text x="0" y="{y + 4:.1f}" fill="currentColor" fill-opacity="0.7">{value}</text>'
    )


def _text(x: float, y: float, words: str, *, edge: str = "middle", bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.2f}%" y="{y:.1f}" text-anchor="{edge}" fill="currentColor"{weight}>{escape(words)}</text>'


def _day(run: StoredDrill) -> str:
    at = run.began_at or run.slot or run.ended_at or 0
    return f"{to_datetime(at):%Y-%m-%d}"


def _said(run: StoredDrill) -> str:
    return str(run.score) if run.score is not None else f"{run.state.value}{f', {run.why}' if run.why else ''}"
