"""Work of a command over many rows, in chunks between which whoever sends writes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from kentongan.dispatcher.chunks import Chunks
from kentongan.ledger import Ledger, Write

T = TypeVar("T")


def in_chunks(ledger: Ledger, act: Callable[[Write, int], T]) -> Iterator[T]:
    """What each chunk has returned, for as long as it is asked; `act` is given how many rows the next may have.

    As much time is left between two as the one before took.
    """
    chunks = Chunks()
    while True:
        yield ledger.write(chunks.timed(act))
        time.sleep(chunks.rest(gives_way=False))
