"""A file on a disk that hangs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Hanging:
    """A file that is meanwhile a pipe which nobody writes into: whoever opens it waits, as on a disk that hangs."""

    path: Path

    def __enter__(self) -> None:
        self.path.rename(self.path.with_name("kept"))
        os.mkfifo(self.path, 0o600)

    def __exit__(self, *_: object) -> None:
        # Whoever waits is let go, with nothing to read.
        os.close(os.open(self.path, os.O_RDWR | os.O_NONBLOCK))
        self.path.with_name("kept").rename(self.path)
