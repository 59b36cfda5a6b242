"""A Kannel gateway: smsbox's sendsms, and the delivery reports that it sends to our dlr-url.

Rules from Kannel's user guide (SMS push, delivery reports) and from watching Kannel 1.4.5: sendsms is a GET with
parameters, or a POST with X-Kannel headers and the text as body; a form as body gets "Invalid content-type".
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib.parse import quote_plus

from sandbox import short_messages
from sandbox.stand_in import BadSetting, Call, Clock, Message, StandIn
from sandbox.wire import Answer, Request

USERNAME = "sandbox"
MAX_PARTS = 5
ACCEPTED = "0: Accepted for delivery"
TEMPORAL = "Temporal failure, try again later."
UNAUTHORISED = "Authorization failed for sendsms"

DELIVERED, FAILED, BUFFERED, AT_SMSC, REJECTED = 1, 2, 4, 8, 16

Steps = tuple[tuple[int, float], ...]
"""Reports in the order in which they are sent: the type and how many seconds after the message was taken."""

BEHAVIOURS: Mapping[str, Steps] = {
    "delivered": ((AT_SMSC, 0.02), (DELIVERED, 0.1)),
    "delivered-first": ((DELIVERED, 0.02), (AT_SMSC, 0.1)),
    "failed": ((AT_SMSC, 0.02), (FAILED, 0.1)),
    "rejected": ((REJECTED, 0.02),),
    "buffered": ((AT_SMSC, 0.02), (BUFFERED, 0.1)),
    "unconfirmed": ((AT_SMSC, 0.02),),
    "silent": (),
}
_REPLIES = {
    DELIVERED: "id:{id} sub:001 dlvrd:001 stat:DELIVRD err:000 text:",
    FAILED: "id:{id} sub:001 dlvrd:000 stat:UNDELIV err:001 text:",
    BUFFERED: "id:{id} sub:001 dlvrd:000 stat:ENROUTE err:000 text:",
    AT_SMSC: "ACK/",
    REJECTED: "NACK/0x0000000b/Invalid Destination Address",
}


def password(instance: str) -> str:
    """The password of a stand-in's sendsms user."""
    return "sandbox-kannel-password" + ("" if instance == "default" else f"-{instance}")


Report = Callable[[str, float, Message], None]
"""Sends a report: the address to call, after how many seconds, and the message that it is about."""


@dataclass(frozen=True, slots=True)
class _Submission:
    username: str
    password: str
    sender: str
    recipients: tuple[str, ...] | None
    text: str
    coding: str
    charset: str
    mask: str
    dlr_url: str
    validity: str
    readable: bool = True
    without_recipients: str = "Missing receiver number, rejected"


class Kannel(StandIn):
    """One gateway and the phones that it reaches."""

    kind: ClassVar[str] = "kannel"
    title: ClassVar[str] = "SMS (Kannel)"

    def __init__(self, instance: str, *, report: Report, now: Clock = time.time) -> None:
        super().__init__(instance, now=now)
        self._report = report
        self._scripts: list[tuple[str, Steps | None]] = []

    def script(self, scripts: list[Any]) -> None:
        """Takes `{"match": part of a number, "is": a behaviour}` or `{"match": …, "reports": [[type, seconds], …]}`.

        The behaviours are those of BEHAVIOURS and "unroutable". Raises BadSetting.
        """
        self._scripts = [_script(script) for script in scripts]

    def throttled(self, seconds: float) -> Answer:
        """503: Kannel has no other word for later, and does not say when."""
        return _text(503, TEMPORAL)

    def unavailable(self) -> Answer:
        """503."""
        return _text(503, TEMPORAL)

    def broken(self) -> Answer:
        """500."""
        return _text(500, "Internal error")

    def refused(self) -> Answer:
        """403."""
        return _text(403, UNAUTHORISED)

    def read(self, request: Request, path: str) -> Call:
        """Understands a request to `/cgi-bin/sendsms`."""
        if path != "/cgi-bin/sendsms":
            return Call(lambda: _text(404, "Unknown request."))
        if request.method == "POST":
            if request.media_type not in ("text/plain", "text/html", "application/octet-stream"):
                return Call(lambda: _text(400, "Invalid content-type"))
            submission = _from_headers(request)
        elif request.method == "GET":
            submission = _from_query(request.parameters)
        else:
            return Call(lambda: _text(405, "Method not allowed"))
        # Without a recipient it is the question whether the password would pass.
        recipients = " ".join(submission.recipients or ())
        return Call(lambda: self._submit(submission), recipients, submission.text, sends=bool(recipients))

    def _submit(self, submission: _Submission) -> Answer:
        if (submission.username, submission.password) != (USERNAME, password(self.instance)):
            return self.refused()
        if submission.recipients is None:
            return _text(400, submission.without_recipients)
        fault = _fault_of(submission)
        if fault:
            return _text(400, fault)
        scripts = {number: self._steps(number) for number in submission.recipients}
        if all(steps is None for steps in scripts.values()):
            return _text(403, "Not routable. Do not try again.")
        in_gsm = submission.coding != "2"
        text = short_messages.as_gsm(submission.text) if in_gsm else submission.text
        parts = short_messages.parts(text, in_gsm=in_gsm)
        for number, steps in scripts.items():
            if steps is not None:
                self._sent(submission, number, text, min(parts, MAX_PARTS), steps)
        return _text(202, ACCEPTED)

    def _sent(self, submission: _Submission, number: str, text: str, parts: int, steps: Steps) -> None:
        message = self.take(id=str(len(self.messages) + 1), recipient=number, text=text)
        alphabet = "UCS-2" if submission.coding == "2" else "GSM-7"
        message.notes.append(f"{parts} part{'s' if parts > 1 else ''}, {alphabet}")
        mask = int(submission.mask or 0)
        if not mask or not submission.dlr_url:
            return
        for kind, seconds in steps:
            if kind & mask:
                values = self._values(submission, number, message.id, kind)
                self._report(expand(submission.dlr_url, values), seconds, message)

    def _steps(self, number: str) -> Steps | None:
        for match, steps in self._scripts:
            if match in number:
                return steps
        return BEHAVIOURS["delivered"]

    def _values(self, submission: _Submission, number: str, id: str, kind: int) -> dict[str, str]:
        now = datetime.fromtimestamp(self.now(), UTC)
        return {
            "d": str(kind),
            "A": _REPLIES.get(kind, "").format(id=id),
            "F": "" if kind == REJECTED else id,
            # From the report's side: it comes from the phone (%p) and goes to our own number (%P).
            "p": number,
            "P": submission.sender,
            "n": submission.username,
            "i": "sandbox",
            "t": now.strftime("%Y-%m-%d %H:%M:%S"),
            "T": str(int(now.timestamp())),
        }


