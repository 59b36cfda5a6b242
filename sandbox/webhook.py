"""The endpoint of a partner that keeps to Standard Webhooks 1.0.0.

It checks signature and time before anything else, drops what it has had under the same `webhook-id`, and refuses what
is longer than 20 kB. Source: standard-webhooks.md.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any, ClassVar

from sandbox.stand_in import BadSetting, Call, Clock, StandIn
from sandbox.wire import Answer, Request

TOLERANCE = 300
LARGEST = 20 * 1024


def secret(instance: str) -> str:
    """The secret that the partner shares with us."""
    content = f"sandbox webhook secret of the instance {instance}".encode()[:64]
    return f"whsec_{base64.b64encode(content).decode()}"


class Webhook(StandIn):
    """One endpoint."""

    kind: ClassVar[str] = "webhook"
    title: ClassVar[str] = "Partner (webhook)"

    def __init__(self, instance: str, *, now: Clock = time.time) -> None:
        super().__init__(instance, now=now)
        self._had: set[str] = set()
        self._gone = False

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Takes `gone`: true from when the endpoint wants no more (410). Raises BadSetting."""
        for name, value in settings.items():
            if name != "gone" or not isinstance(value, bool):
                raise BadSetting("the one setting of webhook is gone, true or false")
            self._gone = value

    def throttled(self, seconds: float) -> Answer:
        """429 with Retry-After; without where it is to say nothing of time."""
        headers = (("retry-after", str(max(1, round(seconds)))),) if seconds else ()
        return Answer.of(429, {"error": "slow down"}, headers)

    def unavailable(self) -> Answer:
        """503."""
        return Answer.of(503, {"error": "unavailable"})

    def broken(self) -> Answer:
        """500."""
        return Answer.of(500, {"error": "internal"})

    def refused(self) -> Answer:
        """401: the signature does not fit."""
        return Answer.of(401, {"error": "signature"})

    def forget(self) -> None:
        """Forgets the ids as well."""
        super().forget()
        self._had.clear()

    def read(self, request: Request, path: str) -> Call:
        """Understands a message, or the question what the endpoint takes."""
        if request.method == "OPTIONS":
            status = 410 if self._gone else 204
            return Call(lambda: Answer(status, headers=(("allow", "OPTIONS, POST"),)))
        if request.method != "POST":
            return Call(lambda: Answer.of(405, {"error": "POST only"}))
        refusal = self._refusal(request)
        if refusal is not None:
            return Call(lambda: refusal, "public", "", sends=True)
        content: Any = json.loads(request.body)
        id = request.headers["webhook-id"]
        return Call(lambda: self._take(id, content), "public", content["data"]["text"], sends=True)

    def _take(self, id: str, content: Mapping[str, Any]) -> Answer:
        if id in self._had:
            self.repeats += 1
            return Answer(200)
        self._had.add(id)
        data = content["data"]
        message = self.take(id=id, recipient="public", text=data["text"])
        message.language = str(data.get("language", ""))
        message.notes.append(f"{content['type']}{', drill' if data.get('drill') else ''}")
        return Answer(200)

    def _refusal(self, request: Request) -> Answer | None:
        if self._gone:
            return Answer.of(410, {"error": "no more, thank you"})
        if len(request.body) > LARGEST:
            return Answer.of(413, {"error": "too long"})
        if request.media_type != "application/json":
            return Answer.of(415, {"error": "JSON only"})
        if not self._genuine(request):
            return self.refused()
        try:
            content = json.loads(request.body)
            whole = isinstance(content["type"], str) and isinstance(content["timestamp"], str)
            whole = whole and isinstance(content["data"]["text"], str)
        except (ValueError, TypeError, LookupError):
            whole = False
        return None if whole else Answer.of(422, {"error": "type, timestamp and data must be there"})

    def _genuine(self, request: Request) -> bool:
        id, at = request.headers.get("webhook-id", ""), request.headers.get("webhook-timestamp", "")
        if not id or not (at.isascii() and at.isdigit()) or abs(self.now() - int(at[:12])) > TOLERANCE:
            return False
        key = base64.b64decode(secret(self.instance).removeprefix("whsec_"))
        mac = hmac.new(key, f"{id}.{at}.".encode() + request.body, hashlib.sha256).digest()
        wanted = f"v1,{base64.b64encode(mac).decode()}".encode()
        given = request.headers.get("webhook-signature", "").encode("utf-8", "replace").split(b" ")
        return any(hmac.compare_digest(wanted, each) for each in given)
