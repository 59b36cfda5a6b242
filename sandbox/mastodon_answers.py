"""What Mastodon answers to what it cannot take."""

from __future__ import annotations

from sandbox.wire import Answer


def invalid(error: str) -> Answer:
    """422."""
    return Answer.of(422, {"error": error})


def missing() -> Answer:
    """404."""
    return Answer.of(404, {"error": "Record not found"})
