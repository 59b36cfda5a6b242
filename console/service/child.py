"""What children of a process of ours have in common: their output is kept in a file, and they are ended in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path

from console.service.log import LogFile

_GRACE = 4.0
"""Seconds that a child has to end by itself before it is killed."""


async def keep_output(process: asyncio.subprocess.Process, file: Path) -> None:
    """Writes what a child says to `file`, which never grows beyond a few megabytes, until the child closes it.

    It is read although the file cannot be written: a child whose pipe is full stands still.
    """
    handler = LogFile(file, maxBytes=2_000_000, backupCount=2, encoding="utf-8", delay=True)
    handler.terminator = ""
    assert process.stdout is not None
    with contextlib.closing(handler):
        while chunk := await process.stdout.read(65_536):
            handler.emit(logging.makeLogRecord({"msg": chunk.decode("utf-8", "replace")}))


async def end(process: asyncio.subprocess.Process, exited: asyncio.Task[int]) -> None:
    """Asks a child to end, and kills it where it does not; `exited` waits for it."""
    for act in (process.terminate, process.kill):
        with contextlib.suppress(ProcessLookupError):
            if not exited.done():
                act()
        await asyncio.wait([exited], timeout=_GRACE)
        if exited.done():
            return
