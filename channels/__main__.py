"""Writes the page on all channels to standard output: `python -m channels > docs/channels.md`."""

from __future__ import annotations

import sys

from channels._reference import page

if __name__ == "__main__":
    sys.stdout.write(page())
