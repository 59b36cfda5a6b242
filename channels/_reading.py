"""What a provider's answer means: the one table over HTTP statuses. Pure, and free of any network library.

seen                                          read as
a documented code in the body                 what the adapter's table says; it beats the status
2xx                                           the adapter reads on
any 3xx                                       Credential
401 · 403                                     Credential · public Credential, direct Rejected(ADDRESS)
429                                           Retryable, throttled, after what the provider says
503                                           Retryable where repeatable (throttled if it says how long), else InDoubt
408, 409, 425, other 5xx, anything unknown    InDoubt
other 4xx                                     Rejected(PAYLOAD)

What never became an answer is read in `channels._http`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from datetime import datetime

from pydantic import JsonValue

from channels._delay import asked_delay
from kentongan.quick_dataclass import dataclass
from kentongan.seam import Credential, InDoubt, Outcome, Readiness, Rejected, Retryable, Uploaded, Why


@dataclass(frozen=True, slots=True)
class Answer:
    """What a provider answered; header names are in lower case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def content(self) -> JsonValue:
        """The body read as JSON, None where it is none."""
        try:
            parsed: JsonValue = json.loads(self.body)
        except (ValueError, RecursionError):
            return None
        return parsed

    @property
    def fields(self) -> Mapping[str, JsonValue]:
        """The body read as a JSON object, empty where it is none."""
        content = self.content
        return content if isinstance(content, dict) else {}


Documented = Callable[[Answer], Outcome | None]
"""An adapter's table of the provider's own codes; None where the status alone decides."""


def unreadable(answer: Answer) -> InDoubt:
    """What a success becomes that does not say what was made of the message."""
    return InDoubt(f"status {answer.status} with an unreadable answer")


def read(
    answer: Answer,
    *,
    public: bool,
    now: datetime,
    repeatable: bool = False,
    documented: Documented | None = None,
) -> Answer | Outcome:
    """Returns `answer` where it is a success that the adapter must read on, else what it means.

    `repeatable`: a repeat of the same request does no harm, or the provider documents 503 as not taken.
    """
    known = documented(answer) if documented is not None else None
    if isinstance(known, Retryable) and known.after is None:
        return replace(known, after=asked_delay(answer.headers, answer.content, now))
    if known is not None:
        return known
    status = answer.status
    reason = f"status {status}"
    if 200 <= status <= 299:
        return answer
    if 300 <= status <= 399:
        return Credential(f"{reason}: the address leads elsewhere")
    if status == 401:
        return Credential(f"{reason}: our credentials are refused; renew them")
    if status == 403:
        return (
            Credential(f"{reason}: our account may not do that; look at its rights")
            if public
            else Rejected(reason, Why.ADDRESS)
        )
    if status == 429 or (status == 503 and repeatable):
        after = asked_delay(answer.headers, answer.content, now)
        return Retryable(reason, after, throttled=status == 429 or after is not None)
    if status in (408, 409, 425) or not 400 <= status <= 499:
        return InDoubt(reason)
    return Rejected(reason, Why.PAYLOAD)


def reversible(outcome: Outcome | Uploaded) -> Outcome | Uploaded:
    """Reads the outcome of a step after which nothing is published yet: what is in doubt there may be repeated."""
    return Retryable(f"nothing published yet: {outcome.reason}") if isinstance(outcome, InDoubt) else outcome


def readiness(asked: Answer | Outcome) -> Readiness:
    """Reads the answer to a harmless question that only valid credentials may ask."""
    if isinstance(asked, Answer):
        return Readiness(True, "The provider answers and our credentials pass.")
    return Readiness(False, f"The provider cannot be used now: {getattr(asked, 'reason', 'unexpected answer')}.")
