"""The ledger's signed heads, put where they outlive the ledger: a folder of their own, and beside every feed."""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from channels import cap_feed
from flows.house import House
from kentongan.clock import Milliseconds, to_datetime
from kentongan.keys import write_private
from kentongan.ledger.verification import signed_head
from kentongan.seam import Accepted, Channel
from kentongan.state import LATEST_HEAD

_log = logging.getLogger(__name__)

LATEST = LATEST_HEAD

_EVERY_ONE_FOR = 2 * 86_400_000


class Heads:
    """Signs heads and publishes them beside those of `channels` that are feeds; one publication at a time."""

    def __init__(self, house: House, channels: Mapping[str, Channel]) -> None:
        self._house = house
        self._feeds = [channel for channel in channels.values() if isinstance(channel, cap_feed.Adapter)]
        self._folder = house.state.heads
        self._published: dict[str, Any] | None = None
        self._thinned = ""

    async def publish(self) -> bool:
        """Publishes the heads where chains have grown since the last time; True where they had.

        What cannot be written is logged and tried again the next time. Raises LedgerUnavailable.
        """
        read = functools.partial(signed_head, keys=self._house.keys)
        head = await asyncio.to_thread(self._house.ledger.read, read)
        if head["chains"] == self._published:
            return False
        document = json.dumps(head, indent=1, sort_keys=True) + "\n"
        kept = await asyncio.to_thread(self._keep, document, str(head["at"]))
        outcomes = [await feed.publish_heads(document) for feed in self._feeds]
        for feed, outcome in zip(self._feeds, outcomes, strict=True):
            if not isinstance(outcome, Accepted):
                _log.error("heads not published", extra={"instance": feed.name, "outcome": type(outcome).__name__})
        if kept and all(isinstance(outcome, Accepted) for outcome in outcomes):
            self._published = head["chains"]
        return True

    def _keep(self, document: str, at: str) -> bool:
        dated = at.replace(":", "").replace("-", "").replace("+0000", "Z")
        try:
            for name in (f"{dated}.json", LATEST):
                staged = self._folder / f".{secrets.token_hex(8)}"
                write_private(staged, document.encode())
                os.replace(staged, self._folder / name)
            self._thin(self._house.clock.wall())
        except OSError as error:
            _log.error("heads not kept", extra={"folder": str(self._folder), "error": error.strerror})
            return False
        return True

    def _thin(self, now: Milliseconds) -> None:
        """Keeps every head of the last days, and of each day before them the last, which is behind all of its others.

        Once a day, after midnight UTC.
        """
        today, first = (f"{to_datetime(at):%Y%m%d}" for at in (now, now - _EVERY_ONE_FOR))
        if today == self._thinned:
            return
        last: dict[str, Path] = {}
        for path in sorted(self._folder.glob("[0-9]*Z.json")):
            former = last.get(path.name[:8])
            last[path.name[:8]] = path
            if former is not None and former.name[:8] < first:
                former.unlink(missing_ok=True)
        self._thinned = today
