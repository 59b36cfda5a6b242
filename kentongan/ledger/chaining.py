"""The chain of the record: digests of events and links, and how the events of one commit become one link."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def canonical(value: Any) -> str:
    """JSON in the one form that digests are made of: sorted keys, no spaces, no escapes."""
    return _ENCODER.encode(value)


def digest(text: str) -> str:
    """SHA-256 of a text in UTF-8, in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def event_digest(
    chain: str, seq: int, ordinal: int, at: int, kind: str, alert: str | None, delivery: int | None, data: str
) -> str:
    """Digest of one event row as it enters its link."""
    return digest(canonical([chain, seq, ordinal, at, kind, alert, delivery, data]))


def link_digest(previous: str, position: int, events: Sequence[str]) -> str:
    """Digest of one link: the link before it, its place among all commits, and its events, in order."""
    return digest("\n".join([previous, str(position), *events]))
