"""The seam between the core and the channels: what an adapter receives and what it may answer.

An adapter makes one attempt and answers with a value of `Outcome`. It never retries, sleeps, loops over
the provider, or logs a secret or an address. An exception out of an adapter is a mistake of ours; the core
reads it as `InDoubt`, because nobody knows what left.
"""

from __future__ import annotations

import dataclasses
import enum
import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime
from typing import ClassVar, Protocol

from kentongan.quick_dataclass import dataclass

# --- What goes out -------------------------------------------------------------------------------------


class Mode(enum.StrEnum):
    """What an alert or a channel instance is for; the two must agree before anything leaves.

    EXERCISE is a public exercise: marked like a drill, but on the real account, for everybody.
    """

    LIVE = "live"
    DRILL = "drill"
    EXERCISE = "exercise"


SLOT_OPEN, SLOT_CLOSE = "\ue000", "\ue001"
_SLOT = re.compile(f"{SLOT_OPEN}([a-z_]+){SLOT_CLOSE}")


def slot(name: str) -> str:
    """Returns the token that stands in a rendering for a fact known only when it is sent.

    The token is made of private-use characters, which the readers of input refuse, so no text can fake one.
    """
    return f"{SLOT_OPEN}{name}{SLOT_CLOSE}"


def fill(text: str, values: Mapping[str, str]) -> str:
    """Puts `values` into the slots of `text`; raises KeyError for a slot without a value."""
    return _SLOT.sub(lambda match: values[match.group(1)], text)


def slots(text: str) -> frozenset[str]:
    """Names of the slots that stand in `text`."""
    return frozenset(_SLOT.findall(text))


@dataclass(frozen=True, slots=True)
class Address:
    """Where one person is reached: `family` is the address space ("phone", "telegram"), `value` is normalised.

    The value never shows in `repr`, so that no log or exception can carry it.
    """

    family: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Media:
    """One picture or recording, frozen at approval; `description` is its alternative text.

    `digest` is the SHA-256 by which the ledger keeps it, and which officers sign.
    """

    name: str
    media_type: str
    content: bytes = field(repr=False)
    description: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """One file that a file-based channel publishes, such as the CAP XML or the accessible page."""

    name: str
    media_type: str
    text: str


@dataclass(frozen=True, slots=True)
class Template:
    """A template that the provider has approved, and what goes into its numbered places, in their order.

    `language` is the provider's code. The parameters may hold slots. The whole text that a reader sees, the template's
    own words included, is the `text` of the message.
    """

    name: str
    language: str
    parameters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shortened:
    """That a message does not say all that its kind of channel would, for want of room; for officers, never sent.

    `form` is the shorter form it took, "general" for that of the general hazard, "" where it kept its own. `full` is
    the length in full, as its channel counts, None where its own words could not be used at all. `missing`: what is
    left out or said in other words, sentence by sentence.
    """

    form: str
    full: int | None
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rendered:
    """One message as approved, for one instance and one language; texts may hold slots (see `slot`).

    `kind` is the kind of channel; `alert_kind` what the message does in its thread ("alert", "all-clear", ...), for
    channels that tell it to machines. `code` is the alert code with its language ("K7Q4-ID"); it stands in every public
    text and is what `find` looks for. `mark` is the exact drill token ("" when live): it stands first and last in
    `text`. `text` is the whole message in the instance's own counting; `title`, `html` and `documents` are for channels
    that use them.
    """

    alert_id: str
    instance: str
    language: str
    kind: str
    mode: Mode
    code: str
    mark: str
    title: str
    text: str
    html: str = ""
    link: str = ""
    media: tuple[Media, ...] = ()
    documents: tuple[Document, ...] = ()
    template: Template | None = None
    alert_kind: str = "alert"
    shortened: Shortened | None = None

    def with_pictures(self, contents: Mapping[str, bytes]) -> Rendered:
        """Returns this message with the content of its media by digest; those that are not there are left out."""
        there = (media for media in self.media if media.digest in contents)
        return dataclasses.replace(
            self, media=tuple(dataclasses.replace(media, content=contents[media.digest]) for media in there)
        )

    def filled(self, values: Mapping[str, str]) -> Rendered:
        """Returns this message with every slot filled; raises KeyError for a slot without a value."""
        return dataclasses.replace(
            self,
            title=fill(self.title, values),
            text=fill(self.text, values),
            html=fill(self.html, values),
            link=fill(self.link, values),
            documents=tuple(dataclasses.replace(d, text=fill(d.text, values)) for d in self.documents),
            template=self.template
            and dataclasses.replace(
                self.template, parameters=tuple(fill(each, values) for each in self.template.parameters)
            ),
        )


