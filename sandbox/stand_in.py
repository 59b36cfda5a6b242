"""What all stand-ins share: they count what they took, meet their faults, and show what a citizen would see."""

from __future__ import annotations

import abc
import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from sandbox.faults import Fault, Faults
from sandbox.wire import Answer, Manner, Reply, Request

Clock = Callable[[], float]
"""Seconds since 1970."""


@dataclass
class Message:
    """One message that the provider took: what its recipient has before them, and what became of it.

    `recipient` is who gets it (a number, a chat, "public"); `text` is as it stands now, `earlier` what it said before
    it was edited; `notes` says what else a reader of the wall should know, such as receipts.
    """

    number: int
    id: str
    recipient: str
    text: str
    taken_at: float
    earlier: list[str] = field(default_factory=list)
    deleted: bool = False
    notes: list[str] = field(default_factory=list)
    language: str = ""

    def view(self) -> dict[str, Any]:
        """The message as JSON."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True)
class Call:
    """One request as a stand-in understood it; `recipient` and `text` are empty unless it `sends` a message."""

    act: Callable[[], Answer]
    recipient: str = ""
    text: str = ""
    sends: bool = False


class BadSetting(ValueError):
    """A setting or script cannot be used; the message says which are known."""


class StandIn(abc.ABC):
    """One provider's account, as far as an adapter can tell. Nothing it takes reaches anybody."""

    kind: ClassVar[str]
    title: ClassVar[str]

    def __init__(self, instance: str, *, now: Clock = time.time) -> None:
        self.instance = instance
        self.now = now
        self.faults = Faults()
        self.requests = 0
        self.repeats = 0
        self.messages: list[Message] = []
        self.recipients: dict[str, list[Message]] = {}
        self._asked: dict[str, float] = {}
        self._counts: Counter[tuple[str, str]] = Counter()

    @property
    def name(self) -> str:
        """The kind, and after a slash the instance unless that is the default one."""
        return self.kind if self.instance == "default" else f"{self.kind}/{self.instance}"

    @abc.abstractmethod
    def read(self, request: Request, path: str) -> Call:
        """Understands a request to `path`, the part after the base address; changes nothing yet."""

    @abc.abstractmethod
    def throttled(self, seconds: float) -> Answer:
        """The provider's own way to say: later."""

    @abc.abstractmethod
    def unavailable(self) -> Answer:
        """The provider's own 503."""

    @abc.abstractmethod
    def broken(self) -> Answer:
        """The provider's own 500."""

    @abc.abstractmethod
    def refused(self) -> Answer:
        """The provider's own way to say that our credentials are wrong."""

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Changes how this stand-in behaves; raises BadSetting."""
        for name in settings:
            raise BadSetting(f"{name!r} is no setting of {self.kind}; it has none")

    def script(self, scripts: list[Any]) -> None:
        """Sets what becomes of messages to some recipients; raises BadSetting."""
        if scripts:
            raise BadSetting(f"{self.kind} has no recipients to script; what it publishes is public")

    def reply(self, request: Request, path: str) -> Reply:
        """Answers a request, or fails as the queue of faults wants it."""
        self.requests += 1
        call = self.read(request, path)
        if call.sends:
            self._asked[call.recipient] = self.now()
        rule = self.faults.take(recipient=call.recipient, text=call.text, sends=call.sends)
        if rule is None:
            return Reply(call.act())
        match rule.fault:
            case Fault.DROP:
                return Reply(Answer(500), Manner.RESET)
            case Fault.HANG:
                return Reply(Answer(500), Manner.HANG)
            case Fault.THROTTLE:
                return Reply(self.throttled(1.0 if rule.seconds is None else rule.seconds))
            case Fault.UNAVAILABLE:
                return Reply(self.unavailable())
            case Fault.REFUSE:
                return Reply(self.refused())
            case _:
                return self._acted(rule.fault, call.act(), rule.seconds)

    def _acted(self, fault: Fault, answer: Answer, seconds: float | None) -> Reply:
        match fault:
            case Fault.ACCEPT_THEN_500:
                return Reply(self.broken())
            case Fault.ACCEPT_THEN_HANG:
                return Reply(answer, Manner.HANG)
            case Fault.ACCEPT_THEN_RESET:
                return Reply(answer, Manner.RESET)
            case Fault.ACCEPT_THEN_HANG_UP:
                return Reply(answer, Manner.HANG_UP)
            case Fault.GARBLE:
                return Reply(answer, Manner.GARBLE)
            case Fault.GARBLE_BODY:
                return Reply(dataclasses.replace(answer, body=b'{"\x00' + answer.body[: len(answer.body) // 2]))
            case Fault.IDLE_CLOSE:
                return Reply(answer, Manner.CLOSE)
            case Fault.IDLE_RESET:
                return Reply(answer, Manner.RESET_NEXT)
            case Fault.SLOW:
                return Reply(answer, delay=1.0 if seconds is None else seconds)
            case _:
                raise AssertionError(fault)

    def take(self, *, id: str, recipient: str, text: str) -> Message:
        """Counts one message as taken and keeps it for the wall."""
        message = Message(len(self.messages) + 1, id, recipient, text, self.now())
        self.messages.append(message)
        # Whoever was written to last stands last.
        received = self.recipients.pop(recipient, [])
        received.append(message)
        self.recipients[recipient] = received
        self._counts[recipient, text] += 1
        return message

    def counts(self) -> dict[str, Any]:
        """How often each recipient was sent something, and every text that one recipient got more than once.

        `repeats` are requests that the provider recognised as repeats and did not take again.
        """
        return {
            "requests": self.requests,
            "taken": len(self.messages),
            "repeats": self.repeats,
            "recipients": {recipient: len(messages) for recipient, messages in self.recipients.items()},
            "duplicates": [
                {"recipient": recipient, "text": text, "taken": taken}
                for (recipient, text), taken in self._counts.items()
                if taken > 1
            ],
        }

    def moments(self) -> dict[str, Any]:
        """When each recipient's last request came, taken or not, and when the last message for it was taken."""
        return {
            recipient: {
                "asked": asked,
                "taken": taken[-1].taken_at if (taken := self.recipients.get(recipient)) else None,
            }
            for recipient, asked in self._asked.items()
        }

    def forget(self) -> None:
        """Forgets messages, counts and faults; settings and scripts stay."""
        self.faults.clear()
        self.messages.clear()
        self.recipients.clear()
        self._asked.clear()
        self._counts.clear()
        self.requests = self.repeats = 0
