"""Kannel: SMS through the agency's own gateway, one recipient a request, confirmed by delivery reports.

The request is the POST form of `sendsms`: the text as body, the rest as X-Kannel headers, so that neither a number
nor a password stands in an address that somebody logs (Kannel 1.4.5 refuses a urlencoded form).
What people write back comes by an sms-service of the gateway, whose address `kentongan channels inbound` shows, by POST
(`post-url`, with `send-sender = true`) or GET (`get-url`, with `from=%p` and `text=%a` behind it). The service needs
`max-messages = 0`, or the gateway sends our empty answer to whoever wrote, and the smsbox `mo-recode = true`.
Source: Kannel user guide, "SMS push", "Delivery reports", "Using the HTTP interface" and "Kannel POST".
"""

from __future__ import annotations

import hashlib
import hmac
import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal
from urllib.parse import quote, urlsplit

from pydantic import Field, model_validator

from channels._adapter import ChannelSettings, HttpAdapter
from channels._reading import Answer, readiness, unreadable
from channels._secret import Secret
from kentongan.seam import (
    Accepted,
    Confirmed,
    Credential,
    Forged,
    Inbound,
    Job,
    Limits,
    Outcome,
    Readiness,
    Receipt,
    Received,
    Rejected,
    Rendered,
    Retryable,
    Traits,
    Uploaded,
    Why,
)
from kentongan.settings import SecretSource

if TYPE_CHECKING:
    import httpx

ALL_REPORTS = "31"
"""dlr-mask: delivered 1, failed 2, buffered 4, accepted by the SMSC 8, rejected by the SMSC 16."""

