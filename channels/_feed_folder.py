"""One feed on disk: its entries, and the three lists made anew from them at every change."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from channels import _atom, _publishing, _rss
from kentongan.seam import Media

logger = logging.getLogger(__name__)

FILES: Mapping[str, str] = {_atom.CAP_TYPE: "alert.xml", "text/html": "index.html"}
"""What a feed publishes, and under which name, by media type."""

PICTURE = re.compile(r"[a-z0-9][a-z0-9-]*\.(?:jpg|png|webp)")
"""Names of the pictures that stand beside a page."""

_ENTRY = "entry.json"


class FeedFolder(BaseModel):
    """The folder and how its lists are headed; changes are made under `_publishing.locked` only.

    All methods raise what `_publishing` raises.
    """

    model_config = ConfigDict(frozen=True)

    folder: Path
    base_url: str
    title: str
    author: str
    language: str
    most: int

    def entry(self, stem: str) -> _atom.Entry | None:
        """The alert of this name, None where it is not complete."""
        try:
            return _atom.Entry.model_validate_json((self.folder / stem / _ENTRY).read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError:
            logger.warning("an entry of the feed cannot be read and is left out", extra={"entry": stem})
            return None

    def put(self, entry: _atom.Entry, files: Mapping[str, bytes], pictures: Sequence[Media], now: datetime) -> None:
        """Publishes pictures, then `files`, by media type, then the entry, then the lists with it."""
        _publishing.publish(
            self.folder,
            {
                **{f"{entry.stem}/{picture.name}": picture.content for picture in pictures},
                **{f"{entry.stem}/{FILES[media_type]}": content for media_type, content in files.items()},
                f"{entry.stem}/{_ENTRY}": entry.model_dump_json(indent=1).encode(),
                **self._lists(entry, now),
            },
        )

    def remove(self, stem: str, now: datetime) -> None:
        """Takes one alert's files away, its entry first, and it out of the lists."""
        with contextlib.suppress(FileNotFoundError):
            _publishing.withdraw(self.folder / stem, (_ENTRY, *FILES.values(), *self._pictures(stem)))
        _publishing.publish(self.folder, self._lists(None, now))

    def remove_pictures(self, stem: str) -> None:
        """Takes the pictures of one alert away."""
        _publishing.withdraw(self.folder / stem, self._pictures(stem))

    def _pictures(self, stem: str) -> tuple[str, ...]:
        return tuple(path.name for path in (self.folder / stem).iterdir() if PICTURE.fullmatch(path.name))

    def _lists(self, new: _atom.Entry | None, now: datetime) -> dict[str, bytes]:
        present = {path.parent.name: self.entry(path.parent.name) for path in self.folder.glob(f"*/{_ENTRY}")}
        if new is not None:
            present[new.stem] = new
        entries = _atom.listed([entry for entry in present.values() if entry], now=now, most=self.most)
        return {
            "feed.xml": _atom.feed(entries, base_url=self.base_url, title=self.title, author=self.author, now=now),
            "feed.rss": _rss.feed(entries, base_url=self.base_url, title=self.title, language=self.language, now=now),
            "index.html": _atom.index(entries, title=self.title, language=self.language),
        }
