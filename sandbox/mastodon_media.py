"""Files on their way to a Mastodon post: uploaded, worked on, described, attached."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox import forms
from sandbox.mastodon_answers import invalid, missing
from sandbox.wire import Answer

MAX_MEDIA = 4
IMAGE_LIMIT, VIDEO_LIMIT = 16 * 1024 * 1024, 99 * 1024 * 1024
_IMAGES = {
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff",
    "image/gif": b"GIF8",
    "image/webp": b"RIFF",
}
_VIDEOS = ("video/mp4", "video/webm", "video/quicktime", "audio/mpeg", "audio/ogg", "audio/wav")
MEDIA_TYPES = (*_IMAGES, *_VIDEOS)


@dataclass
class _Media:
    id: str
    kind: str
    description: str | None
    polls: int
    attached: bool = False


class Uploads:
    """The uploads of one account; `polls`: how often 206 is answered until one is ready, None: as Mastodon does."""

    def __init__(self, new_id: Callable[[], str]) -> None:
        self._new_id = new_id
        self._media: dict[str, _Media] = {}
        self.polls: int | None = None

    def clear(self) -> None:
        """Forgets all uploads."""
        self._media.clear()

    def fault(self, ids: Sequence[str], kept: Sequence[str]) -> str:
        """Why a post cannot carry these, "" where it can; `kept` are those that it carries already."""
        if len(ids) > MAX_MEDIA:
            return f"Cannot attach more than {MAX_MEDIA} files"
        known = [self._media.get(id) for id in ids]
        if any(m is None or (m.attached and m.id not in kept) for m in known):
            return "Validation failed: Media not found, or already attached to another post"
        if any(m is not None and m.polls > 0 for m in known):
            return "Cannot attach files that have not finished processing. Try again in a moment!"
        if len(ids) > 1 and any(m is not None and m.kind != "image" for m in known):
            return "Cannot attach a video to a post that already contains images"
        return ""

    def attach(self, id: str) -> str:
        """Gives it to a post; returns what the wall says of it."""
        media = self._media[id]
        media.attached = True
        return f"{media.kind}: {media.description or 'without a description'}"

    def upload(self, form: forms.Form, origin: str) -> Answer:
        """Takes a file."""
        file = form.files.get("file")
        if file is None:
            return invalid("Validation failed: File can't be blank")
        image = file.media_type in _IMAGES
        fits = len(file.content) <= (IMAGE_LIMIT if image else VIDEO_LIMIT)
        genuine = file.content.startswith(_IMAGES[file.media_type]) if image else file.media_type in _VIDEOS
        if not (fits and genuine and file.content):
            return invalid("Validation failed: File content type is invalid, File is invalid")
        # Since 4.0 images are ready at once, longer media are not.
        polls = self.polls if self.polls is not None else (0 if image else 2)
        kind = "image" if image else file.media_type.partition("/")[0]
        media = _Media(self._new_id(), kind, form.text("description") or None, polls)
        self._media[media.id] = media
        return Answer.of(202 if polls else 200, _view(media, origin))

    def processing(self, id: str, origin: str) -> Answer:
        """Says whether Mastodon is done with it."""
        media = self._media.get(id)
        if media is None or media.attached:
            return missing()
        if media.polls > 0:
            media.polls -= 1
            return Answer.of(206, _view(media, origin, ready=False))
        return Answer.of(200, _view(media, origin))

    def view(self, id: str, origin: str) -> dict[str, Any]:
        """An upload as a post shows it."""
        return _view(self._media[id], origin)


def _view(media: _Media, origin: str, ready: bool = True) -> dict[str, Any]:
    done = ready and media.polls == 0
    return {
        "id": media.id,
        "type": media.kind,
        "url": f"{origin}/#media-{media.id}" if done else None,
        "preview_url": f"{origin}/#media-{media.id}",
        "remote_url": None,
        "description": media.description,
    }
