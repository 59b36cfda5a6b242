"""The channels that a long-lived process has open, and those that its config came to name since it started."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import channels
from kentongan import config_folder
from kentongan.errors import KentonganError

if TYPE_CHECKING:
    from pathlib import Path

    from flows.house import House
    from kentongan.seam import Channel

_log = logging.getLogger(__name__)


class OpenedChannels(Mapping[str, "Channel"]):
    """The configured channels, for the service: one that the config names only later is opened when it is asked for.

    An alert approved for such a channel must not wait until somebody thinks of starting the service anew. What a
    channel was opened with stays; a config that cannot be read adds none.
    """

    def __init__(self, house: House) -> None:
        """Opens those of the config that `house` has read; raises BadConfig."""
        self._folder = house.folder
        self._seen = self._stamp()
        self._opened = house.open_channels()

    def __getitem__(self, name: str) -> Channel:
        if name not in self._opened:
            self._open_added()
        return self._opened[name]

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._opened))

    def __len__(self) -> int:
        return len(self._opened)

    def _open_added(self) -> None:
        """Opens what was added; reads again only what has changed, for strangers too ask for names (receipts)."""
        stamp = self._stamp()
        if self._folder is None or stamp == self._seen:
            return
        self._seen = stamp
        try:
            settings = config_folder.load(self._folder, channels.settings_models())
        except KentonganError as error:
            _log.warning("changed config not taken", extra={"why": str(error)})
            return
        for name in settings.channels.keys() - self._opened.keys():
            try:
                self._opened |= channels.open(settings, names=[name])
            except KentonganError as error:
                _log.warning("added channel not opened", extra={"instance": name, "why": str(error)})
            else:
                _log.info("added channel opened", extra={"instance": name})

    def _stamp(self) -> tuple[tuple[str, int, int], ...]:
        found: list[Path] = sorted(self._folder.glob("*.yaml")) if self._folder is not None else []
        try:
            return tuple((path.name, (at := path.stat()).st_mtime_ns, at.st_size) for path in found)
        except OSError:
            # It is being changed at this moment; the next look will see it.
            return ()
