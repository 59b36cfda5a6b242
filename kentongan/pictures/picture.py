"""One picture as a draft names it, and what makes a file one."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import PurePath

from pydantic import BaseModel, ConfigDict

from kentongan.errors import BadInput
from kentongan.pictures.formats import NoPicture, still
from kentongan.seam import Pictures
from kentongan.words.cleaning import clean

LARGEST = 8_000_000
"""Bytes of a file that may become a picture."""

MOST = 4
"""Pictures of one alert: what the strictest of the channels that carry several takes."""

_WIDEST = 8_192
_SMALLEST = 64
# Of the 1,000 that X takes, the rest is for the drill mark.
_LONGEST = 900
_ENDINGS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}


class Picture(BaseModel):
    """A picture of a draft: `digest` is the SHA-256 under which the ledger keeps it, `description` what it shows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    media_type: str
    digest: str
    size: int
    width: int
    height: int
    description: str


def digest_of(content: bytes) -> str:
    """The name under which the ledger keeps a picture."""
    return hashlib.sha256(content).hexdigest()


def read(name: str, content: bytes, description: str) -> tuple[Picture, bytes, tuple[str, ...]]:
    """Checks a file and returns the picture, its content without metadata, and what the officer should know.

    Raises BadInput naming the file and the remedy.
    """
    told = _description(name, description)
    if len(content) > LARGEST:
        raise BadInput(f"{name} is larger than {LARGEST:,} bytes; save it smaller")
    try:
        found = still(content)
    except NoPicture as fault:
        raise BadInput(f"{name} {fault}; save it anew as JPEG, PNG or a WebP that does not move") from None
    if not _SMALLEST <= min(found.width, found.height) <= max(found.width, found.height) <= _WIDEST:
        size = f"{found.width} by {found.height}"
        raise BadInput(f"{name} is {size} pixels; each side must have {_SMALLEST} to {_WIDEST:,}: save it in that size")
    picture = Picture(
        name=_file_name(name, found.media_type),
        media_type=found.media_type,
        digest=digest_of(found.content),
        size=len(found.content),
        width=found.width,
        height=found.height,
        description=told,
    )
    warnings = (f"{name} said where it was taken; that was taken out",) if found.located else ()
    return picture, found.content, warnings


def named_apart(pictures: Sequence[Picture]) -> tuple[Picture, ...]:
    """The same pictures, each once and with a name of its own; raises BadInput for more than `MOST`."""
    once = list({picture.digest: picture for picture in pictures}.values())
    if len(once) > MOST:
        raise BadInput(f"an alert carries at most {MOST} pictures and these are {len(once)}; leave some out")
    taken: set[str] = set()
    apart = []
    for picture in once:
        stem, _, ending = picture.name.rpartition(".")
        names = (picture.name, *(f"{stem}-{number}.{ending}" for number in range(2, MOST + 2)))
        name = next(name for name in names if name not in taken)
        taken.add(name)
        apart.append(picture.model_copy(update={"name": name}))
    return tuple(apart)


def unfit(picture: Picture, limits: Pictures) -> str:
    """Why a channel with these limits cannot carry the picture, as the end of a sentence; "" where it can."""
    if picture.media_type not in limits.types:
        return f"is {picture.media_type}, which it does not take"
    if picture.size > limits.size:
        return f"has {picture.size:,} bytes and it takes {limits.size:,}"
    if len(picture.description) > limits.description:
        return f"is described in {len(picture.description):,} characters and it takes {limits.description:,}"
    return ""


def _description(name: str, description: str) -> str:
    told = clean(description)
    letters = sum(map(str.isalpha, told))
    if not letters:
        raise BadInput(f"{name} has no alternative text; say what the picture shows with --alt")
    if told.isupper() and letters > 1:
        raise BadInput(f"the alternative text of {name} is all in capitals, read out letter by letter; write words")
    if told.casefold() in (name.casefold(), PurePath(name).name.casefold(), PurePath(name).stem.casefold()):
        raise BadInput(f"the alternative text of {name} is its file name; say what the picture shows")
    if len(told) > _LONGEST:
        raise BadInput(f"the alternative text of {name} has {len(told):,} characters; at most {_LONGEST:,} fit")
    return told


def _file_name(name: str, media_type: str) -> str:
    """A name that every provider takes: small ASCII letters, digits and hyphens, and the ending of what it is."""
    stem = re.sub(r"[^a-z0-9]+", "-", PurePath(name).stem.lower()).strip("-")[:60]
    return f"{stem or 'picture'}.{_ENDINGS[media_type]}"
