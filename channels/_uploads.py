"""Pictures on their way to a provider, one request a step: the handle says which of a message's are there."""

from __future__ import annotations

from collections.abc import Mapping

from kentongan.seam import Media, Outcome, Pending, Rendered, Uploaded

_MEDIUM = "medium:"


def missing(message: Rendered, handle: Mapping[str, str]) -> Media | None:
    """The next picture that the provider does not have yet."""
    return next((media for media in message.media if _MEDIUM + media.name not in handle), None)


def reference(handle: Mapping[str, str], name: str) -> str:
    """By what the provider knows a picture that it has."""
    return handle[_MEDIUM + name]


def taken(handle: Mapping[str, str], name: str, reference: str) -> dict[str, str]:
    """The handle, with what the provider calls this picture; "" where the message does without it."""
    return {**handle, _MEDIUM + name: reference}


def alone(handle: Mapping[str, str]) -> dict[str, str]:
    """What the handle says of pictures that are there, without the steps of the one that was on its way."""
    return {name: value for name, value in handle.items() if name.startswith(_MEDIUM)}


def progress(message: Rendered, handle: Mapping[str, str]) -> Uploaded | Outcome:
    """All references where none is missing, else the next step."""
    if missing(message, handle) is not None:
        return Pending(handle, 0.0, irreversible_next=False)
    found = {media.name: reference(handle, media.name) for media in message.media}
    return Uploaded({name: value for name, value in found.items() if value})
