"""Whether a request to X bears a good OAuth 1.0a signature (docs.x.com, fundamentals/authentication/oauth-1-0a)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote

from sandbox.wire import Request

TOLERANCE = 300.0
"""Seconds that the time of a request may lie before or after the stand-in's; X does not say how many it allows."""

_PART = re.compile(r'(oauth_[a-z_]+)="([^"]*)"')
_WANTED = frozenset(
    ("oauth_consumer_key", "oauth_nonce", "oauth_signature", "oauth_signature_method", "oauth_timestamp", "oauth_token")
)


@dataclass(frozen=True, slots=True)
class Keys:
    """An app's consumer key and one user's token, with the secret of each."""

    consumer_key: str
    consumer_secret: str
    token: str
    token_secret: str


class Signatures:
    """Knows which nonces were used already."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._used: set[tuple[str, str]] = set()

    def forget(self) -> None:
        """Takes every nonce again."""
        self._used.clear()

    def good(self, request: Request, now: float) -> bool:
        """Whether the Authorization header signs this very request, for our user, now and for the first time."""
        scheme, _, rest = request.headers.get("authorization", "").partition(" ")
        said = {name: unquote(value) for name, value in _PART.findall(rest)}
        if scheme != "OAuth" or not said.keys() >= _WANTED or said["oauth_signature_method"] != "HMAC-SHA1":
            return False
        if (said["oauth_consumer_key"], said["oauth_token"]) != (self._keys.consumer_key, self._keys.token):
            return False
        time, nonce = said["oauth_timestamp"], said["oauth_nonce"]
        if not (time.isascii() and time.isdigit()) or abs(now - int(time)) > TOLERANCE or (time, nonce) in self._used:
            return False
        signature = said.pop("oauth_signature")
        if not hmac.compare_digest(signature.encode(), self._signature(request, said).encode()):
            return False
        self._used.add((time, nonce))
        return True

    def _signature(self, request: Request, said: Mapping[str, str]) -> str:
        pairs = [*parse_qsl(request.query, keep_blank_values=True), *said.items()]
        if request.media_type == "application/x-www-form-urlencoded":
            pairs += parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True)
        encoded = sorted((_encoded(name), _encoded(value)) for name, value in pairs)
        host = request.headers.get("host", "").lower().removesuffix(":80")
        joined = "&".join(f"{name}={value}" for name, value in encoded)
        base = "&".join(map(_encoded, (request.method, f"http://{host}{request.path}", joined)))
        key = f"{_encoded(self._keys.consumer_secret)}&{_encoded(self._keys.token_secret)}"
        return base64.b64encode(hmac.new(key.encode(), base.encode(), hashlib.sha1).digest()).decode()


def _encoded(text: str) -> str:
    return quote(text, safe="-._~")
