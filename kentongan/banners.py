"""What stands first on every page about an alert, so that nobody takes one thing for another."""

from __future__ import annotations

from collections.abc import Mapping

SANDBOX = "SANDBOX - NOBODY WAS WARNED"
BREAK_GLASS = "BREAK-GLASS - one officer sent this alone"

BANNERS: Mapping[str, str] = {
    "live": "LIVE - this warns the public",
    "drill": "DRILL - marked as an exercise, on drill channels only",
    "exercise": "PUBLIC EXERCISE - marked as an exercise, on the real accounts, for everybody",
}
"""By `kentongan.seam.Mode`."""
