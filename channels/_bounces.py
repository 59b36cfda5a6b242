"""Where bounces go, and what they say: an envelope sender that carries the key (VERP), and the reports sent to it.

The envelope sender is `<local>+<key>-<tag>@<domain>`; the tag is an HMAC of the key, so that nobody who has not got a
message of ours can report on it (as BATV does). Pure. Sources: RFC 3464 (delivery status notifications), RFC 6522
(multipart/report), draft-levine-smtp-batv.

A bounce is read by hand, line after line, since anybody may send one and the standard library's parser takes minutes
over parts within parts or a long quoted parameter.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator, Sequence

from channels._secret import Secret
from kentongan.quick_dataclass import dataclass
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
_REPORT = re.compile(r"\s*multipart/report\s*(?:;|$)", re.IGNORECASE)
_STATUS_PART = re.compile(r"\s*message/delivery-status\s*(?:;|$)", re.IGNORECASE)
_BOUNDARY = re.compile(r";\s{0,80}boundary\s{0,8}=\s{0,8}(?:\"([^\"]{1,70})\"|([^\s;\"]{1,70}))", re.IGNORECASE)
_LONGEST_PARAMETERS = 2000
_STATUS = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}")
# Where the address that a bounce was sent to stands, by who wrote it: the reporter, or the server that took it in.
_ADDRESSED = ("to", "delivered-to", "x-original-to", "envelope-to", "x-envelope-to")


@dataclass(frozen=True, slots=True)
class Bounces:
    """The address that bounces return to, and the key by which ours are known."""

    address: str
    secret: Secret

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
        lines = iter(content.splitlines())
        head = _fields(_head(lines))
        key = next(self._keys(head), None)
        told = list(_told(head, lines)) if key is not None else []
        if key is None or not told:
            return None
        # An address that forwards to several brings one report on each: the best of them is what became of ours.
        confirmed, status = max(told, key=lambda each: _ORDER.index(each[0]))
        return Receipt(confirmed, key=key, reason=status)

    def _keys(self, head: Iterable[tuple[str, str]]) -> Iterator[str]:
        local, _, domain = self.address.rpartition("@")
        ours = re.compile(
            rf"(?<![^\s<,:;]){re.escape(local)}\+([0-9a-z]{{1,40}})-([0-9a-f]{{{_TAG_LENGTH}}})@{re.escape(domain)}(?![\w.-])",
            re.IGNORECASE,
        )
        for name, value in head:
            if name in _ADDRESSED:
                for key, tag in ours.findall(value):
                    # Some servers change the case of what they return.
                    if hmac.compare_digest(self._tag(key.lower()), tag.lower()):
                        yield key.lower()

    def _tag(self, key: str) -> str:
        secret = self.secret.get_secret_value().encode()
        return hmac.new(secret, b"bounce " + key.encode(), hashlib.sha256).hexdigest()[:_TAG_LENGTH]


_ORDER = (Confirmed.ACCEPTED, Confirmed.UNREACHABLE, Confirmed.DELIVERED)


def _told(head: Sequence[tuple[str, str]], lines: Iterable[bytes]) -> Iterator[tuple[Confirmed, str]]:
    """What each per-recipient group of the report says; nothing where it is no report on delivery."""
    kind = _value(head, "content-type")
    boundary = _BOUNDARY.search(kind[:_LONGEST_PARAMETERS]) if _REPORT.match(kind) else None
    if boundary is None:
        return
    for part in _parts(lines, (boundary[1] or boundary[2]).encode("latin-1")):
        rest = iter(part)
        if not _STATUS_PART.match(_value(_fields(_head(rest)), "content-type")):
            continue
        while group := _head(rest):
            fields = _fields(group)
            confirmed = _ACTIONS.get(_value(fields, "action").partition("(")[0].strip().lower())
            if confirmed is not None:
                status = _STATUS.search(_value(fields, "status"))
                yield confirmed, status.group() if status else ""


def _parts(lines: Iterable[bytes], boundary: bytes) -> Iterator[Sequence[bytes]]:
    """The lines of each part between the boundaries, RFC 2046 section 5.1.1; the last may lack its end."""
    part: list[bytes] | None = None
    for line in lines:
        if not line.startswith(b"--" + boundary) or line.rstrip() not in (b"--" + boundary, b"--" + boundary + b"--"):
            if part is not None:
                part.append(line)
            continue
        if part is not None:
            yield part
        part = []
        if line.rstrip().endswith(boundary + b"--"):
            return
    if part is not None:
        yield part


def _head(lines: Iterator[bytes]) -> Sequence[bytes]:
    """The next lines up to an empty one; empty ones before them are passed over."""
    found: list[bytes] = []
    for line in lines:
        if line.strip():
            found.append(line)
        elif found:
            break
    return found


def _fields(lines: Iterable[bytes]) -> Sequence[tuple[str, str]]:
    """The header fields in these lines by lower-case name, folded ones on one line."""
    found: list[tuple[str, list[str]]] = []
    for line in lines:
        text = line.decode("latin-1")
        if text[:1] in (" ", "\t"):
            if found:
                found[-1][1].append(text.strip())
            continue
        name, colon, value = text.partition(":")
        if colon:
            found.append((name.strip().lower(), [value.strip()]))
    return [(name, " ".join(values)) for name, values in found]


def _value(fields: Iterable[tuple[str, str]], name: str) -> str:
    return next((value for known, value in fields if known == name), "")
