"""What WordPress makes of what it is given: markup filtered, slugs tidied."""

from __future__ import annotations

import html
import json
import re
from typing import Any

from sandbox.wire import Request

# What WordPress keeps of the markup of a user without the right unfiltered_html, as far as a post may need it.
_ALLOWED = (
    "a|abbr|b|blockquote|br|code|em|figcaption|figure|h[1-6]|hr|i|img|li|ol|p|s|strong|sub|sup|table|tbody|td|tr|ul"
)
_FOREIGN = re.compile(rf"<(?!/?(?:{_ALLOWED})(?:\s[^<>]*)?/?>)[^<>]*>", re.IGNORECASE)
_BREAK = re.compile(r"</(?:p|h[1-6]|li|blockquote|figure)>|<br\s*/?>", re.IGNORECASE)


def body(request: Request) -> dict[str, Any] | None:
    """Returns the body as a JSON object, empty where there is none, None where it cannot be read."""
    if request.media_type != "application/json" or not request.body:
        return {}
    try:
        content = json.loads(request.body)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def raw(value: Any) -> str:
    """A title or content as WordPress takes it: a text, or an object with `raw`."""
    return str(value.get("raw", "")) if isinstance(value, dict) else str(value or "")


def filtered(markup: str) -> str:
    """Takes out the markup that a user without unfiltered_html may not use."""
    return _FOREIGN.sub("", markup)


def seen(markup: str) -> str:
    """The text that a reader of the post sees."""
    text = re.sub(r"<[^<>]*>", "", _BREAK.sub("\n\n", markup.replace("\n", " ")))
    return "\n\n".join(" ".join(part.split()) for part in html.unescape(text).split("\n\n") if part.strip())


def sanitized(slug: str) -> str:
    """A slug as WordPress makes it of what is asked for."""
    return re.sub(r"-{2,}", "-", re.sub(r"[^a-z0-9_-]", "-", slug.lower())).strip("-")
