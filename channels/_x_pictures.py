"""An X account's pictures on their way: initialize, append, finalize, wait, describe, each one request a call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol
from urllib.parse import quote

from pydantic import JsonValue

from channels import _uploads
from channels._reading import Answer, reversible, unreadable
from kentongan.seam import Media, Outcome, Pending, Rejected, Rendered, Uploaded, Why

SEGMENT = 1024 * 1024
"""Bytes of a picture in one request."""

POLL = 1.0
"""Seconds between two questions where X does not say how long."""

_NAME, _STEP, _ID, _SEGMENT = "name", "step", "id", "segment"


class Ask(Protocol):
    """Makes one request that may be made again."""

    async def __call__(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        fields: Mapping[str, JsonValue] | None = None,
        form: Mapping[str, str] | None = None,
        files: Mapping[str, tuple[str, bytes, str]] | None = None,
    ) -> Answer | Outcome:
        """Returns the answer where it is a success, else what became of the request."""


class PicturesOnTheirWay:
    """Takes one step of an upload a call; what is known so far stands in the handle."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def begin(self, message: Rendered) -> Uploaded | Outcome:
        """Takes the first step of the first picture."""
        return await self._next(message, {})

    async def advance(self, message: Rendered, known: Mapping[str, str]) -> Uploaded | Outcome:
        """Takes the step that the handle names."""
        handle = dict(known)
        step, name = handle.get(_STEP), handle.get(_NAME)
        media = next((media for media in message.media if media.name == name), None)
        if step is None or media is None:
            return await self._next(message, handle)
        match step:
            case "append":
                return await self._append(handle, media)
            case "finalize":
                path = f"/2/media/upload/{quote(handle[_ID], safe='')}/finalize"
                return self._processing(handle, await self._ask("POST", path), message, media)
            case "status":
                query = {"command": "STATUS", "media_id": handle[_ID]}
                return self._processing(handle, await self._ask("GET", "/2/media/upload", query=query), message, media)
            case _:
                return await self._describe(handle, message, media)

    async def _next(self, message: Rendered, handle: Mapping[str, str]) -> Uploaded | Outcome:
        media = _uploads.missing(message, handle)
        if media is None:
            return _uploads.progress(message, handle)
        fields: dict[str, JsonValue] = {
            "media_type": media.media_type,
            "media_category": "tweet_image",
            "total_bytes": len(media.content),
        }
        asked = await self._ask("POST", "/2/media/upload/initialize", fields=fields)
        if not isinstance(asked, Answer):
            return reversible(asked)
        identifier = data(asked).get("id")
        if not isinstance(identifier, str):
            return reversible(unreadable(asked))
        return _step({**handle, _NAME: media.name, _ID: identifier, _SEGMENT: "0"}, "append")

    async def _append(self, handle: dict[str, str], media: Media) -> Uploaded | Outcome:
        number = int(handle[_SEGMENT])
        part = media.content[number * SEGMENT : (number + 1) * SEGMENT]
        asked = await self._ask(
            "POST",
            f"/2/media/upload/{quote(handle[_ID], safe='')}/append",
            form={"segment_index": str(number)},
            files={"media": (media.name, part, "application/octet-stream")},
        )
        if not isinstance(asked, Answer):
            return reversible(asked)
        if (number + 1) * SEGMENT < len(media.content):
            return _step({**handle, _SEGMENT: str(number + 1)}, "append")
        return _step(handle, "finalize")

    def _processing(
        self, handle: dict[str, str], asked: Answer | Outcome, message: Rendered, media: Media
    ) -> Uploaded | Outcome:
        if not isinstance(asked, Answer):
            return reversible(asked)
        said = data(asked)
        if said.get("id") != handle[_ID]:
            return reversible(unreadable(asked))
        processing = said.get("processing_info")
        state = processing.get("state", "succeeded") if isinstance(processing, dict) else "succeeded"
        if state == "failed":
            return Rejected("X cannot use the picture", Why.PAYLOAD)
        if state != "succeeded":
            after = processing.get("check_after_secs") if isinstance(processing, dict) else None
            wait = float(after) if isinstance(after, (int, float)) and not isinstance(after, bool) else POLL
            return Pending({**handle, _STEP: "status"}, min(max(wait, 0.0), 60.0), irreversible_next=False)
        return _step(handle, "describe") if media.description else _taken(handle, message)

    async def _describe(self, handle: dict[str, str], message: Rendered, media: Media) -> Uploaded | Outcome:
        fields: dict[str, JsonValue] = {
            "id": handle[_ID],
            "metadata": {"alt_text": {"text": media.description}},
        }
        asked = await self._ask("POST", "/2/media/metadata", fields=fields)
        return _taken(handle, message) if isinstance(asked, Answer) else reversible(asked)


def data(answer: Answer) -> Mapping[str, JsonValue]:
    """What X wraps its answers in; empty where there is none."""
    found = answer.fields.get("data")
    return found if isinstance(found, dict) else {}


def _step(handle: Mapping[str, str], step: str) -> Pending:
    return Pending({**handle, _STEP: step}, 0.0, irreversible_next=False)


def _taken(handle: Mapping[str, str], message: Rendered) -> Uploaded | Outcome:
    return _uploads.progress(message, _uploads.taken(_uploads.alone(handle), handle[_NAME], handle[_ID]))
