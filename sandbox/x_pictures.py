"""Pictures on their way to X: opened, filled in segments, closed, waited for and described."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox import forms
from sandbox.wire import Answer
from sandbox.x_answers import PROBLEMS, invalid, problem

_IMAGES = {
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff",
    "image/webp": b"RIFF",
    "image/gif": b"GIF8",
}
_IMAGE_LIMIT, _SEGMENT_LIMIT, _MAX_DESCRIPTION = 5 * 1024 * 1024, 5 * 1024 * 1024, 1000


@dataclass
class _Media:
    id: str
    media_type: str
    size: int
    segments: dict[int, bytes] = field(default_factory=dict)
    polls: int = 0
    finalized: bool = False
    description: str = ""

    @property
    def content(self) -> bytes:
        return b"".join(self.segments[number] for number in sorted(self.segments))


class Pictures:
    """The uploads of one account; `polls`: how often X says that it is still at work on one."""

    def __init__(self, now: Callable[[], float], new_id: Callable[[], str]) -> None:
        self._now = now
        self._new_id = new_id
        self._media: dict[str, _Media] = {}
        self.polls = 0

    def clear(self) -> None:
        """Forgets all uploads."""
        self._media.clear()

    def usable(self, id: str) -> bool:
        """Whether a post may carry it."""
        return id in self._media and self._media[id].finalized and not self._media[id].polls

    def note(self, id: str) -> str:
        """What the wall says of it."""
        return f"picture: {self._media[id].description or 'without a description'}"

    def initialize(self, form: forms.Form) -> Answer:
        """Opens an upload."""
        media_type, size = form.text("media_type"), form.values.get("total_bytes")
        if form.values.keys() - {"media_type", "media_category", "total_bytes", "shared", "additional_owners"}:
            return invalid("the body has a field that is not known")
        if form.text("media_category") != "tweet_image" or media_type not in _IMAGES:
            return invalid("This stand-in takes pictures only: media_category tweet_image")
        if not isinstance(size, int) or not 0 < size <= _IMAGE_LIMIT:
            return invalid(f"total_bytes: a picture has 1 to {_IMAGE_LIMIT} bytes")
        media = _Media(self._new_id(), media_type, size, polls=self.polls)
        self._media[media.id] = media
        return Answer.of(200, {"data": {"id": media.id, "media_key": f"3_{media.id}", "expires_after_secs": 86400}})

    def append(self, id: str, form: forms.Form) -> Answer:
        """Takes one segment of it."""
        media, file = self._media.get(id), form.files.get("media")
        number = form.text("segment_index")
        if media is None or media.finalized or file is None or not number.isdigit() or int(number) > 999:
            return invalid("media and segment_index (0 to 999) are required, of an upload that is open")
        if len(file.content) > _SEGMENT_LIMIT:
            return invalid("the segment is too large")
        media.segments[int(number)] = file.content
        return Answer.of(200, {"data": {"expires_at": int(self._now()) + 86400}})

    def finalize(self, id: str) -> Answer:
        """Closes it."""
        media = self._media.get(id)
        if (
            media is None
            or len(media.content) != media.size
            or sorted(media.segments) != list(range(len(media.segments)))
        ):
            return invalid("Segments do not add up to provided total file size.")
        if not media.content.startswith(_IMAGES[media.media_type]):
            return invalid("media type unrecognized.")
        media.finalized = True
        return self._view(media)

    def status(self, id: str) -> Answer:
        """Says whether X is done with it."""
        media = self._media.get(id)
        if media is None or not media.finalized:
            return problem(404, f"{PROBLEMS}resource-not-found", "Not Found Error", f"Could not find media [{id}].")
        media.polls = max(0, media.polls - 1)
        return self._view(media)

    def _view(self, media: _Media) -> Answer:
        view: dict[str, Any] = {"id": media.id, "media_key": f"3_{media.id}", "size": media.size}
        if media.polls:
            view["processing_info"] = {"state": "in_progress", "check_after_secs": 1, "progress_percent": 50}
        return Answer.of(200, {"data": view})

    def describe(self, form: forms.Form) -> Answer:
        """Takes its alternative text."""
        media, metadata = self._media.get(form.text("id")), form.values.get("metadata")
        alt = metadata.get("alt_text") if isinstance(metadata, dict) else None
        text = alt.get("text") if isinstance(alt, dict) else None
        if media is None or not isinstance(text, str) or len(text) > _MAX_DESCRIPTION:
            return invalid(f"id and metadata.alt_text.text (at most {_MAX_DESCRIPTION} characters) are required")
        media.description = text
        return Answer.of(200, {"data": {"id": media.id, "associated_metadata": {"alt_text": {"text": text}}}})
