"""The command `kentongan` that also notes when an alert was pressed: line parsed, imports done, dispatch called next.

    python benchmarks/pressed.py FILE send K7Q4

Into FILE goes the moment on this machine's monotonic clock.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def note_press(file: Path) -> None:
    """Lets following an alert note when it calls what dispatches it."""
    from console.following import Follower
    from kentongan.overview import Overview

    run = Follower.run

    async def noted(self: Follower, begin: Callable[[], object] | None = None) -> tuple[Overview, bool]:
        if begin is None:
            return await run(self)
        dispatch = begin

        def press() -> object:
            file.write_text(repr(time.monotonic()), "ascii")
            return dispatch()

        return await run(self, press)

    Follower.run = noted  # type: ignore[method-assign]


def main() -> int:
    """Runs the rest of the line as `kentongan` would."""
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        print(__doc__)
        return 0 if len(sys.argv) == 2 else 2
    note_press(Path(sys.argv[1]))
    from console.main import main as kentongan

    return kentongan(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
