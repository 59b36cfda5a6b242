"""A mail server for submission, and the mailboxes behind it.

Rules from RFC 5321 (commands, replies, line length), RFC 4954 (login first: 530), RFC 3463 (enhanced codes) and
RFC 5322 section 3.6 (From and Date must be there). It offers neither STARTTLS nor 8BITMIME, for it stands on loopback.
"""

from __future__ import annotations

import email
import email.policy
import hmac
import re
import time
from collections.abc import Mapping
from email.message import EmailMessage
from typing import Any, ClassVar

from sandbox.stand_in import BadSetting, Call, Clock, StandIn
from sandbox.wire import Answer, Request

USERNAME = "sandbox"
LARGEST = 10 * 1024 * 1024
"""Bytes of one message, as EHLO says."""

_LONGEST_LINE = 998
_ADDRESS = re.compile(r"[^\s<>@]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_BEHAVIOURS: Mapping[str, tuple[int, str]] = {
    "unknown": (550, "5.1.1 no such user"),
    "full": (452, "4.2.2 mailbox full"),
    "greylisted": (450, "4.2.0 greylisted, try again later"),
    "refused": (554, "5.7.1 refused by the recipient"),
}


def username(instance: str) -> str:
    """The account of an instance; all instances are behind one port."""
    return USERNAME if instance == "default" else f"{USERNAME}-{instance}"


def password(instance: str) -> str:
    """The password of that account."""
    return "sandbox-smtp-password" + ("" if instance == "default" else f"-{instance}")


def instance_of(account: str) -> str:
    """The instance that an account belongs to, "" where it is none of ours."""
    if account == USERNAME:
        return "default"
    return account.removeprefix(f"{USERNAME}-") if account.startswith(f"{USERNAME}-") else ""


class Smtp(StandIn):
    """One account of the mail server; an `Answer` is a reply: its status the code, its body the words."""

    kind: ClassVar[str] = "smtp"
    title: ClassVar[str] = "E-mail"

    def __init__(self, instance: str, *, now: Clock = time.time) -> None:
        super().__init__(instance, now=now)
        self._scripts: list[tuple[str, str]] = []
        self._seen: set[str] = set()

    def script(self, scripts: list[Any]) -> None:
        """Takes `{"match": part of an address, "is": "unknown" | "full" | "greylisted" | "refused"}`.

        A greylisted address is taken from the second time on. Raises BadSetting.
        """
        for each in scripts:
            if not isinstance(each, Mapping) or not each.get("match") or each.get("is") not in _BEHAVIOURS:
                raise BadSetting(f'a script is {{"match": "…", "is": {" | ".join(_BEHAVIOURS)}}}')
        self._scripts = [(str(each["match"]), each["is"]) for each in scripts]
        self._seen.clear()

    def throttled(self, seconds: float) -> Answer:
        """451: SMTP does not say when."""
        return said(451, "4.7.1 too many messages, try again later")

    def unavailable(self) -> Answer:
        """421: the server closes the connection."""
        return said(421, "4.3.2 service not available")

    def broken(self) -> Answer:
        """500, the reply of a server that lost track of what it was told."""
        return said(500, "command not recognised")

    def refused(self) -> Answer:
        """530."""
        return said(530, "5.7.0 authentication required")

    def knows(self, given: str) -> bool:
        """Whether this is the account's password."""
        return hmac.compare_digest(password(self.instance).encode(), given.encode("utf-8", "replace"))

    def recipient(self, address: str) -> Answer:
        """Answers RCPT."""
        if not _ADDRESS.fullmatch(address):
            return said(501, "5.1.3 bad address syntax")
        behaviour = next((name for match, name in self._scripts if match in address), None)
        if behaviour is None or (behaviour == "greylisted" and address in self._seen):
            return said(250, "2.1.5 ok")
        self._seen.add(address)
        return said(*_BEHAVIOURS[behaviour])

    def read(self, request: Request, path: str) -> Call:
        """Understands one message, `path` being its recipient; a request over HTTP is none."""
        if request.method != "DATA":
            return Call(lambda: Answer.of(404, {"error": "mail is taken over SMTP"}))
        fault = _fault_of(request.body)
        if fault is not None:
            return Call(lambda: fault, path, "", sends=True)
        message = email.message_from_bytes(request.body, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        return Call(lambda: self._take(message, path), path, _text(message), sends=True)

    def _take(self, message: EmailMessage, recipient: str) -> Answer:
        id = str(message["Message-ID"] or "").strip()
        earlier = next((each.number for each in self.recipients.get(recipient, []) if id and each.id == id), None)
        taken = self.take(id=id or f"number-{len(self.messages) + 1}", recipient=recipient, text=_text(message))
        taken.language = str(message["Content-Language"] or "")
        taken.notes.append(f"subject: {message['Subject']}")
        if earlier is not None:
            taken.notes.append(f"the Message-ID of number {earlier} again")
        return said(250, f"2.0.0 ok: queued as {taken.number:08X}")


def said(code: int, words: str) -> Answer:
    """A reply."""
    return Answer.text(code, words)


def _fault_of(content: bytes) -> Answer | None:
    if len(content) > LARGEST:
        return said(552, "5.3.4 message too long")
    lines = content.split(b"\r\n")
    if any(b"\n" in line or b"\r" in line for line in lines):
        return said(550, "5.5.2 bare CR or LF")
    if any(len(line) > _LONGEST_LINE for line in lines):
        return said(550, "5.5.2 line too long")
    if not content.isascii():
        return said(554, "5.6.1 8-bit content without 8BITMIME")
    head = email.message_from_bytes(content, policy=email.policy.compat32)
    if any(len(head.get_all(name, [])) != 1 for name in ("From", "Date")):
        return said(550, "5.6.0 From and Date must stand once")
    return None


def _text(message: EmailMessage) -> str:
    part = message.get_body(("plain", "html"))
    try:
        return str(part.get_content()).replace("\r\n", "\n").strip() if part is not None else ""
    except (LookupError, UnicodeError, KeyError):
        return ""
