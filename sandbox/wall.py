"""The wall: what a citizen would see on each channel, on one page that needs no script."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.stand_in import Message, StandIn

if TYPE_CHECKING:
    import jinja2

BANNER = "SANDBOX - NOBODY WAS WARNED"
SHOWN = 40
"""Recipients of one instance, and messages of one recipient, that stand on the page; the newest."""
_TOKEN = re.compile(r"\s*(\[[^\]\n]{1,40}\])")


def is_drill(text: str) -> bool:
    """Whether a message shows itself as a drill: the bracketed word it begins with stands in its last line too."""
    match = _TOKEN.match(text)
    return match is not None and match.group(1) in text[match.end() :].rstrip().rpartition("\n")[2]


def content(stand_ins: Sequence[StandIn]) -> dict[str, Any]:
    """What the page shows, as JSON: for each instance its public posts and its phones, newest first."""
    return {"banner": BANNER, "channels": [_channel(each) for each in stand_ins]}


def page(stand_ins: Sequence[StandIn], *, now: float, refresh: int = 3) -> str:
    """The page; it reloads itself every `refresh` seconds, never where that is 0."""
    template = _environment().get_template("wall.html")
    return template.render(**content(stand_ins), refresh=refresh, now=_clock(now))


def _channel(stand_in: StandIn) -> dict[str, Any]:
    posts: list[dict[str, Any]] = []
    phones: list[dict[str, Any]] = []
    for recipient, messages in itertools.islice(reversed(stand_in.recipients.items()), SHOWN):
        shown = [_shown(stand_in, message) for message in messages[: -SHOWN - 1 : -1]]
        if _is_public(recipient):
            posts.extend(shown)
        else:
            phones.append({"owner": _masked(recipient), "messages": shown})
    return {
        "kind": stand_in.kind,
        "instance": stand_in.instance,
        "title": stand_in.title,
        "taken": len(stand_in.messages),
        "posts": posts,
        "phones": phones,
        "phones_not_shown": max(0, len(stand_in.recipients) - SHOWN),
    }


def _shown(stand_in: StandIn, message: Message) -> dict[str, Any]:
    return {
        "anchor": f"{stand_in.kind}-{stand_in.instance}-{message.id}",
        "place": message.recipient if message.recipient.startswith("@") else "",
        "text": message.text,
        "earlier": message.earlier,
        "language": message.language,
        "drill": is_drill(message.text),
        "deleted": message.deleted,
        "notes": message.notes,
        "at": _clock(message.taken_at),
    }


def _is_public(recipient: str) -> bool:
    return recipient == "public" or recipient.startswith(("@", "-100"))


def _masked(recipient: str) -> str:
    # A list of real people may have been imported for a rehearsal, and walls get photographed.
    return "…" + recipient[-4:] if len(recipient) > 6 else recipient


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S UTC")


@functools.cache
def _environment() -> jinja2.Environment:
    # Loaded with the first page: whoever only needs the stand-ins does not pay for it.
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