# The first bit that is set counts; forks add bits of their own to 2, so a comparison would miss them.
_REPORTS: Sequence[tuple[int, Confirmed]] = (
    (1, Confirmed.DELIVERED),
    (2, Confirmed.UNREACHABLE),
    (16, Confirmed.REJECTED),
    (8, Confirmed.ACCEPTED),
)
_TAKEN = re.compile(r"[03]: ")
_ADDRESS_REFUSED = ("receiver", "garbage `to'", "black-list", "not routable")
_NUMBER = re.compile(r"\+?[0-9]{3,15}")
_CHARSET = re.compile(r"charset=[\"']?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_DECODED = {"iso-8859-1": "cp1252", "windows-1252": "cp1252", "utf-16be": "utf-16-be", "utf16-be": "utf-16-be"}
_SMSC_STATE = re.compile(
    r"^(NACK)/(0x[0-9a-f]{8})/"  # refused at once, with the SMPP command status
    r"|\bstat:([A-Z]{1,10})\b(?:.*?\berr:([0-9A-Fa-f]{1,5})\b)?"  # a receipt, SMPP 3.4 appendix B
)


class Settings(ChannelSettings):
    """One sendsms user of one gateway."""

    username: str = Field(description="Name of the gateway's sendsms-user.")
    password: SecretSource = Field(description="Password of that user.")
    sender: str = Field(pattern=r"^[A-Za-z0-9+ ._-]{1,16}$", description="Sender shown on the phone, or short code.")
    receipt_url: str | None = Field(default=None, description="Our receipt endpoint as the gateway reaches it.")
    receipt_secret: SecretSource | None = Field(default=None, description="Key by which our receipts are known.")
    country: str | None = Field(
        default=None, pattern=r"^[A-Z]{2}$", description="Country of senders' numbers without one (ISO 3166)."
    )
    smsc: str | None = Field(default=None, pattern=r"^[!-~]+$", description="Id of the SMSC; absent: it chooses.")
    segments: int = Field(default=3, ge=1, le=10, description="Most parts that one message may have.")
    parts_per_second: float | None = Field(
        default=None, gt=0, description="Parts a second that the SMSC takes; absent: only requests are counted."
    )
    request: Literal["post", "get"] = Field(
        default="post", description="get only for a gateway without POST: number and password then stand in its log."
    )

    @model_validator(mode="after")
    def _complete(self) -> Settings:
        if self.audience is None:
            raise ValueError("audience is missing: SMS goes to people; name one of audiences.yaml")
        if (self.receipt_url is None) != (self.receipt_secret is None):
            raise ValueError("receipt_url and receipt_secret stand together or not at all")
        if self.receipt_url is not None and urlsplit(self.receipt_url).query:
            raise ValueError("receipt_url must hold no query; the key is added to it")
        return self

    def confirmed(self) -> bool:
        """Whether delivery reports are asked for."""
        return self.receipt_url is not None

    def limits(self) -> Limits:
        """Length is in parts; the gateway holds back what its SMSC cannot take."""
        return self.limited(
            "sms", self.segments, rate=200.0, concurrency=8, deliver_within=1800, parts=self.parts_per_second
        )


class Adapter(HttpAdapter):
    """Accepted means that the gateway has it; the rest comes as receipts with our own key."""

    kind: ClassVar[str] = "kannel"
    traits: ClassVar[Traits] = Traits(family="phone", receipts=True)

    def __init__(self, name: str, settings: Settings, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        super().__init__(name, settings, transport=transport)
        self._settings = settings
        self._password = Secret(settings.password, name, "password")
        secret = settings.receipt_secret
        self._receipt_key = Secret(secret, name, "receipt_secret") if secret is not None else None

    async def _send(self, message: Rendered, job: Job, uploaded: Uploaded | None) -> Outcome:
        from kentongan.words.counting import is_gsm7

        if job.to is None or not _NUMBER.fullmatch(job.to.value):
            return Rejected("not a telephone number", Why.ADDRESS)
        minutes = job.values.get("validity_minutes") or str(math.ceil(self._limits.deliver_within / 60))
        fields = {
            "username": self._settings.username,
            "password": self._password.get_secret_value(),
            "from": self._settings.sender,
            "to": job.to.value,
            "coding": "0" if is_gsm7(message.text) else "2",
            "validity": minutes,
        }
        if self._settings.smsc is not None:
            fields["smsc"] = self._settings.smsc
        if self._settings.receipt_url is not None:
            fields |= {"dlr-mask": ALL_REPORTS, "dlr-url": self.receipt_address(job.key)}
        return _taken(await self._ask(fields, message.text))

    async def _ask(self, fields: dict[str, str], text: str) -> Answer | Outcome:
        path = "/cgi-bin/sendsms"
        if self._settings.request == "get":
            query = {**fields, "charset": "UTF-8", "text": text}
            return await self.wire.ask("GET", path, query=query, documented=_documented)
        headers = {f"X-Kannel-{name}": value for name, value in fields.items()}
        headers["Content-Type"] = "text/plain; charset=UTF-8"
        return await self.wire.ask("POST", path, headers=headers, content=text.encode(), documented=_documented)

    def receipt_address(self, key: str) -> str:
        """The dlr-url of one delivery: %d and the like are the gateway's to fill, every other % is doubled for it."""
        ours = f"{self._settings.receipt_url}?key={quote(key, safe='')}&token={self._token(key)}"
        return ours.replace("%", "%%") + "&type=%d&smsc=%F&answer=%A"

    def _token(self, key: str) -> str:
        if self._receipt_key is None:
            raise Forged("this instance asks for no receipts")
        return hmac.new(
            self._receipt_key.get_secret_value().encode(), b"kannel receipt " + key.encode(), hashlib.sha256
        ).hexdigest()[:32]

    def inbound_address(self) -> str | None:
        """The address that the gateway's sms-service posts what people write to; %I is the gateway's to fill.

        None where the config has no address for receipts.
        """
        if self._settings.receipt_url is None:
            return None
        return f"{self._settings.receipt_url}?inbound={self._inbound_token()}&id=%I"

    def _inbound_token(self) -> str:
        if self._receipt_key is None:
            raise Forged("this instance asks for no receipts")
        return hmac.new(self._receipt_key.get_secret_value().encode(), b"kannel inbound", hashlib.sha256).hexdigest()[
            :32
        ]

    def inbound(self, request: Received) -> Sequence[Inbound]:
        """Reads one message that somebody wrote to us; none in a delivery report. Raises Forged."""
        token = request.query.get("inbound")
        if token is None:
            return ()
        if not hmac.compare_digest(self._inbound_token().encode(), token.encode(errors="replace")):
            raise Forged("the token is not that of this instance")
        sender = request.headers.get("x-kannel-from") or request.query.get("from", "")
        text = _posted(request) if request.method == "POST" else request.query.get("text", "")
        sender = self._in_full("".join(sender.split()))
        if not _NUMBER.fullmatch(sender):
            # A short code or a name: nobody of ours writes from one.
            return ()
        id = request.query.get("id") or request.headers.get("x-kannel-id") or ""
        if not id:
            # Without its id a repeated call is told by what it says and when it was sent.
            when = request.headers.get("x-kannel-time") or request.query.get("at", "")
            content = "\n".join((sender, when, text)).encode("utf-8", "replace")
            id = hmac.new(self._inbound_token().encode(), content, hashlib.sha256).hexdigest()[:32] if when else ""
        return (Inbound(family="phone", address=sender, text=text, provider_id=id[:64]),)

    def _in_full(self, number: str) -> str:
        """A sender's number with its country, where it came without and the config names one."""
        number = f"+{number[2:]}" if number.startswith("00") else number
        if not number.startswith("0") or self._settings.country is None:
            return number
        # Its tables are only worth loading where people write back.
        from kentongan.addresses import normalise

        try:
            return normalise("phone", number, default_region=self._settings.country).value
        except ValueError:
            return number

    async def ready(self) -> Readiness:
        """Asks for a message without a recipient: the gateway checks the password first, then refuses that."""
        fields = {
            "username": self._settings.username,
            "password": self._password.get_secret_value(),
            "from": self._settings.sender,
        }
        asked = await self._ask(fields, "")
        passed = isinstance(asked, Rejected) and "status 400" in asked.reason
        return readiness(Answer(202, {}, b"") if passed else asked)

    def receipts(self, request: Received) -> Sequence[Receipt]:
        """Reads one delivery report; none for a message that only waits at the SMSC. Raises Forged."""
        if "inbound" in request.query:
            return ()
        key, token = request.query.get("key", ""), request.query.get("token", "")
        if not hmac.compare_digest(self._token(key).encode(), token.encode(errors="replace")):
            raise Forged("the token does not belong to the key")
        kind = request.query.get("type", "")
        bits = int(kind) if kind.isascii() and kind.isdigit() and len(kind) <= 9 else 0
        confirmed = next((meaning for bit, meaning in _REPORTS if bits & bit), None)
        if confirmed is None:
            return ()
        # Only the SMSC's state and error leave this place; the rest of its words may hold number and text.
        state = _SMSC_STATE.search(request.query.get("answer", ""))
        reason = " ".join(part for part in state.groups() if part) if state else ""
        return (Receipt(confirmed, key=key, reason=reason),)


def _posted(request: Received) -> str:
    """The text of a posted message, in the character set that the gateway names."""
    match = _CHARSET.search(request.headers.get("content-type", ""))
    named = match.group(1).lower() if match else ""
    return request.body.decode(_DECODED.get(named, "utf-8"), "replace")


def _taken(asked: Answer | Outcome) -> Outcome:
    if not isinstance(asked, Answer):
        return asked
    words = asked.body.decode("utf-8", "replace")
    return Accepted("") if asked.status == 202 and _TAKEN.match(words) else unreadable(asked)


def _documented(answer: Answer) -> Outcome | None:
    """What the gateway's words say: they are its only code."""
    if answer.status not in (400, 403, 404, 503):
        return None
    words = answer.body.decode("utf-8", "replace").lower()
    if answer.status == 503:
        # Then it takes no more from anybody just now. Without these words it is the 503 of whatever stands before the
        # gateway, and nobody knows what that has passed on.
        return Retryable("status 503", throttled=True) if "temporal failure" in words else None
    if any(part in words for part in _ADDRESS_REFUSED):
        return Rejected(f"status {answer.status}: the number is refused", Why.ADDRESS)
    if answer.status in (403, 404):
        return Credential(f"status {answer.status}: user, password or address of the gateway")
    if "sender missing" in words or "`from'" in words:
        return Credential("status 400: the sender is refused")
    return None
