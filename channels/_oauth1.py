"""Signing single requests as OAuth 1.0a has it, with HMAC-SHA1: keys of an app and of one of its users. Pure.

Signed are method, address, query and the header's own parameters; a body is only where it is one urlencoded form,
which none of ours is. Source: RFC 5849 section 3; docs.x.com, fundamentals/authentication/oauth-1-0a.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from urllib.parse import quote, urlsplit

from kentongan.quick_dataclass import dataclass

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who asks, and for whom; neither ends before somebody takes it back."""

    consumer_key: str = field(repr=False)
    consumer_secret: str = field(repr=False)
    token: str = field(repr=False)
    token_secret: str = field(repr=False)


def authorization(
    method: str, url: str, query: Mapping[str, str], credentials: Credentials, *, nonce: str, now: datetime
) -> str:
    """The Authorization header of one request to `url`, which holds no query; a `nonce` is used once."""
    own = {
        "oauth_consumer_key": credentials.consumer_key,
        "oauth_nonce": nonce,
        "oauth_signature_method": "HMAC-SHA1",
        "oauth_timestamp": str(int(now.timestamp())),
        "oauth_token": credentials.token,
        "oauth_version": "1.0",
    }
    signature = _signature(method, url, {**query, **own}, credentials)
    stated = {**own, "oauth_signature": signature}
    return "OAuth " + ", ".join(f'{name}="{_encoded(value)}"' for name, value in sorted(stated.items()))


def _signature(method: str, url: str, parameters: Mapping[str, str], credentials: Credentials) -> str:
    pairs = sorted((_encoded(name), _encoded(value)) for name, value in parameters.items())
    joined = "&".join(f"{name}={value}" for name, value in pairs)
    signed = "&".join(map(_encoded, (method.upper(), _base(url), joined)))
    key = f"{_encoded(credentials.consumer_secret)}&{_encoded(credentials.token_secret)}"
    return base64.b64encode(hmac.new(key.encode(), signed.encode(), hashlib.sha1).digest()).decode()


def _base(url: str) -> str:
    """The address as both sides write it: small letters in front, no port that goes without saying."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    port = f":{parts.port}" if parts.port not in (None, _PORTS.get(parts.scheme)) else ""
    return f"{parts.scheme}://{host}{port}{parts.path}"


def _encoded(text: str) -> str:
    return quote(text, safe="-._~")
