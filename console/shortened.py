"""What a message leaves out for want of room, said beside it wherever officers read a message before it leaves."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from console import output

if TYPE_CHECKING:
    from kentongan.seam import Rendered


def show(message: Rendered, size: str = "") -> None:
    """Writes under a message what is not in it; `size` says how long it would be in full."""
    shortened = message.shortened
    if shortened is None:
        return
    own = "general" if shortened.form == "general" else f"its {shortened.form}"
    to = f" to {own} form" if shortened.form else " to fit"
    room = f"; in full {size}" if size else ""
    if shortened.full is None:
        _say(f"SHORTENED{to}: its own words cannot be used")
    else:
        _say(f"SHORTENED{to}{room}. {'Not in it word for word' if shortened.form else 'Left out'}:")
    for sentence in shortened.missing:
        _say(f"- {sentence}", indent=2)


def places(messages: Sequence[Rendered]) -> list[str]:
    """The channels and languages of the messages that are shortened: "sms:id"."""
    return [f"{message.instance}:{message.language}" for message in messages if message.shortened is not None]


def to_json(message: Rendered) -> dict[str, Any] | None:
    """The same for programs; null where the message says all that it would."""
    shortened = message.shortened
    if shortened is None:
        return None
    return {"form": shortened.form or None, "full_length": shortened.full, "missing": list(shortened.missing)}


def _say(text: str, indent: int = 0) -> None:
    first = " " * indent
    later = first + "  "
    output.say(textwrap.fill(text, output.NARROW, initial_indent=first, subsequent_indent=later, **_WHOLE_WORDS))


_WHOLE_WORDS: dict[str, Any] = {"break_long_words": False, "break_on_hyphens": False}