Handle = Mapping[str, str]
"""What the provider gave us to continue with (a container, an upload session); kept by the core between steps."""


@dataclass(frozen=True, slots=True)
class Job:
    """One attempt at one delivery.

    `key` is stable over all attempts at this delivery; `since` is the time of the first intent (UTC), the
    earliest moment our own post can have been created; `values` fill the slots; `to` is None on public channels.
    """

    key: str
    to: Address | None
    since: datetime
    values: Mapping[str, str] = field(default_factory=dict)
    handle: Handle | None = None


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What `Channel.upload` left at the provider, by media name; handed to every send of that rendering."""

    references: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Posted:
    """An earlier message of ours that the provider still holds; `id` is the provider's."""

    id: str
    url: str = ""


# --- What an attempt can end in ------------------------------------------------------------------------


class Why(enum.StrEnum):
    """What a rejection is about: this one address, or the message that all of them would get."""

    ADDRESS = "address"
    PAYLOAD = "payload"


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider has taken the message; `id` is its name for it, `url` where the public reads it."""

    id: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Pending:
    """A reversible step is done and another must follow, no earlier than `check_after` seconds from now."""

    handle: Handle
    check_after: float
    irreversible_next: bool


@dataclass(frozen=True, slots=True)
class Retryable:
    """It certainly never left, or the provider says that it dropped it. `after`: seconds it asks us to wait.

    `throttled`: all that use this credential are to wait, so long where it is said; else this message alone.
    """

    reason: str
    after: float | None = None
    throttled: bool = False


@dataclass(frozen=True, slots=True)
class Rejected:
    """The provider refuses this for good."""

    reason: str
    why: Why


@dataclass(frozen=True, slots=True)
class Credential:
    """Our account or configuration is at fault; nothing will pass until a person mends it."""

    reason: str


@dataclass(frozen=True, slots=True)
class InDoubt:
    """It may have left and it may have been accepted; nobody here can know yet."""

    reason: str


Outcome = Accepted | Pending | Retryable | Rejected | Credential | InDoubt


@dataclass(frozen=True, slots=True)
class Absent:
    """A look-up answered clearly and our message is not there."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether an instance would pass if we sent now; `detail` says what was seen, in one sentence.

    `expires_at`: when the credential ends (UTC); `quota_left`: most people or messages that the provider takes in 24
    hours, those of the last 24 included. None where the provider does not say.
    """

    ready: bool
    detail: str
    expires_at: datetime | None = None
    quota_left: int | None = None


class Confirmed(enum.StrEnum):
    """What a receipt says of one message; the words are those of the ledger's evidence."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNREACHABLE = "unreachable"
    DELIVERED = "delivered"
    READ = "read"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a provider told us later: by our own `key` where it echoes that, else by its own `provider_id`."""

    confirmed: Confirmed
    key: str = ""
    provider_id: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Inbound:
    """What somebody wrote to us: from an address of `family`, in answer to our message `in_reply_to` where it says so.

    `provider_id` is the provider's name for their message, by which a repeated call is known; "" where it has none.
    `in_reply_to` is the provider's name for ours, "" where the message answers none. `text` is "" for a picture and
    the like. Address and text never show in `repr`.
    """

    family: str
    address: str = field(repr=False)
    text: str = field(repr=False)
    provider_id: str = ""
    in_reply_to: str = ""


@dataclass(frozen=True, slots=True)
class Received:
    """One HTTP request at our receipt endpoint, as it came; `query` and `headers` have lower-case names in headers."""

    method: str
    path: str
    query: Mapping[str, str] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class Forged(Exception):
    """A receipt failed its signature or token check; the endpoint answers 403 and records nothing."""


# --- What a channel says of itself ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Idempotent:
    """The provider drops a repeat that carries the same key, for `window` seconds after the first (inf: for ever)."""

    window: float


@dataclass(frozen=True, slots=True)
class Traits:
    """What a kind of channel can do, the same for all its instances.

    `batch`: most jobs that one irreversible request may carry. `family`: the address space of its recipients, None
    where it is only public. `public`: it can publish to everybody. `settling`: seconds after which a look-up that
    finds nothing may be believed. `receipts`: the provider tells us later what became of a message. `local`: it needs
    no network, so `ready` may be asked where nobody is to be contacted.
    """

    batch: int = 1
    family: str | None = None
    public: bool = False
    idempotent: Idempotent | None = None
    find: bool = False
    edit: bool = False
    delete: bool = False
    receipts: bool = False
    upload: bool = False
    settling: float = 5.0
    local: bool = False


@dataclass(frozen=True, slots=True)
class Cost:
    """What a provider charges, in `currency` (ISO 4217): for a message, for one with a link, for one post looked at."""

    currency: str
    message: float
    with_link: float
    look_up: float = 0.0

    def of(self, text: str) -> float:
        """What this message costs."""
        return self.with_link if "https://" in text or "http://" in text else self.message


@dataclass(frozen=True, slots=True)
class Pictures:
    """Which pictures a message may carry: `most` in all; each of `types`, `size` bytes and a `description` so long."""

    most: int
    size: int
    types: tuple[str, ...] = ("image/jpeg", "image/png", "image/webp")
    description: int = 1_500


@dataclass(frozen=True, slots=True)
class Limits:
    """What THIS instance allows; read from its settings, never from the network.

    `counting` names the rule in `kentongan.words.counting` by which `length` is measured; `length` is in that rule's
    units. `rate`: requests a second; `concurrency`: requests at once; `deadline`: seconds for one request in all;
    `deliver_within`: seconds from dispatch after which it is too late to be of use on this channel. `cost`: None where
    a message costs nothing or nobody has said what. `pictures`: None where it carries none. `daily`: most messages in
    24 hours by its provider's contract, None where none is known. `credential` names the account at the provider, by
    which instances that send with the same one share its rate; "" where it is nobody else's. It holds no secret.
    `parts`: parts of short messages a second, where the provider counts those.
    """

    counting: str
    length: int
    rate: float
    concurrency: int
    deadline: float
    deliver_within: float
    cost: Cost | None = None
    pictures: Pictures | None = None
    daily: int | None = None
    credential: str = ""
    parts: float | None = None


class Channel(Protocol):
    """One configured instance of one kind of channel. Built by `channels.open`, used by the dispatcher alone."""

    kind: ClassVar[str]
    traits: ClassVar[Traits]

    @property
    def name(self) -> str:
        """The instance's name in the config and in the log."""

    @property
    def mode(self) -> Mode:
        """Live, drill or public exercise; a rendering of another mode is refused."""

    @property
    def limits(self) -> Limits:
        """This instance's limits."""

    async def upload(self, message: Rendered) -> Uploaded | Outcome:
        """Puts media at the provider, reversibly; called once per (alert, instance, language)."""

    async def send(self, message: Rendered, jobs: Sequence[Job], uploaded: Uploaded | None) -> Sequence[Outcome]:
        """Makes ONE irreversible request for `jobs` and answers one outcome a job, in their order."""

    async def advance(self, message: Rendered, job: Job) -> Uploaded | Outcome:
        """Takes the step after `Pending`, with the handle that it gave; `Uploaded` ends what an `upload` began.

        A reversible step answers Retryable where a look would say InDoubt: nothing is published yet.
        """

    async def find(self, message: Rendered, job: Job) -> Accepted | Absent | InDoubt:
        """Looks on our own account for the whole alert code in a message created since `job.since` - 60 s."""

    async def edit(self, posted: Posted, message: Rendered, job: Job) -> Outcome:
        """Replaces the words of an earlier message of ours."""

    async def delete(self, posted: Posted, job: Job) -> Outcome:
        """Takes an earlier message of ours away; only ever at an officer's explicit wish."""

    async def ready(self) -> Readiness:
        """Asks the provider, harmlessly, whether our credentials would pass."""

    def receipts(self, request: Received) -> Sequence[Receipt]:
        """Reads a provider's call to our receipt endpoint; pure. Raises Forged."""

    def inbound(self, request: Received) -> Sequence[Inbound]:
        """Reads what people wrote to us out of the same call; pure. Raises Forged, as `receipts` does."""

    def handshake(self, request: Received) -> str | None:
        """What a provider that checks our receipt endpoint must read; None where this is no check. Raises Forged."""

    async def close(self) -> None:
        """Closes connections."""
