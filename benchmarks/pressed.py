"""The command `kentongan` that also notes when an alert was pressed: line parsed, imports done, dispatch called next.

    python benchmarks/pressed.py FILE send K7Q4

Into FILE goes the moment on this machine's monotonic clock.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def note_press(file: Path) -> None:
    """Lets the command note when it asks the service to send, or calls what dispatches the alert here."""
    from console import through_service
    from kentongan.desk import releases

    def note() -> None:
        file.write_text(repr(time.monotonic()), "ascii")

    there, here = through_service.There.press, releases.dispatch

    def press(self: through_service.There) -> tuple[str, ...] | None:
        note()
        return there(self)

    def dispatch(*given: Any, **named: Any) -> object:
        note()
        return here(*given, **named)

    through_service.There.press = press  # type: ignore[method-assign]
    releases.dispatch = dispatch  # type: ignore[assignment]


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
