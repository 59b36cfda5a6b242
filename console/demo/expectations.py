"""The faults of the demo, the end that each must have, and what ledger and stand-ins say it had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from console.demo.samples import PEOPLE, chat, phone
from kentongan.ledger.views import Delivery
from kentongan.people import mask
from kentongan.seam import Address
from sandbox.faults import Fault, Rule
from sandbox.server import Sandbox

THROTTLED, REPEATED, SETTLED, DOUBTED = 7, 4, 11, 2
"""The people whom a fault strikes, by number; DOUBTED is struck in the second alert."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the list: what happens, what must come of it, what did, and whether that is the same."""

    what: str
    must: str
    ledger: str
    stand_in: str
    well: bool


def prepare_first(sandbox: Sandbox) -> None:
    """Sets the faults that the first alert meets."""
    sandbox.add_faults("mastodon", [Rule(Fault.ACCEPT_THEN_500)])
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
    """One alert in the ledger, each delivery with its address ("" on public channels), and its code in the texts."""

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


def compare(sandbox: Sandbox, quake: Seen, nowcast: Seen, correction: Seen, resolved: str) -> list[Line]:
    """The list, from the ledger's deliveries and the stand-ins' own counts."""
    return [
        _one(
            f"SMS to {_masked('phone', phone(THROTTLED))} is throttled",
            "accepted at a later attempt, taken once",
            quake.of("sms-drill", phone(THROTTLED)),
            taken(sandbox, "kannel", quake.code, phone(THROTTLED)),
            words=("accepted", "delivered"),
            attempts=2,
            times=1,
            marked=False,
        ),
        _mastodon(sandbox, quake),
        _one(
            f"Telegram to {_masked('telegram', chat(REPEATED))} is taken and dropped",
            "one marked repeat",
            quake.of("telegram-drill", chat(REPEATED)),
            taken(sandbox, "telegram", quake.code, chat(REPEATED)),
            words=("accepted",),
            attempts=2,
            times=2,
            marked=True,
        ),
        _one(
            f"SMS to {_masked('phone', phone(SETTLED))} is taken and dropped",
            "settled by its receipt, taken once",
            quake.of("sms-drill", phone(SETTLED)),
            taken(sandbox, "kannel", quake.code, phone(SETTLED)),
            words=("delivered",),
            attempts=1,
            times=1,
            marked=False,
        ),
        _one(
            f"SMS to {_masked('phone', phone(DOUBTED))} is taken, dropped and never confirmed",
            f"in doubt until an officer settles it (was {resolved})",
            nowcast.of("sms-drill", phone(DOUBTED)),
            taken(sandbox, "kannel", nowcast.code, phone(DOUBTED)),
            words=("accepted",),
            attempts=1,
            times=1,
            marked=False,
        ),
        *_everybody(sandbox, quake),
        *_stopped(sandbox, nowcast),
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


def _mastodon(sandbox: Sandbox, quake: Seen) -> Line:
    posts = quake.of("mastodon-drill")
    repeats = sandbox.stand_in("mastodon").repeats
    count = taken(sandbox, "mastodon", quake.code)
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


def _everybody(sandbox: Sandbox, quake: Seen) -> list[Line]:
    lines = []
    for instance, kind, words, extra in (
        ("sms-drill", "kannel", ("delivered",), 0),
        ("telegram-drill", "telegram", ("accepted",), 1),
    ):
        found = quake.of(instance)
        count = taken(sandbox, kind, quake.code)
        well = len(found) == PEOPLE and all(d.word in words for d in found) and count == PEOPLE + extra
        lines.append(
            Line(
                f"everybody else on {instance}",
                f"{PEOPLE} {words[0]}",
                f"{sum(d.word in words for d in found)} {words[0]}",
                f"taken {count} times",
                well,
            )
        )
    return lines


def _stopped(sandbox: Sandbox, nowcast: Seen) -> list[Line]:
    found = nowcast.of("sms-drill")
    out = [d for d in found if d.word in ("accepted", "delivered")]
    cancelled = [d for d in found if d.word == "cancelled"]
    count = taken(sandbox, "kannel", nowcast.code)
    well = len(out) == count and len(out) + len(cancelled) == PEOPLE and 0 < len(out) < PEOPLE
    return [
        Line(
            "the second alert is stopped in the middle",
            "what was out is on record, the rest is cancelled",
            f"{len(out)} out, {len(cancelled)} cancelled",
            f"taken {count} times",
            well,
        )
    ]


def _withdrawn(sandbox: Sandbox, quake: Seen, correction: Seen) -> list[Line]:
    reached = {d.id for d, _ in quake.deliveries if d.word in ("accepted", "delivered", "read", "in_doubt")}
    followed = [d for d, _ in correction.deliveries]
    out = sum(d.word in ("accepted", "delivered") for d in followed)
    count = sum(taken(sandbox, kind, correction.code) for kind in ("kannel", "telegram", "mastodon"))
    feed = sum(d.instance == "feed-drill" for d in followed)
    well = len(followed) == len(reached) == out and count == out - feed
    return [
        Line(
            "the first alert is withdrawn",
            f"a correction to all {len(reached)} whom it reached",
            f"{out} accepted or delivered",
            f"taken {count} times, {feed} in the feed",
            well,
        )
    ]
