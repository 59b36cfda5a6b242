"""What stands first on every page about an alert, so that nobody takes one thing for another."""

from __future__ import annotations

from kentongan.seam import Mode

SANDBOX = "SANDBOX - NOBODY WAS WARNED"
BREAK_GLASS = "BREAK-GLASS - one officer sent this alone"

BANNERS = {
    Mode.LIVE: "LIVE - this warns the public",
    Mode.DRILL: "DRILL - marked as an exercise, on drill channels only",
    Mode.EXERCISE: "PUBLIC EXERCISE - marked as an exercise, on the real accounts, for everybody",
}
