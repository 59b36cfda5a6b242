"""Work of a command over many rows, in chunks between which whoever sends writes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from kentongan.dispatcher.chunks import Chunks
from kentongan.ledger import Ledger, Write

_LOOKS = 0.105
"""Seconds after which whoever waits for a file has looked again whether it is free (sqlite3_busy_timeout)."""
_HELD_UP = 0.2
"""Seconds for which it may be out of luck before."""

T = TypeVar("T")
S = TypeVar("S")


def in_chunks(ledger: Ledger, act: Callable[[Write, int], T]) -> Iterator[T]:
    """What each chunk has returned, for as long as it is asked; `act` is given how many rows the next may have.

    As much time is left between two as the one before took, and now and then as much as nobody sleeps through.
    """
    chunks, left_at = Chunks(), time.monotonic()
    while True:
        yield ledger.write(chunks.timed(act))
        rest = chunks.rest(gives_way=False)
        if time.monotonic() - left_at > _HELD_UP:
            rest = max(rest, _LOOKS)
        time.sleep(rest)
        if rest >= _LOOKS:
            left_at = time.monotonic()


def piece_by_piece(ledger: Ledger, rows: Sequence[S], act: Callable[[Write, Sequence[S]], T]) -> Iterator[T]:
    """What `act` has returned of each piece of `rows`, until they are through."""
    done = 0

    def put(write: Write, most: int) -> tuple[int, T]:
        piece = rows[done : done + most]
        return len(piece), act(write, piece)

    chunks = in_chunks(ledger, put)
    while done < len(rows):
        count, result = next(chunks)
        done += count
        yield result


def page_by_page(
    ledger: Ledger, page: Callable[[S | None], Sequence[S]], act: Callable[[Write, Sequence[S]], T]
) -> Iterator[T]:
    """The same of rows that are read a page at a time, each behind the last of the one before, while others write."""
    rows = page(None)
    while rows:
        yield from piece_by_piece(ledger, rows, act)
        rows = page(rows[-1])
