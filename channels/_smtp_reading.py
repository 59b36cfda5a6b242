"""What a mail server's reply means, by the step that it answers. Pure, and free of any network library.

step               2xx       4xx          5xx
greeting, EHLO     goes on   Retryable    Credential
authentication     goes on   Retryable    Credential
MAIL (sender)      goes on   Retryable    Credential, unless it is about the message
RCPT (recipient)   goes on   Retryable    Rejected(ADDRESS), unless the enhanced code says otherwise
DATA               goes on   Retryable    as for the content
content            Accepted  Retryable    Rejected(PAYLOAD), unless the enhanced code says otherwise; 500 to 504 InDoubt

Sources: RFC 5321 sections 4.2 and 4.3.2, RFC 3463 (enhanced codes), RFC 4954 section 6 (authentication). What never
became a reply is read in `channels._submission`.
"""

from __future__ import annotations

import enum
import re
from dataclasses import field

from kentongan.quick_dataclass import dataclass
from kentongan.seam import Credential, InDoubt, Outcome, Rejected, Retryable, Why


class Step(enum.StrEnum):
    """What the client had said when the reply came."""

    GREETING = "greeting"
    AUTHENTICATION = "authentication"
    SENDER = "sender"
    RECIPIENT = "recipient"
    DATA = "data"
    CONTENT = "content"


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply; its words may hold an address, so they are never shown."""

    code: int
    text: str = field(default="", repr=False)

    @property
    def enhanced(self) -> tuple[int, int, int] | None:
        """The enhanced status code that opens the text, None where there is none that fits the reply's own class."""
        found = _ENHANCED.match(self.text)
        if found is None or found.group(1) != str(self.code)[:1]:
            return None
        return int(found.group(1)), int(found.group(2)), int(found.group(3))

    def told(self, step: Step) -> str:
        """The reply in numbers, for a reason."""
        enhanced = self.enhanced
        return f"{step} refused: {self.code}" + (f" {'.'.join(map(str, enhanced))}" if enhanced else "")


_ENHANCED = re.compile(r"([245])\.([0-9]{1,3})\.([0-9]{1,3})(?![0-9.])")
_NEEDS_LOGIN = frozenset((530, 534, 535, 538))
_OUT_OF_STEP = frozenset((500, 501, 502, 503, 504))

# RFC 3463 section 3: what a permanent status is about, by subject and detail; the detail None stands for all others.
_SUBJECTS: dict[int, dict[int | None, Why | None]] = {
    1: {None: Why.ADDRESS, 7: None, 8: None},  # 7 and 8: the sender's address
    2: {None: Why.ADDRESS, 3: Why.PAYLOAD},  # 3: longer than this mailbox takes
    3: {4: Why.PAYLOAD},  # longer than the system takes
    4: {None: Why.ADDRESS},  # no way to the domain
    6: {None: Why.PAYLOAD},
}


def read(reply: Reply, step: Step) -> Outcome | None:
    """Returns what a reply makes of the attempt; None where it lets the client go on (for CONTENT: it was accepted)."""
    told = reply.told(step)
    if reply.code == 354 if step is Step.DATA else 200 <= reply.code <= 299:
        return None
    if 400 <= reply.code <= 499:
        return Retryable(told)
    if not 500 <= reply.code <= 599:
        # No reply of the protocol: whatever was said before the content did not leave.
        return InDoubt(f"{step}: no reply of the protocol") if step is Step.CONTENT else Retryable(told)
    if reply.code in _NEEDS_LOGIN or step in (Step.GREETING, Step.AUTHENTICATION):
        return Credential(told)
    if step is Step.CONTENT and reply.code in _OUT_OF_STEP and reply.enhanced is None:
        return InDoubt(f"{step}: the server is out of step ({reply.code})")
    return _refused(reply, step, told)


def _refused(reply: Reply, step: Step, told: str) -> Outcome:
    enhanced = reply.enhanced
    if enhanced is not None:
        _, subject, detail = enhanced
        if (subject, detail) in ((7, 0), (7, 8), (7, 9)):  # authentication, RFC 5248 and RFC 4954
            return Credential(told)
        about = _SUBJECTS.get(subject, {})
        if detail in about or None in about:
            why = about.get(detail, about.get(None))
            return (
                Credential(told) if why is None or (step is Step.SENDER and why is Why.ADDRESS) else Rejected(told, why)
            )
    if step is Step.SENDER:
        return Rejected(told, Why.PAYLOAD) if reply.code == 552 else Credential(told)
    return Rejected(told, Why.ADDRESS if step is Step.RECIPIENT else Why.PAYLOAD)
