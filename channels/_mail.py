"""One alert as an e-mail message to one person, the same bytes for the same delivery every time. Pure.

Sources: RFC 5322 and 2045 to 2049 (form), RFC 2369 and 2919 (list headers), RFC 3834 (Auto-Submitted), RFC 3282
(Content-Language).
"""

from __future__ import annotations

import hashlib
import html
import re
from email.headerregistry import Address as Mailbox
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from channels._feed_documents import title_of
from kentongan.quick_dataclass import dataclass
from kentongan.seam import Job, Rendered

LONGEST_LINE = 998
"""Octets of a line without its end, RFC 5321 section 4.5.3.1.6."""

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class CannotBeMail(Exception):
    """The message cannot be put into mail; the text says why."""


@dataclass(frozen=True, slots=True)
class Letterhead:
    """What stands in the headers of all messages of an instance."""

    sender: str
    sender_name: str
    reply_to: str
    list_id: str
    unsubscribe: str


def message_id(key: str, domain: str) -> str:
    """The Message-ID of a delivery, without its angle brackets; it does not show the key."""
    return f"{_digest(key)}@{domain}"


def compose(message: Rendered, job: Job, to: str, letterhead: Letterhead) -> bytes:
    """The whole message with CRLF line ends, without transparency dots; dated by the delivery's first intent.

    Raises CannotBeMail.
    """
    mail = EmailMessage(policy=SMTP)
    try:
        _head(mail, message, job, to, letterhead)
        _body(mail, message, job)
        content = mail.as_bytes()
    except (ValueError, LookupError, TypeError) as error:
        # Only the type: its text may hold the address.
        raise CannotBeMail(f"the message cannot be put into mail: {type(error).__name__}") from None
    lines = content.split(b"\r\n")
    if any(len(line) > LONGEST_LINE or b"\r" in line or b"\n" in line or b"\x00" in line for line in lines):
        raise CannotBeMail("a line of the message is longer than mail allows, or broken")
    return content


def _head(mail: EmailMessage, message: Rendered, job: Job, to: str, letterhead: Letterhead) -> None:
    domain = letterhead.sender.rpartition("@")[2]
    mail["Message-ID"] = f"<{message_id(job.key, domain)}>"
    mail["Date"] = format_datetime(job.since)
    mail["From"] = Mailbox(_one_line(letterhead.sender_name), addr_spec=letterhead.sender)
    mail["To"] = Mailbox(addr_spec=to)
    if letterhead.reply_to:
        mail["Reply-To"] = Mailbox(addr_spec=letterhead.reply_to)
    mail["Subject"] = _one_line(title_of(message)) or message.code
    # Neither a holiday notice nor another automatic answer is wanted back.
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    mail["Precedence"] = "bulk"
    mail["List-Id"] = f"<{letterhead.list_id}>"
    if letterhead.unsubscribe:
        mail["List-Unsubscribe"] = f"<{letterhead.unsubscribe}>"
    if message.code:  # which a page to officers need not have
        mail["X-Kentongan-Alert"] = _one_line(message.code)
    mail["X-Kentongan-Kind"] = _one_line(message.alert_kind)
    mail["X-Kentongan-Mode"] = message.mode.value


def _body(mail: EmailMessage, message: Rendered, job: Job) -> None:
    mail.set_content(message.text, cte="quoted-printable")
    if message.html:
        language, title = html.escape(message.language, quote=True), html.escape(_one_line(title_of(message)))
        page = (
            f'<!DOCTYPE html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{title}</title>\n</head>\n<body>\n{message.html}\n</body>\n</html>\n"
        )
        mail.add_alternative(page, subtype="html", cte="quoted-printable")
        mail.set_boundary(f"=_{_digest(job.key)}")
    # Last, and on all parts: whatever is called Content- moves into the first of them when a second is added.
    for part in mail.walk():
        part["Content-Language"] = message.language


def _one_line(text: str) -> str:
    return " ".join(_CONTROLS.sub(" ", text).split())


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:24]
