"""How an officer shows over the network that it is they: each request is signed, over a challenge, for one server.

The secret never travels. A proof is good for one request (method, path and body), once, for a minute, and only for the
server whose certificate the officer's machine has seen, so that nobody between the two can use it elsewhere.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import struct
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from kentongan.errors import BadInput
from kentongan.keys import canonical_json, verify_signature
from kentongan.officers import Officer, SigningKey, statement
from kentongan.quick_dataclass import dataclass

SCHEME = "Kentongan"
LASTS = 60.0
"""Seconds in which a challenge must be answered."""

_SKEW = timedelta(seconds=120)
_RANDOM = 16
_CHALLENGE = f">d{_RANDOM}s"
"""When it was given, and what makes it one of its kind."""

_NOBODY = bytes(32)
"""No key of anybody: checking against it takes as long as against a real one."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a proof is for: `audience` names the server by the SHA-256 of its certificate, in hexadecimal."""

    audience: str
    method: str
    path: str
    body: str
    """SHA-256 of the body, in hexadecimal."""


def body_digest(body: bytes) -> str:
    """The digest of a body as a proof names it."""
    return hashlib.sha256(body).hexdigest()


def prove(key: SigningKey, asked: Asked, *, nonce: str, now: datetime) -> str:
    """Returns the Authorization header of one request."""
    now = now.replace(microsecond=0)
    content = _content(key.officer, asked, nonce, now)
    fields = {
        "officer": key.officer,
        "nonce": nonce,
        "at": now.isoformat(),
        "signature": base64.b64encode(key.sign(content)).decode("ascii"),
    }
    return f"{SCHEME} {base64.urlsafe_b64encode(canonical_json(fields)).decode('ascii')}"


def _content(officer: str, asked: Asked, nonce: str, now: datetime) -> bytes:
    fields = {
        "officer": officer,
        "nonce": nonce,
        "audience": asked.audience,
        "method": asked.method,
        "path": asked.path,
        "body": asked.body,
    }
    return statement("request", dict(fields), now)


class Challenges:
    """The challenges that a server gives out. Thread-safe; `clock` gives seconds that never jump.

    Each bears its time and the server's mark. Nothing is kept of one that nobody answers, so that no flood of questions
    can push another's challenge out.
    """

    def __init__(self, clock: Callable[[], float], random: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._clock = clock
        self._random = random
        self._key = random(32)
        self._taken: OrderedDict[bytes, float] = OrderedDict()
        self._lock = threading.Lock()

    def give(self) -> str:
        """A new challenge."""
        content = struct.pack(_CHALLENGE, self._clock(), self._random(_RANDOM))
        return base64.urlsafe_b64encode(content + self._mark(content)).decode("ascii")

    def take(self, nonce: str) -> bool:
        """Whether this challenge was given within a minute and not taken yet; from now on it is."""
        try:
            whole = base64.b64decode(nonce.encode("ascii"), altchars=b"-_", validate=True)
        except ValueError:
            return False
        content, mark = whole[: struct.calcsize(_CHALLENGE)], whole[struct.calcsize(_CHALLENGE) :]
        if not hmac.compare_digest(self._mark(content), mark):
            return False
        given, _ = struct.unpack(_CHALLENGE, content)
        now = self._clock()
        if not 0 <= now - given < LASTS:
            return False
        with self._lock:
            while self._taken and next(iter(self._taken.values())) <= now:
                self._taken.popitem(last=False)
            if content in self._taken:
                return False
            self._taken[content] = now + LASTS
        return True

    def _mark(self, content: bytes) -> bytes:
        return hmac.new(self._key, content, hashlib.sha256).digest()


class Attempts:
    """How often each peer may ask: `most` times in `window` seconds. Thread-safe."""

    _PEERS = 4096

    def __init__(self, clock: Callable[[], float], *, most: int, window: float) -> None:
        self._clock = clock
        self._most = most
        self._window = window
        self._seen: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def count(self, peer: str) -> None:
        """Counts one more."""
        with self._lock:
            times = self._seen.setdefault(peer, deque(maxlen=self._most))
            times.append(self._clock())
            self._seen.move_to_end(peer)
            while len(self._seen) > self._PEERS:
                self._seen.popitem(last=False)

    def exceeded(self, peer: str) -> bool:
        """Whether this peer has asked too often of late."""
        with self._lock:
            times = self._seen.get(peer)
            return times is not None and len(times) == self._most and self._clock() - times[0] < self._window


def verify(
    header: str, asked: Asked, *, challenges: Challenges, officers: Mapping[str, Officer], now: datetime
) -> Officer | None:
    """The officer who has proved to be asking, None for whatever is wrong: no answer tells what.

    The challenge is taken last, so that only officers use any up.
    """
    read = _read(header)
    if read is None:
        return None
    name, nonce, at, signature = read
    officer = officers.get(name)
    key = officer.public_key if officer is not None else _NOBODY
    signed = verify_signature(key, _content(name, asked, nonce, at), signature)
    if officer is None or not (signed and officer.active(now) and abs(at - now) <= _SKEW):
        return None
    return officer if challenges.take(nonce) else None


def _read(header: str) -> tuple[str, str, datetime, bytes] | None:
    scheme, _, encoded = header.partition(" ")
    if scheme != SCHEME or len(encoded) > 4096:
        return None
    try:
        fields = json.loads(base64.urlsafe_b64decode(encoded.encode("ascii")))
        at = datetime.fromisoformat(str(fields["at"]))
        signature = base64.b64decode(str(fields["signature"]), validate=True)
        if at.tzinfo is None or at.microsecond:
            return None
        at = at.astimezone(UTC)
        return str(fields["officer"]), str(fields["nonce"]), at, signature
    except (ValueError, KeyError, TypeError, binascii.Error, BadInput, RecursionError, OverflowError):
        return None
