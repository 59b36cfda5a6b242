"""The faults of the demo, the end that each must have, and what ledger and stand-ins say it had."""

from __future__ import annotations

from collections.abc import Sequence

from console.demo.samples import chat, on_the_coast, phone
from kentongan.addresses import mask
from kentongan.ledger.views import Delivery
from kentongan.policy import Reason
from kentongan.quick_dataclass import dataclass
from kentongan.seam import Address
from sandbox.faults import Fault, Rule
from sandbox.server import Sandbox

THROTTLED, REPEATED, SETTLED, DOUBTED = 7, 8, 11, 6
"""The people whom a fault strikes, by number; DOUBTED is struck in the second alert."""

_OUT = ("accepted", "delivered", "read")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the list: what happens, what must come of it, what did, and whether that is the same."""

    what: str
    must: str
    ledger: str
    stand_in: str
    well: bool


PUBLIC = (
    ("mastodon-drill", "mastodon"),
    ("facebook-drill", "facebook"),
    ("x-drill", "x"),
    ("blog-drill", "wordpress"),
    ("partner-drill", "webhook"),
)
"""The channels that everybody reads and whose stand-ins count; the feed is files of our own."""

DIRECT = (
    ("sms-drill", "kannel", "phone", "delivered"),
    ("whatsapp-drill", "whatsapp", "whatsapp", "delivered"),
    ("telegram-drill", "telegram", "telegram", "accepted"),
    ("mail-drill", "smtp", "email", "accepted"),
)
"""The channels to people: instance, stand-in, address space, and the word that their deliveries end in."""

CHANNELS = 1 + len(PUBLIC) + len(DIRECT)


def prepare_first(sandbox: Sandbox) -> None:
    """Sets the faults that the first alert meets."""
    sandbox.add_faults("mastodon", [Rule(Fault.ACCEPT_THEN_500)])
    sandbox.add_faults("facebook", [Rule(Fault.ACCEPT_THEN_RESET)])
    sandbox.add_faults("wordpress", [Rule(Fault.ACCEPT_THEN_500)])
    sandbox.add_faults("telegram", [Rule(Fault.ACCEPT_THEN_RESET, match=chat(REPEATED))])
    sandbox.add_faults(
        "kannel",
        [
            Rule(Fault.THROTTLE, match=phone(THROTTLED).lstrip("+"), seconds=1.0),
            Rule(Fault.ACCEPT_THEN_RESET, match=phone(SETTLED).lstrip("+")),
        ],
    )


def prepare_second(sandbox: Sandbox) -> None:
    """Sets the fault that the second alert meets: taken, dropped, and never confirmed."""
    sandbox.stand_in("kannel").script([{"match": phone(DOUBTED).lstrip("+"), "reports": []}])
    sandbox.add_faults("kannel", [Rule(Fault.ACCEPT_THEN_RESET, match=phone(DOUBTED).lstrip("+"))])


@dataclass(frozen=True, slots=True)
class Seen:
    """One alert in the ledger, each delivery with its address ("" on public channels), its kind and its code."""

    kind: str
    code: str
    deliveries: Sequence[tuple[Delivery, str]]

    def of(self, instance: str, address: str = "") -> list[Delivery]:
        """The deliveries of an instance, to one address where one is given."""
        return [d for d, to in self.deliveries if d.instance == instance and (not address or to == address)]


def taken(sandbox: Sandbox, kind: str, code: str, recipient: str | None = None) -> int:
    """How often a stand-in took a message of this alert, for one recipient or in all."""
    digits = recipient.lstrip("+") if recipient is not None else None
    return sum(
        1
        for message in sandbox.stand_in(kind).messages
        # What it said when it was taken: a correction marks it as withdrawn later.
        if f"{code}-" in [*message.earlier, message.text][0]
        and (digits is None or message.recipient.lstrip("+") == digits)
    )


def compare(
    sandbox: Sandbox, warning: Seen, followed: Sequence[Seen], quake: Seen, correction: Seen, resolved: str
) -> list[Line]:
    """The list, from the ledger's deliveries and the stand-ins' own counts.

    `warning` begins a thread, `followed` are its update and all-clear; `quake` was stopped, and withdrawn by
    `correction`.
    """
    return [
        _one(
            f"SMS to {_masked('phone', phone(THROTTLED))} is throttled",
            "accepted at a later attempt, taken once",
            warning.of("sms-drill", phone(THROTTLED)),
            taken(sandbox, "kannel", warning.code, phone(THROTTLED)),
            words=("accepted", "delivered"),
            attempts=2,
            times=1,
            marked=False,
        ),
        _mastodon(sandbox, warning),
        *(
            _found(sandbox, warning, instance, kind, what)
            for instance, kind, what in (
                ("facebook-drill", "facebook", "Facebook takes a post and resets the connection"),
                ("blog-drill", "wordpress", "The blog takes a post and answers 500"),
            )
        ),
        _one(
            f"Telegram to {_masked('telegram', chat(REPEATED))} is taken and dropped",
            "one marked repeat",
            warning.of("telegram-drill", chat(REPEATED)),
            taken(sandbox, "telegram", warning.code, chat(REPEATED)),
            words=("accepted",),
            attempts=2,
            times=2,
            marked=True,
        ),
        _one(
            f"SMS to {_masked('phone', phone(SETTLED))} is taken and dropped",
            "settled by its receipt, taken once",
            warning.of("sms-drill", phone(SETTLED)),
            taken(sandbox, "kannel", warning.code, phone(SETTLED)),
            words=("delivered",),
            attempts=1,
            times=1,
            marked=False,
        ),
        _one(
            f"SMS to {_masked('phone', phone(DOUBTED))} is taken, dropped and never confirmed",
            f"in doubt until an officer settles it (was {resolved})",
            quake.of("sms-drill", phone(DOUBTED)),
            taken(sandbox, "kannel", quake.code, phone(DOUBTED)),
            words=("accepted",),
            attempts=1,
            times=1,
            marked=False,
        ),
        *_everybody(sandbox, warning),
        *(_followed(sandbox, warning, each) for each in followed),
        *_stopped(sandbox, quake),
        *_withdrawn(sandbox, quake, correction),
    ]


def _masked(family: str, value: str) -> str:
    return mask(Address(family, value))


def _one(
    what: str,
    must: str,
    deliveries: Sequence[Delivery],
    count: int,
    *,
    words: Sequence[str],
    attempts: int,
    times: int,
    marked: bool,
) -> Line:
    delivery = deliveries[0] if len(deliveries) == 1 else None
    if delivery is None:
        return Line(what, must, f"{len(deliveries)} deliveries", f"taken {count} times", well=False)
    well = (
        delivery.word in words
        and delivery.attempt == attempts
        and delivery.possible_duplicate == marked
        and count == times
    )
    mark = ", marked" if delivery.possible_duplicate else ""
    return Line(what, must, f"{delivery.word}, {delivery.attempt} attempts{mark}", f"taken {count} times", well)


def _mastodon(sandbox: Sandbox, warning: Seen) -> Line:
    posts = warning.of("mastodon-drill")
    repeats = sandbox.stand_in("mastodon").repeats
    count = taken(sandbox, "mastodon", warning.code)
    well = (
        [post.word for post in posts] == ["accepted"] * 2
        and sum(post.attempt for post in posts) == 3
        and not any(post.possible_duplicate for post in posts)
        and (count, repeats) == (2, 1)
    )
    return Line(
        "Mastodon takes a post and answers 500",
        "same key again, accepted once",
        f"{len(posts)} accepted in {sum(post.attempt for post in posts)} attempts",
        f"{count} posts, {repeats} repeat recognised",
        well,
    )


def _found(sandbox: Sandbox, alert: Seen, instance: str, kind: str, what: str) -> Line:
    posts = alert.of(instance)
    count = taken(sandbox, kind, alert.code)
    found = sum(post.reason.startswith(Reason.FOUND) for post in posts)
    well = (
        [post.word for post in posts] == ["accepted"] * 2
        and all(post.attempt == 1 and not post.possible_duplicate for post in posts)
        and found == 1
        and count == 2
    )
    ledger = f"{sum(post.word == 'accepted' for post in posts)} accepted, {found} by look-up"
    return Line(what, "looked up before any repeat, and found", ledger, f"{count} posts", well)


def _everybody(sandbox: Sandbox, alert: Seen) -> list[Line]:
    lines = []
    for instance, kind, family, word in DIRECT:
        found = alert.of(instance)
        # The one repeat of Telegram is counted twice, and marked.
        extra = sum(each.possible_duplicate for each in found)
        count = taken(sandbox, kind, alert.code)
        people = on_the_coast(family)
        well = len(found) == people and all(d.word == word for d in found) and count == people + extra
        lines.append(
            Line(
                f"everybody on the coast, on {instance}",
                f"{people} {word}",
                f"{sum(d.word == word for d in found)} {word}",
                f"taken {count} times",
                well,
            )
        )
    return lines


def _followed(sandbox: Sandbox, before: Seen, after: Seen) -> Line:
    out = sum(d.word in _OUT for d, _ in after.deliveries)
    count = _taken_everywhere(sandbox, after.code)
    feed = len(after.of("feed-drill"))
    well = out == len(after.deliveries) == len(before.deliveries) and count == out - feed
    return Line(
        f"{after.kind} {after.code} follows",
        f"to all {len(before.deliveries)} whom the thread reached",
        f"{out} accepted or delivered",
        f"taken {count} times, {feed} in the feed",
        well,
    )


def _taken_everywhere(sandbox: Sandbox, code: str) -> int:
    return sum(taken(sandbox, kind, code) for _, kind, *_ in (*PUBLIC, *DIRECT))


def _stopped(sandbox: Sandbox, quake: Seen) -> list[Line]:
    found = quake.of("sms-drill")
    out = [d for d in found if d.word in _OUT]
    cancelled = [d for d in found if d.word == "cancelled"]
    count = taken(sandbox, "kannel", quake.code)
    well = bool(len(out) == count and len(out) + len(cancelled) == len(found) and out and cancelled)
    return [
        Line(
            "another alert is stopped in the middle",
            "what was out is on record, the rest is cancelled",
            f"{len(out)} out, {len(cancelled)} cancelled",
            f"taken {count} times",
            well,
        )
    ]


def _withdrawn(sandbox: Sandbox, alert: Seen, correction: Seen) -> list[Line]:
    reached = {d.id for d, _ in alert.deliveries if d.word in (*_OUT, "in_doubt")}
    followed = [d for d, _ in correction.deliveries]
    out = sum(d.word in _OUT for d in followed)
    count = _taken_everywhere(sandbox, correction.code)
    feed = sum(d.instance == "feed-drill" for d in followed)
    well = len(followed) == len(reached) == out and count == out - feed
    return [
        Line(
            "what was stopped is withdrawn",
            f"a correction to all {len(reached)} whom it reached, and to nobody else",
            f"{out} accepted or delivered",
            f"taken {count} times, {feed} in the feed",
            well,
        )
    ]
