"""Where bounces go, and what they say: an envelope sender that carries the key (VERP), and the reports sent to it.

The envelope sender is `<local>+<key>-<tag>@<domain>`; the tag is an HMAC of the key, so that nobody who has not got a
message of ours can report on it (as BATV does). Pure. Sources: RFC 3464 (delivery status notifications), RFC 6522
(multipart/report), draft-levine-smtp-batv.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser

from pydantic import SecretStr

from kentongan.seam import Confirmed, Receipt

MOST_BYTES = 1_048_576
"""Bytes of a bounce that are read; one with the whole original returned is longer and says nothing more."""

_KEY = re.compile(r"[0-9a-z]{1,40}")
_TAG_LENGTH = 16
_ACTIONS = {
    "delivered": Confirmed.DELIVERED,
    "failed": Confirmed.UNREACHABLE,
    "relayed": Confirmed.ACCEPTED,
    "expanded": Confirmed.ACCEPTED,
}
_STATUS = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}")
# Where the address that a bounce was sent to stands, by who wrote it: the reporter, or the server that took it in.
_ADDRESSED = ("to", "delivered-to", "x-original-to", "envelope-to", "x-envelope-to")


@dataclass(frozen=True, slots=True)
class Bounces:
    """The address that bounces return to, and the key by which ours are known."""

    address: str
    secret: SecretStr

    def sender(self, key: str) -> str:
        """The envelope sender of the delivery with this key; the plain address for a key that no address can hold."""
        local, _, domain = self.address.rpartition("@")
        return f"{local}+{key}-{self._tag(key)}@{domain}" if _KEY.fullmatch(key) else self.address

    def read(self, content: bytes) -> Receipt | None:
        """Reads a message sent to one of our envelope senders; None where it is no report, or not on one of ours.

        An automatic answer of a person, and a report of mere delay, are none either. Raises nothing.
        """
        if len(content) > MOST_BYTES:
            return None
        try:
            message = BytesParser().parsebytes(content)
            key = next(self._keys(message), None)
            told = list(_told(message)) if key is not None else []
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return None  # hostile or broken beyond what the parser forgives
        if key is None or not told:
            return None
        # An address that forwards to several brings one report on each: the best of them is what became of ours.
        confirmed, status = max(told, key=lambda each: _ORDER.index(each[0]))
        return Receipt(confirmed, key=key, reason=status)

    def _keys(self, message: Message) -> Iterator[str]:
        local, _, domain = self.address.rpartition("@")
        ours = re.compile(
            rf"(?<![^\s<,:;]){re.escape(local)}\+([0-9a-z]{{1,40}})-([0-9a-f]{{{_TAG_LENGTH}}})@{re.escape(domain)}(?![\w.-])",
            re.IGNORECASE,
        )
        for name, value in message.items():
            if name.lower() in _ADDRESSED:
                for key, tag in ours.findall(str(value)):
                    # Some servers change the case of what they return.
                    if hmac.compare_digest(self._tag(key.lower()), tag.lower()):
                        yield key.lower()

    def _tag(self, key: str) -> str:
        secret = self.secret.get_secret_value().encode()
        return hmac.new(secret, b"bounce " + key.encode(), hashlib.sha256).hexdigest()[:_TAG_LENGTH]


_ORDER = (Confirmed.ACCEPTED, Confirmed.UNREACHABLE, Confirmed.DELIVERED)


def _told(message: Message) -> Iterator[tuple[Confirmed, str]]:
    """What each per-recipient group of the report says; nothing where it is no report on delivery."""
    if message.get_content_type() != "multipart/report" or not message.is_multipart():
        return
    for part in message.get_payload():
        if not isinstance(part, Message) or part.get_content_type() != "message/delivery-status":
            continue
        groups = part.get_payload()
        for group in groups if isinstance(groups, list) else ():
            if not isinstance(group, Message):
                continue
            confirmed = _ACTIONS.get(str(group.get("action", "")).split("(")[0].strip().lower())
            if confirmed is not None:
                status = _STATUS.search(str(group.get("status", "")))
                yield confirmed, status.group() if status else ""