def expand(dlr_url: str, values: Mapping[str, str]) -> str:
    """Fills the %-escapes of a dlr-url, read from left to right; one that is not known stays as it is.

    Kannel does not see whether %d was meant as a percent-encoded octet, so octets must come as %%d0.
    """

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name == "%":
            return "%"
        return quote_plus(values[name], safe=":") if name in values else match.group()

    return re.sub(r"%(.)", value, dlr_url, flags=re.DOTALL)


def _from_query(given: Mapping[str, str]) -> _Submission:
    recipients = given.get("to")
    return _Submission(
        username=given.get("username", given.get("user", "")),
        password=given.get("password", given.get("pass", "")),
        sender=given.get("from", "") or "2000",
        recipients=None if recipients is None else tuple(recipients.split()),
        text=given.get("text", ""),
        coding=given.get("coding", "") or "0",
        charset=given.get("charset", "") or "UTF-8",
        mask=given.get("dlr-mask", ""),
        dlr_url=given.get("dlr-url", ""),
        validity=given.get("validity", ""),
    )


def _from_headers(request: Request) -> _Submission:
    given = {name.removeprefix("x-kannel-"): v for name, v in request.headers.items() if name.startswith("x-kannel-")}
    coding = given.get("coding", "") or "0"
    named = re.search(r"charset=\"?([\w-]+)", request.headers.get("content-type", ""))
    # Without a charset the body is taken as the phone's own: single octets, or UTF-16 where coding is 2.
    charset = named.group(1) if named else ("UTF-16BE" if coding == "2" else "ISO-8859-1")
    try:
        text, readable = request.body.decode(charset), True
    except (LookupError, UnicodeDecodeError):
        text, readable = "", False
    recipients = given.get("to")
    return _Submission(
        username=given.get("username", ""),
        password=given.get("password", ""),
        sender=given.get("from", "") or "2000",
        recipients=None if recipients is None else tuple(recipients.split()),
        text=text,
        coding=coding,
        charset=charset,
        mask=given.get("dlr-mask", ""),
        dlr_url=given.get("dlr-url", ""),
        validity=given.get("validity", ""),
        readable=readable,
        without_recipients="Missing receiver(s) number(s), rejected",
    )


def _fault_of(submission: _Submission) -> str:
    if not submission.recipients:
        return "Empty receiver number not allowed, rejected"
    if any(not re.fullmatch(r"\+?[0-9-]+", number) for number in submission.recipients):
        return "Number(s) has/have been denied by white- and/or black-lists."
    if submission.coding not in ("0", "1", "2"):
        return "Coding field misformed, rejected"
    if not submission.readable or not _known(submission.charset):
        return "Charset or body misformed, rejected"
    if submission.mask and not (submission.mask.isdecimal() and int(submission.mask) <= 31):
        return "DLR-Mask field misformed, rejected"
    if submission.dlr_url and not submission.dlr_url.startswith(("http://", "https://")):
        return "DLR-URL field misformed, rejected"
    if submission.validity.startswith("-"):
        return "Validity field misformed, rejected"
    return ""


def _known(charset: str) -> bool:
    try:
        "".encode(charset)
    except LookupError:
        return False
    return True


def _script(script: Any) -> tuple[str, Steps | None]:
    known = (*BEHAVIOURS, "unroutable")
    if isinstance(script, Mapping) and script.get("match"):
        if script.get("is") in known:
            return str(script["match"]), BEHAVIOURS.get(script["is"])
        reports = script.get("reports")
        if isinstance(reports, list) and all(
            isinstance(step, list) and len(step) == 2 and step[0] in _REPLIES and step[1] >= 0 for step in reports
        ):
            return str(script["match"]), tuple((int(kind), float(seconds)) for kind, seconds in reports)
    raise BadSetting(
        f'a script is {{"match": "…", "is": {" | ".join(known)}}} or {{"match": "…", "reports": [[8, 0.1]]}}'
    )


def _text(status: int, content: str) -> Answer:
    return Answer.text(status, content, "text/html")
