"""What all adapters share: common settings, the refusals made before anything leaves, and plain answers for what
a kind of channel cannot do.
"""

from __future__ import annotations

import hashlib
import ipaddress
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from channels._visible import stands_first_and_last, visible_text
from kentongan.seam import (
    Absent,
    Accepted,
    Cost,
    Inbound,
    InDoubt,
    Job,
    Limits,
    Mode,
    Outcome,
    Pictures,
    Posted,
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
from kentongan.settings import InstanceSettings, SecretSource

if TYPE_CHECKING:
    import httpx

_ACCOUNT = ("phone_number", "page", "username")
"""Fields by which a provider counts, where a kind has them."""

MOST_CONNECTIONS = 16
"""Connections of one public instance in one process: with more, httpx gets slower."""

_S = TypeVar("_S", bound="ChannelSettings")


class ChannelSettings(InstanceSettings, ABC):
    """What the settings of every kind have."""

    base_url: str = Field(description="Address of the provider, without the path of its API.")

    @field_validator("base_url")
    @classmethod
    def _plain_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be an address that begins with https:// or http:// and names a host")
        try:
            parts.hostname.encode("idna")
            _ = parts.port
        except ValueError:
            raise ValueError("names a host or a port that cannot be") from None
        if parts.query or parts.fragment or parts.username or parts.password:
            raise ValueError("must hold no user, password, query or fragment; secrets have fields of their own")
        return value.rstrip("/")

    @abstractmethod
    def limits(self) -> Limits:
        """What an instance with these settings allows."""

    def limited(
        self,
        counting: str,
        length: int,
        *,
        rate: float,
        concurrency: int,
        deliver_within: float,
        cost: Cost | None = None,
        pictures: Pictures | None = None,
        parts: float | None = None,
    ) -> Limits:
        """Limits of these settings over the kind's own `rate`, `concurrency` and `deliver_within`."""
        return Limits(
            counting=counting,
            length=length,
            rate=self.rate or rate,
            concurrency=self._at_once(concurrency),
            deadline=self.deadline,
            deliver_within=self.deliver_within or deliver_within,
            cost=cost,
            pictures=pictures,
            daily=self.daily,
            credential=self._credential(),
            parts=parts,
        )

    def _at_once(self, concurrency: int) -> int:
        wanted = self.concurrency or concurrency
        return min(wanted, MOST_CONNECTIONS) if self.audience is None else wanted

    def _credential(self) -> str:
        """Names the account at the provider without its secret, of which only the place is looked at.

        So it is the same in every process, and while a secret is replaced. "" where nothing tells.
        """
        if self.credential is not None:
            return self.credential
        account = [str(name) for field in _ACCOUNT if (name := getattr(self, field, None)) is not None]
        if not account and isinstance(token := getattr(self, "token", None), SecretSource):
            account = [str(token.env or token.file)]
        if not account:
            return ""
        told = "\n".join([self.kind, self.base_url, *account])
        return f"{self.kind}:{hashlib.sha256(told.encode()).hexdigest()[:16]}"


class OnlineSettings(ChannelSettings, ABC):
    """Settings of a provider on the open network, whose secret must not travel in the clear."""

    @model_validator(mode="after")
    def _encrypted(self: _S) -> _S:
        parts = urlsplit(self.base_url)
        if parts.scheme == "http" and not self.sandbox and not loopback(parts.hostname or ""):
            raise ValueError("base_url must begin with https://, since a secret travels with every request")
        return self


def loopback(host: str) -> bool:
    """Whether `host` is this machine by its very name or number."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Adapter(ABC):
    """One instance of a channel. A kind fills in `_send` and what else its traits promise."""

    kind: ClassVar[str]
    traits: ClassVar[Traits]

    def __init__(
        self, name: str, settings: ChannelSettings, *, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._name = name
        self._mode = settings.mode
        self._limits = settings.limits()
        self._public = settings.audience is None

    @property
    def name(self) -> str:
        """The instance's name in the config and in the log."""
        return self._name

    @property
    def mode(self) -> Mode:
        """Live or drill."""
        return self._mode

    @property
    def limits(self) -> Limits:
        """This instance's limits."""
        return self._limits

    async def send(self, message: Rendered, jobs: Sequence[Job], uploaded: Uploaded | None) -> Sequence[Outcome]:
        """Makes one irreversible request, for the first job; any others never left and are answered so."""
        if not jobs:
            return ()
        first, *others = jobs
        ready = self._ready_to_leave(message, first)
        outcome = ready if isinstance(ready, Rejected) else await self._send(ready, first, uploaded)
        return (outcome, *(Retryable("not sent: one message a request") for _ in others))

    @abstractmethod
    async def _send(self, message: Rendered, job: Job, uploaded: Uploaded | None) -> Outcome:
        """Sends a filled message that may leave."""

    async def upload(self, message: Rendered) -> Uploaded | Outcome:
        """Nothing to upload on this kind."""
        return Uploaded({})

    async def advance(self, message: Rendered, job: Job) -> Uploaded | Outcome:
        """This kind has no second step."""
        return Rejected("this channel has no step to continue", Why.PAYLOAD)

    async def find(self, message: Rendered, job: Job) -> Accepted | Absent | InDoubt:
        """This kind cannot be searched."""
        return InDoubt("this channel cannot be searched")

    async def edit(self, posted: Posted, message: Rendered, job: Job) -> Outcome:
        """Replaces the words of an earlier message, under the same refusals as a new one."""
        ready = self._ready_to_leave(message, job)
        return ready if isinstance(ready, Rejected) else await self._edit(posted, ready, job)

    async def _edit(self, posted: Posted, message: Rendered, job: Job) -> Outcome:
        return Rejected("this channel cannot edit", Why.PAYLOAD)

    async def delete(self, posted: Posted, job: Job) -> Outcome:
        """This kind cannot take a message away."""
        return Rejected("this channel cannot delete", Why.PAYLOAD)

    @abstractmethod
    async def ready(self) -> Readiness:
        """Whether our credentials would pass."""

    def receipts(self, request: Received) -> Sequence[Receipt]:
        """This kind gets no receipts."""
        return ()

    def inbound(self, request: Received) -> Sequence[Inbound]:
        """Nobody writes to us on this kind."""
        return ()

    def handshake(self, request: Received) -> str | None:
        """No provider of this kind checks our endpoint."""
        return None

    async def prepare(self) -> None:
        """Nothing on this kind is done before the first message."""
        return

    async def close(self) -> None:
        """Closes connections."""
        return

    def _ready_to_leave(self, message: Rendered, job: Job) -> Rendered | Rejected:
        """Returns the filled message, or why it may not leave here: mode, mark, audience or an empty slot."""
        if message.mode is not self._mode:
            return Rejected(f"a {message.mode} message may not leave a {self._mode} channel", Why.PAYLOAD)
        if self._public and job.to is not None:
            return Rejected("a message to one person may not leave a public channel", Why.PAYLOAD)
        if not self._public and (job.to is None or job.to.family != self.traits.family):
            return Rejected("the address is of another kind of channel", Why.ADDRESS)
        try:
            filled = message.filled(job.values)
        except KeyError:
            return Rejected("a slot has no value", Why.PAYLOAD)
        if not self._marked(filled):
            return Rejected("the drill mark does not fit the mode", Why.PAYLOAD)
        return filled

    def _marked(self, message: Rendered) -> bool:
        if self._mode is Mode.LIVE:
            return message.mark == ""
        texts = [message.text, *([visible_text(message.html)] if message.html else [])]
        return message.mark != "" and all(stands_first_and_last(message.mark, text) for text in texts)


class HttpAdapter(Adapter):
    """An adapter whose provider speaks HTTP; `wire` makes its requests."""

    def __init__(
        self, name: str, settings: ChannelSettings, *, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        super().__init__(name, settings, transport=transport)
        # Here and not above: whoever only lists kinds must not pay for a network library.
        from channels._http import Wire

        self.wire = Wire(
            settings.base_url,
            public=self._public,
            deadline=self._limits.deadline,
            concurrency=self._limits.concurrency,
            transport=transport,
        )

    async def prepare(self) -> None:
        """Opens the transport."""
        await self.wire.prepare()

    async def close(self) -> None:
        """Closes connections."""
        await self.wire.close()
