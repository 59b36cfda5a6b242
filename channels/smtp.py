"""E-mail: one message a person through the agency's own mail server, answered at once for each of them.

The server must speak TLS, from the first byte (smtps://) or by STARTTLS (smtp://). What it has taken may still bounce:
with `bounces` the envelope sender carries the delivery's key, and a bounce that the mail server pipes to our receipt
endpoint (`curl --data-binary @- http://127.0.0.1:8790/receipts/<instance>`) finds its delivery. Sources: RFC 5321,
3207, 4954, 3463, 3464, 2852 (deliver by).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from channels._adapter import Adapter as BaseAdapter
from channels._adapter import ChannelSettings, loopback
from channels._reading import readiness
from channels._secret import Secret
from kentongan.seam import (
    Accepted,
    Forged,
    Job,
    Limits,
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

_MAILBOX = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")
_PORTS = {"smtp": 587, "smtps": 465}


class Settings(ChannelSettings):
    """One account of one mail server."""

    base_url: str = Field(description="The mail server: smtps://HOST (port 465) or smtp://HOST (port 587, STARTTLS).")
    deadline: float = Field(default=30.0, gt=0, le=120, description="Seconds for one message in all.")
    username: str | None = Field(default=None, pattern=r"^[!-~]+$", description="Account; absent: no login.")
    password: SecretSource | None = Field(default=None, description="Password of that account.")
    certificates: Path | None = Field(default=None, description="File of authorities to trust; absent: the system's.")
    sender: str = Field(description="Address that the message comes from.")
    sender_name: str = Field(min_length=1, description="Name beside it: the agency as the public knows it.")
    reply_to: str | None = Field(default=None, description="Where answers go; absent: to the sender.")
    list_id: str = Field(
        pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$", description="Name of this list of readers, such as alerts.bpbd.example."
    )
    unsubscribe: str | None = Field(
        default=None, pattern=r"^(https://|mailto:)[!-;=?-~]+$", description="Where a reader leaves the list."
    )
    bounces: str | None = Field(default=None, description="Address that bounces return to; + and the key are put in.")
    bounce_secret: SecretSource | None = Field(default=None, description="Key by which our bounces are known.")

    @field_validator("base_url")
    @classmethod
    def _plain_address(cls, value: str) -> str:  # takes the place of the one for http
        try:
            parts = urlsplit(value)
            _ = parts.port
            (parts.hostname or "").encode("idna")
        except ValueError:
            raise ValueError("names a host or a port that cannot be") from None
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError("must begin with smtps:// or smtp:// and name a host")
        if parts.query or parts.fragment or parts.username or parts.password or parts.path.strip("/"):
            raise ValueError("must hold host and port alone; user and password have fields of their own")
        return value.rstrip("/")

    @field_validator("sender", "reply_to", "bounces")
    @classmethod
    def _mailbox(cls, value: str | None) -> str | None:
        if value is not None and not _MAILBOX.fullmatch(value):
            raise ValueError("is no e-mail address; write it as name@example.org")
        return value

    @model_validator(mode="after")
    def _complete(self) -> Settings:
        if self.audience is None:
            raise ValueError("audience is missing: e-mail goes to people; name one of audiences.yaml")
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password stand together or not at all")
        if (self.bounces is None) != (self.bounce_secret is None):
            raise ValueError("bounces and bounce_secret stand together or not at all")
        if self.bounces is not None and len(self.bounces.partition("@")[0]) > 14:
            raise ValueError("bounces: at most 14 characters before the @, since the key is added to them")
        return self

    def limits(self) -> Limits:
        """A message may be as long as it needs; how fast it goes is for the mail server to say."""
        return self.limited("characters", 20_000, rate=50.0, concurrency=8, deliver_within=7200)


class Adapter(BaseAdapter):
    """Accepted means that the mail server has it."""

    kind: ClassVar[str] = "smtp"
    # Bounces tell of failures alone, so nothing in doubt may wait for one: no `receipts`.
    traits: ClassVar[Traits] = Traits(family="email")

    def __init__(self, name: str, settings: Settings, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        super().__init__(name, settings, transport=transport)
        # Here and not above: whoever only lists kinds must not pay for these.
        from channels._bounces import Bounces
        from channels._mail import Letterhead
        from channels._submission import Server, Submission

        parts = urlsplit(settings.base_url)
        host = parts.hostname or ""
        self._domain = settings.sender.rpartition("@")[2]
        server = Server(
            host=host,
            port=parts.port or _PORTS[parts.scheme],
            implicit=parts.scheme == "smtps",
            plain=parts.scheme == "smtp" and settings.sandbox and loopback(host),
            own_name=self._domain,
            username=settings.username,
            password=Secret(settings.password, name, "password") if settings.password is not None else None,
            certificates=settings.certificates,
        )
        self._submission = Submission(server, deadline=self._limits.deadline, concurrency=self._limits.concurrency)
        self._letterhead = Letterhead(
            sender=settings.sender,
            sender_name=settings.sender_name,
            reply_to=settings.reply_to or "",
            list_id=settings.list_id,
            unsubscribe=settings.unsubscribe or "",
        )
        self._sender = settings.sender
        self._bounces: Bounces | None = None
        if settings.bounces is not None and settings.bounce_secret is not None:
            secret = Secret(settings.bounce_secret, name, "bounce_secret")
            self._bounces = Bounces(settings.bounces, secret)

    async def _send(self, message: Rendered, job: Job, uploaded: Uploaded | None) -> Outcome:
        from channels._mail import CannotBeMail, compose, message_id
        from channels._submission import Envelope

        if job.to is None or not _MAILBOX.fullmatch(job.to.value):
            return Rejected("not an e-mail address", Why.ADDRESS)
        try:
            content = compose(message, job, job.to.value, self._letterhead)
        except CannotBeMail as fault:
            return Rejected(str(fault), Why.PAYLOAD)
        envelope = Envelope(
            sender=self._bounces.sender(job.key) if self._bounces is not None else self._sender,
            recipient=job.to.value,
            by=60 * self._minutes(job),
        )
        ended = await self._submission.send(envelope, content)
        return ended if ended is not None else Accepted(message_id(job.key, self._domain))

    def _minutes(self, job: Job) -> int:
        left = job.values.get("validity_minutes", "")
        return int(left) if left.isdecimal() else math.ceil(self._limits.deliver_within / 60)

    async def ready(self) -> Readiness:
        """Logs in and names the sender, without a recipient."""
        ended = await self._submission.probe(self._bounces.address if self._bounces is not None else self._sender)
        return readiness(ended) if ended is not None else Readiness(True, "The mail server takes mail from our sender.")

    def bounce(self, content: bytes) -> Receipt | None:
        """Reads a message that came to the address of `bounces`; None where it is no report on one of ours. Pure."""
        return self._bounces.read(content) if self._bounces is not None else None

    def receipts(self, request: Received) -> Sequence[Receipt]:
        """Reads one bounce, the whole message as body. Raises Forged where it bears no mark of ours."""
        receipt = self.bounce(request.body) if request.method == "POST" else None
        if receipt is None:
            raise Forged("no report on a message of ours")
        return (receipt,)

    async def close(self) -> None:
        """Ends the connections."""
        await self._submission.close()
