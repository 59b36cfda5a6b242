"""What an officer sees while an alert is being sent: a live table on a terminal, a line now and then elsewhere.

Whatever becomes of the terminal, the sending goes on: a line that cannot be written is left out.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from console import output, standing

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from rich.live import Live

    from kentongan.overview import Overview

_EVERY = 5.0
"""Seconds between two lines where there is no terminal."""


class Progress(Protocol):
    """Shows how far an alert is."""

    def show(self, seen: Overview) -> None:
        """Shows the alert as it stands."""

    def say(self, sentence: str) -> None:
        """Says something that the officer must know."""

    def close(self) -> None:
        """Leaves the last picture standing."""


def progress(zone: ZoneInfo) -> Progress:
    """The progress that fits what is at the other end."""
    if output.wants_json():
        return Quiet()
    return LiveTable(zone) if sys.stdout.isatty() else Lines()


class Quiet:
    """Shows nothing but what must be known, on standard error."""

    def show(self, seen: Overview) -> None:
        """Shows nothing."""

    def say(self, sentence: str) -> None:
        """Says it on standard error."""
        with contextlib.suppress(OSError):
            output.warn(sentence)

    def close(self) -> None:
        """Does nothing."""


class Lines:
    """A line for each change, no more often than every five seconds, on standard error; the end is a page."""

    def __init__(self) -> None:
        self._last = ""
        self._at = 0.0

    def show(self, seen: Overview) -> None:
        """Writes one line where something has changed."""
        line = "; ".join(f"{channel.name} {standing.channel_state(seen, channel)}" for channel in seen.channels)
        now = time.monotonic()
        if line == self._last or (seen.open and now - self._at < _EVERY):
            return
        self._last, self._at = line, now
        self.say(line)

    def say(self, sentence: str) -> None:
        """Says it on standard error."""
        with contextlib.suppress(OSError):
            output.warn(sentence)

    def close(self) -> None:
        """Does nothing: the page at the end says it all."""


class LiveTable:
    """The table, redrawn in place."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._live: Live | None = None
        self._broken = False

    def show(self, seen: Overview) -> None:
        """Draws the table anew."""
        self._write(lambda: self._draw(seen))

    def say(self, sentence: str) -> None:
        """Writes the sentence above the table."""
        self._write(lambda: self._print(output.printable(sentence)))

    def close(self) -> None:
        """Leaves the table as it was drawn last."""
        if self._live is not None:
            self._write(self._live.stop)
            self._live = None

    def _draw(self, seen: Overview) -> None:
        if self._live is None:
            from rich.live import Live

            self._live = Live(console=output.terminal(), auto_refresh=False)
            self._live.start()
        self._live.update(standing.table(seen, self._zone), refresh=True)

    def _print(self, text: str) -> None:
        if self._live is None:
            output.say(text)
        else:
            self._live.console.print(text)

    def _write(self, act: Callable[[], None]) -> None:
        if self._broken:
            return
        try:
            act()
        except OSError:
            self._broken = True
