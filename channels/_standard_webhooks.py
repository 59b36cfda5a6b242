"""Signing and checking messages as Standard Webhooks 1.0.0 has it. Pure.

The signed content is `id.timestamp.body`, byte for byte; a signature is `v1,` and HMAC-SHA256, or `v1a,` and ed25519,
in base64; several stand with spaces between while a secret is changed. Source: standard-webhooks.md, "Signature
scheme".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

TOLERANCE = 300.0
"""Seconds that the time of a message may lie before or after ours."""

_SHARED, _PRIVATE = "whsec_", "whsk_"


def shared_secret(text: str) -> bytes:
    """The bytes of a `whsec_` secret; raises ValueError, without showing it, where it is none of 24 to 64 bytes."""
    content = _decoded(text, _SHARED)
    if not 24 <= len(content) <= 64:
        raise ValueError(f"must be {_SHARED} and 24 to 64 bytes in base64")
    return content


def private_key(text: str) -> Ed25519PrivateKey:
    """The ed25519 key of a `whsk_` secret: its seed, or seed and public key; raises ValueError without showing it."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    content = _decoded(text, _PRIVATE)
    if len(content) not in (32, 64):
        raise ValueError(f"must be {_PRIVATE} and an ed25519 key in base64")
    return Ed25519PrivateKey.from_private_bytes(content[:32])


def signed(
    id: str, body: bytes, *, now: datetime, secrets: Sequence[bytes], key: Ed25519PrivateKey | None = None
) -> dict[str, str]:
    """The three headers of a message, with one signature for each secret and one for `key`."""
    timestamp = str(int(now.timestamp()))
    content = _content(id, timestamp, body)
    signatures = [f"v1,{_mac(secret, content)}" for secret in secrets]
    if key is not None:
        signatures.append(f"v1a,{base64.b64encode(key.sign(content)).decode()}")
    return {"webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": " ".join(signatures)}


def verified(headers: Mapping[str, str], body: bytes, *, now: datetime, secrets: Sequence[bytes]) -> bool:
    """Whether a message, headers by lower-case name, bears a signature with one of `secrets` and is of now."""
    id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not id or not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return False
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE:
        return False
    content = _content(id, timestamp, body)
    wanted = [_mac(secret, content).encode() for secret in secrets]
    given = [
        each[3:].encode("utf-8", "replace")
        for each in headers.get("webhook-signature", "").split(" ")[:20]
        if each[:3] == "v1,"
    ]
    return any(hmac.compare_digest(one, other) for one in wanted for other in given)


def _content(id: str, timestamp: str, body: bytes) -> bytes:
    return f"{id}.{timestamp}.".encode("utf-8", "replace") + body


def _mac(secret: bytes, content: bytes) -> str:
    return base64.b64encode(hmac.new(secret, content, hashlib.sha256).digest()).decode()


def _decoded(text: str, prefix: str) -> bytes:
    try:
        return base64.b64decode(text.removeprefix(prefix), validate=True) if text.startswith(prefix) else b""
    except (ValueError, binascii.Error):
        return b""
