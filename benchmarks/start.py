"""How long a command takes to start: `kentongan --help` beside an empty Python, the best and the median of ten.

The goal is under 0.3 s on a machine that does nothing else.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUNS = 10


def main() -> int:
    """Prints the figures."""
    empty = [seconds("-c", "pass") for _ in range(RUNS)]
    shown = [seconds("-m", "console.main", "--help") for _ in range(RUNS)]
    for name, taken in (("empty Python", empty), ("kentongan --help", shown)):
        print(f"{name:17} best {min(taken):.3f} s, median {statistics.median(taken):.3f} s")
    print(f"ratio of the best {min(shown) / min(empty):.1f}")
    return 0


def seconds(*arguments: str) -> float:
    """Seconds that Python takes with these arguments, from start to end."""
    began = time.monotonic()
    subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, check=True)
    return time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
