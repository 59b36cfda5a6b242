"""Webhook: the alert as signed JSON to a system of a partner, such as a siren control or a road sign, once a language.

The form is that of Standard Webhooks 1.0.0: `webhook-id` is the delivery's key and stays the same over all attempts,
so a receiver that keeps to it drops repeats for ever. It may answer later with a message of type `receipt.delivered`
or `receipt.failed`, signed in the same way, to our receipt endpoint. Without `sandbox` only addresses of the open
internet are spoken to.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from channels import _standard_webhooks
from channels._adapter import Adapter as BaseAdapter
from channels._adapter import ChannelSettings
from channels._feed_documents import title_of
from channels._reading import Answer, readiness
from channels._secret import Secret
from kentongan.errors import BadConfig
from kentongan.seam import (
    Accepted,
    Confirmed,
    Credential,
    Forged,
    Idempotent,
    Job,
    Limits,
    Mode,
    Outcome,
    Readiness,
    Receipt,
    Received,
    Rejected,
    Rendered,
    Traits,
    Uploaded,
    Why,
)
from kentongan.settings import SecretSource

if TYPE_CHECKING:
    import httpx

MOST_BYTES = 20_000
"""Bytes of a whole message; the standard asks to stay below 20 kB."""

_CONFIRMED = {"receipt.delivered": Confirmed.DELIVERED, "receipt.failed": Confirmed.UNREACHABLE}
_REASON = re.compile(r"[a-z0-9_.-]{1,64}")

_T = TypeVar("_T")


class Settings(ChannelSettings):
    """One endpoint of one partner."""

    base_url: str = Field(description="Address of the partner's endpoint.")
    path: str = Field(default="", pattern=r"^(/[!-\"$->@-~]*)?$", description="Path to add, where it ends in a slash.")
    secret: SecretSource = Field(description="Secret shared with the partner: whsec_ and 24 to 64 bytes in base64.")
    earlier_secret: SecretSource | None = Field(
        default=None, description="The secret before it: while it is changed, both sign."
    )
    private_key: SecretSource | None = Field(
        default=None, description="Ed25519 key (whsk_…) that signs too, where a partner wants v1a."
    )
    receipt_secret: SecretSource | None = Field(
        default=None, description="Secret by which the partner signs receipts; not the one by which we sign."
    )
    feed: str | None = Field(
        default=None, pattern=r"^https?://[!-~]+$", description="Address of our CAP feed, to link the CAP file."
    )

    @model_validator(mode="after")
    def _open_and_for_all(self) -> Settings:
        if self.audience is not None:
            raise ValueError("audience must be absent: an endpoint is no person")
        parts = urlsplit(self.base_url)
        if not self.sandbox and parts.scheme != "https":
            raise ValueError("base_url must begin with https://, unless the instance is a sandbox")
        return self

    def confirmed(self) -> bool:
        """Whether the partner tells us what became of a message."""
        return self.receipt_secret is not None

    def limits(self) -> Limits:
        """Whatever the letters, a text of this length stays below 20 kB."""
        return self.limited("characters", 4_000, rate=10.0, concurrency=2, deliver_within=1800)


class Adapter(BaseAdapter):
    """Accepted means that the partner's endpoint answered with a success, whatever else it said."""

    kind: ClassVar[str] = "webhook"
    traits: ClassVar[Traits] = Traits(public=True, idempotent=Idempotent(float("inf")), receipts=True)

    def __init__(
        self,
        name: str,
        settings: Settings,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__(name, settings, transport=transport)
        # Here and not above: whoever only lists kinds must not pay for a network library.
        from channels._guarded import GuardedTransport
        from channels._http import Wire

        shared = _standard_webhooks.shared_secret
        self._secrets = [_Parsed(settings.secret, name, "secret", shared)]
        if settings.earlier_secret is not None:
            self._secrets.append(_Parsed(settings.earlier_secret, name, "earlier_secret", shared))
        receipt, key = settings.receipt_secret, settings.private_key
        self._receipt_secret = None if receipt is None else _Parsed(receipt, name, "receipt_secret", shared)
        if self._receipt_secret is not None and self._receipt_secret.value() in self._ours():
            raise BadConfig(f"channels.{name}.receipt_secret: is a secret by which we sign; make another")
        self._key = None if key is None else _Parsed(key, name, "private_key", _standard_webhooks.private_key)
        self._settings = settings
        self._now = now
        self.wire = Wire(
            settings.base_url,
            public=True,
            deadline=self._limits.deadline,
            concurrency=self._limits.concurrency,
            transport=transport,
            guard=None if settings.sandbox else GuardedTransport,
        )

    def _ours(self) -> list[bytes]:
        """The secrets by which we sign now."""
        return [secret.value() for secret in self._secrets]

    async def _send(self, message: Rendered, job: Job, uploaded: Uploaded | None) -> Outcome:
        try:
            body = self._body(message, job)
        except UnicodeEncodeError:
            return Rejected("the text holds half a character", Why.PAYLOAD)
        if len(body) > MOST_BYTES:
            return Rejected(f"the message is longer than {MOST_BYTES:,} bytes", Why.PAYLOAD)
        key = self._key.value() if self._key is not None else None
        headers = _standard_webhooks.signed(job.key, body, now=self._now(), secrets=self._ours(), key=key)
        asked = await self.wire.ask(
            "POST",
            self._settings.path,
            headers={**headers, "Content-Type": "application/json"},
            content=body,
            repeatable=True,
            documented=_documented,
        )
        return Accepted(job.key) if isinstance(asked, Answer) else asked

    def _body(self, message: Rendered, job: Job) -> bytes:
        """The same bytes at every attempt: it is dated by the delivery's first intent."""
        alert = message.code.split("-")[0]
        data: dict[str, str | bool] = {
            "alert": alert,
            "code": message.code,
            "kind": message.alert_kind,
            "drill": message.mode is not Mode.LIVE,
            "language": message.language,
            "title": title_of(message),
            "text": message.text,
            "link": message.link,
        }
        if self._settings.feed is not None:
            data["cap"] = f"{self._settings.feed.rstrip('/')}/{alert}/alert.xml"
        content = {
            "type": f"warning.{message.alert_kind.replace('-', '_')}",
            "timestamp": job.since.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "data": data,
        }
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()

    async def ready(self) -> Readiness:
        """Asks what the endpoint takes (OPTIONS), for any message might be acted upon; it cannot prove the secret."""
        asked = await self.wire.ask("OPTIONS", self._settings.path)
        if isinstance(asked, Answer) or getattr(asked, "reason", "") in ("status 405", "status 501"):
            return Readiness(True, "The endpoint is there; whether it knows our secret shows with the first message.")
        return readiness(asked)

    def receipts(self, request: Received) -> Sequence[Receipt]:
        """Reads one receipt of the partner; none for a type that is no receipt. Raises Forged."""
        if request.method != "POST" or self._receipt_secret is None:
            raise Forged("this instance asks for no receipts")
        # By a secret of ours whoever mirrors our own messages back would pass.
        secrets = [secret for secret in (self._receipt_secret.value(),) if secret not in self._ours()]
        if not _standard_webhooks.verified(request.headers, request.body, now=self._now(), secrets=secrets):
            raise Forged("the signature does not belong to the message, or it is not of now")
        try:
            content = json.loads(request.body)
        except (ValueError, RecursionError):
            return ()
        data = content.get("data") if isinstance(content, dict) else None
        if not isinstance(data, dict):
            return ()
        kind, key, reason = content.get("type"), data.get("webhook_id"), data.get("reason")
        confirmed = _CONFIRMED.get(kind) if isinstance(kind, str) else None
        if confirmed is None or not isinstance(key, str) or not 0 < len(key) <= 128:
            return ()
        told = reason if isinstance(reason, str) and _REASON.fullmatch(reason) else ""
        return (Receipt(confirmed, key=key, reason=told),)

    async def close(self) -> None:
        """Closes connections."""
        await self.wire.close()


class _Parsed(Generic[_T]):
    """A secret in the form that signing needs, which no repr shows; read anew where its file has changed.

    What a file holds while it is being written, or by mistake, leaves the secret as it was. Raises BadConfig, naming
    instance, field and remedy, where there is none to begin with.
    """

    def __init__(self, source: SecretSource, instance: str, field: str, parse: Callable[[str], _T]) -> None:
        self._secret = Secret(source, instance, field)
        self._parse = parse
        self._text = self._secret.get_secret_value()
        try:
            self._value = parse(self._text)
        except ValueError as error:
            raise BadConfig(f"channels.{instance}.{field}: {error}; write it anew") from None

    def value(self) -> _T:
        """The secret as it is now."""
        text = self._secret.get_secret_value()
        if text != self._text:
            with contextlib.suppress(ValueError):
                self._value = self._parse(text)
                self._text = text
        return self._value


def _documented(answer: Answer) -> Outcome | None:
    """410 says that the endpoint wants no more; what is not there, or takes no POST, is ours to mend as well."""
    return Credential(f"status {answer.status}: the endpoint is gone") if answer.status in (404, 405, 410) else None
