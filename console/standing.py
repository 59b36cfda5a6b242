"""An alert's standing as a page, a table and JSON; the same for `send`, `status` and `resume`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from console import exits, output, words
from kentongan import telling
from kentongan.errors import PeopleKeyAway
from kentongan.ledger.senders import LEDGER

if TYPE_CHECKING:
    from rich.table import Table

    from console.office import Office
    from flows.house import House
    from kentongan.alert import Draft
    from kentongan.ledger.reviews import Review
    from kentongan.ledger.views import Delivery
    from kentongan.overview import ChannelView, Overview

HEADINGS = ("Channel", "People", "State", "First", "Retries")
_MOST_DOUBTS = 20
_MOST_CAUSES = 12


def heading(seen: Overview) -> str:
    """The alert in one line: what it is, whom it goes to, by whose word."""
    from kentongan.alert import Kind

    parts = [f"{seen.alert.kind.capitalize()} {seen.alert.code}"]
    if seen.predecessor is not None:
        parts.append(f"{'withdraws' if seen.alert.kind is Kind.CORRECTION else 'follows'} {seen.predecessor}")
    if seen.by:
        named = [f"{name} (by one-time code)" if name in seen.by_code else name for name in seen.by]
        parts.append(f"by {' and '.join(named)}")
    if seen.approved_by:
        parts.append(f"with the word of {' and '.join(seen.approved_by)}")
    return ", ".join([*parts, state_of(seen)])


def state_of(seen: Overview) -> str:
    """The alert's state, with what is left of it."""
    return seen.said


def title(draft: Draft) -> str:
    """What an alert is about, in a few words: its headline, else its event and where."""
    info = draft.cap.infos[0] if draft.cap.infos else None
    if info is None:
        return draft.hazard
    return info.headline or ", ".join([info.event, *(area.area_desc for area in info.areas[:1])])


def rows(seen: Overview, zone: ZoneInfo) -> list[tuple[str, str, str, str, str]]:
    """The live table's rows."""
    return [_row(seen, channel, zone) for channel in seen.channels]


def _row(seen: Overview, channel: ChannelView, zone: ZoneInfo) -> tuple[str, str, str, str, str]:
    first = "-"
    if channel.first_accepted is not None and seen.dispatch is not None:
        first = telling.span(channel.first_accepted - seen.dispatch.at)
    state = channel_state(seen, channel)
    if channel.held is not None and seen.open:
        state += f"; HELD: {telling.local(channel.held, zone)}"
    people = "everybody" if channel.public else words.number(channel.total)
    return channel.name, people, state, first, words.number(channel.retries)


def held(name: str, recorded: str, zone: ZoneInfo) -> str:
    """A hold in one sentence, for lists of all that is held."""
    reason = telling.local(recorded, zone)
    if name == LEDGER:
        return f"NOTHING GOES OUT: {reason}; `kentongan resume --restored` lets it go on"
    return f"{name} is held: {reason}"


def remedy(seen: Overview, channel: ChannelView) -> str:
    """What lets a held channel go on."""
    if channel.held_with_all:
        return "Nothing goes out before: kentongan resume --restored"
    return f"When it is mended it goes on by itself, or: kentongan retry {seen.alert.code}"


def channel_state(seen: Overview, channel: ChannelView) -> str:
    """Where one channel stands, in words."""
    if not channel.total and seen.dispatch is not None and seen.dispatch.expanded:
        return "nobody to write to"
    return words.states(channel.words)


def table(seen: Overview, zone: ZoneInfo) -> Table:
    """The live table."""
    return output.table(HEADINGS, rows(seen, zone), right=(1, 3, 4))


def banners(seen: Overview) -> list[str]:
    """The first lines of every page about an alert."""
    lines = [words.banner(seen.alert.mode)]
    if seen.sandbox:
        lines.append(output.SANDBOX)
    if seen.break_glass:
        lines.append(f"BREAK-GLASS: sent by one officer alone: {seen.break_glass}")
    return lines


def exit_code(seen: Overview, tolerated_share: float) -> int:
    """The exit code of a command that followed the alert to its end."""
    parts = [exits.Part(channel.public, channel.words) for channel in seen.channels]
    if seen.alert.state == "stopped" and seen.dispatch is not None and not seen.dispatch.expanded:
        # Stopped before all were planned: whoever is not counted did not get it.
        parts.append(exits.Part(True, {"cancelled": 1}))
    return exits.exit_code(parts, tolerated_share=tolerated_share)


def doubts(house: House, seen: Overview) -> list[tuple[Delivery, str]]:
    """The first deliveries in doubt, each with its address as officers may see it."""
    from kentongan.addresses import mask
    from kentongan.ledger import views

    found = house.ledger.read(
        lambda read: views.deliveries(read, seen.alert.id, words=("in_doubt",), most=_MOST_DOUBTS)
    )
    try:
        addresses, nobody = (
            house.open_addresses([each.address_id for each in found if each.address_id is not None]),
            "erased",
        )
    except PeopleKeyAway:
        # What becomes of an alert is told all the same.
        addresses, nobody = {}, "cannot be opened"
    shown = []
    for each in found:
        address = addresses.get(each.address_id) if each.address_id is not None else None
        shown.append((each, mask(address) if address is not None else "everybody" if not each.person_id else nobody))
    return shown


def nobody_sends(code: str) -> str:
    """That the rest of an alert waits for somebody to send it, and how it goes on."""
    return f"NOBODY IS SENDING {code}: whoever did is gone. To go on: kentongan resume {code}, or start the service"


def review_line(code: str, review: Review, zone: ZoneInfo) -> str:
    """The review of a broken glass in one line: due, or done."""
    if review.done_at is not None:
        return f"Reviewed by {review.done_by}, {telling.minute(review.done_at, zone)}: {review.finding}"
    return (
        f"Review due {telling.minute(review.due_at, zone)}, by another officer than {review.officer}: "
        f"kentongan review {code} --finding TEXT"
    )


def review_json(review: Review) -> dict[str, Any]:
    """The review of a broken glass with stable keys."""
    return {
        "broke_glass": review.officer,
        "opened_at": telling.iso(review.opened_at),
        "due_at": telling.iso(review.due_at),
        "done_at": telling.iso(review.done_at),
        "done_by": review.done_by,
        "finding": review.finding or None,
    }


def explain(office: Office, seen: Overview) -> None:
    """Writes what lies behind the table: holds, failures by cause, doubts, and what to do about each."""
    from kentongan.forecast import throttled

    if seen.pruned_at is not None:
        output.say(telling.pruned(seen.pruned_at, office.zone))
    if seen.review is not None:
        output.say(review_line(seen.alert.code, seen.review, office.zone))
    if seen.refused and seen.open:
        output.say(f"No sender may send it: {seen.refused}")
    elif seen.unattended:
        output.say(nobody_sends(seen.alert.code))
    for each in seen.throttled:
        output.say(f"{each.instance}: {throttled(each)}")
        output.say(f"  To ask it sooner than it said: kentongan retry {seen.alert.code} --channel {each.instance}")
    for channel in seen.channels:
        if channel.held is not None and seen.open:
            output.say(f"{channel.name} is held: {telling.local(channel.held, office.zone)}")
            output.say(f"  {remedy(seen, channel)}")
        if channel.duplicates:
            output.say(f"{channel.name}: {telling.several(channel.duplicates, 'possible duplicate')}, marked as such")
    if seen.waits_until is not None:
        output.say(
            f"Next look at who is not reached or has not answered: {words.moment(seen.waits_until, office.zone)};"
            f" without a service: kentongan resume {seen.alert.code}"
        )
    for cause in seen.causes[:_MOST_CAUSES]:
        why = f": {cause.reason}" if cause.reason else ""
        output.say(f"{cause.channel}: {cause.count:,} {telling.word(cause.word)}{why}")
    if len(seen.causes) > _MOST_CAUSES:
        output.say(f"and {telling.several(len(seen.causes) - _MOST_CAUSES, 'other cause')}; see `kentongan report`")
    if not seen.in_doubt:
        return
    output.say(
        f"In doubt: {telling.several(seen.in_doubt, 'delivery', 'deliveries')}; an officer who knows can settle it:"
    )
    shown = doubts(office.house, seen)
    told = {(cause.channel, cause.reason) for cause in seen.causes[:_MOST_CAUSES]}
    for delivery, address in shown:
        # Why stands among the causes already, once for all of a channel.
        why = "" if (delivery.instance, delivery.reason) in told else f": {delivery.reason}"
        output.say(f"  {delivery.id}  {delivery.instance} {delivery.language}, {address}{why}")
    if seen.in_doubt > len(shown):
        output.say(f"  and {seen.in_doubt - len(shown):,} more")
    output.say("  kentongan resolve DELIVERY --sent | --not-sent [--again]")


def to_json(office: Office, seen: Overview) -> dict[str, Any]:
    """The alert's standing with stable keys; `people` counts persons, each once on however many channels."""
    from kentongan.ledger import views

    dispatch = seen.dispatch
    return {
        "code": seen.alert.code,
        "id": seen.alert.id,
        "kind": seen.alert.kind.value,
        "mode": seen.alert.mode.value,
        "state": seen.alert.state,
        "open": seen.open,
        "refused": seen.refused or None,
        "unattended": seen.unattended,
        "throttled": [
            {
                "channel": each.instance,
                "since": telling.iso(each.at),
                "until": telling.iso(each.until),
                "deliver_by": telling.iso(each.deliver_by),
                "waiting": each.waiting,
                "waiting_have_also": dict(each.also),
            }
            for each in seen.throttled
        ],
        "waits_until": telling.iso(seen.waits_until),
        "follows": seen.predecessor,
        "sandbox": seen.sandbox,
        "drafted_at": telling.iso(seen.alert.created_at),
        "dispatched_at": telling.iso(dispatch.at) if dispatch is not None else None,
        "expires_at": telling.iso(seen.alert.expires_at),
        "pruned_at": telling.iso(seen.pruned_at),
        "approved_by": list(seen.approved_by),
        "by": list(seen.by),
        "by_code": list(seen.by_code),
        "break_glass": seen.break_glass or None,
        "review": review_json(seen.review) if seen.review is not None else None,
        "reason": seen.reason or None,
        "people": office.house.ledger.read(lambda read: views.people(read, seen.alert.id)),
        "channels": [_channel_json(seen, channel) for channel in seen.channels],
        "causes": [
            {"channel": cause.channel, "word": cause.word, "reason": cause.reason, "count": cause.count}
            for cause in seen.causes
        ],
        "doubts": [_doubt_json(delivery, address) for delivery, address in doubts(office.house, seen)],
    }


def _channel_json(seen: Overview, channel: ChannelView) -> dict[str, Any]:
    after = None
    if channel.first_accepted is not None and seen.dispatch is not None:
        after = (channel.first_accepted - seen.dispatch.at) / 1000
    return {
        "channel": channel.name,
        "kind": channel.kind,
        "public": channel.public,
        "languages": list(channel.languages),
        "total": channel.total,
        "words": dict(channel.words),
        "first_accepted_at": telling.iso(channel.first_accepted),
        "last_accepted_at": telling.iso(channel.last_accepted),
        "seconds_to_first_acceptance": after,
        "retries": channel.retries,
        "possible_duplicates": channel.duplicates,
        "held": channel.held,
    }


def _doubt_json(delivery: Delivery, address: str) -> dict[str, Any]:
    return {
        "delivery": delivery.id,
        "channel": delivery.instance,
        "language": delivery.language,
        "address": address,
        "reason": delivery.reason,
        "attempts": delivery.attempt,
        "first_intent_at": telling.iso(delivery.first_intent_at),
    }


def listing(seen: Sequence[Overview], zone: ZoneInfo) -> list[tuple[str, str, str, str, str]]:
    """One line for each alert: code, kind and mode, state, when, headline."""
    lines = []
    for each in seen:
        at = each.dispatch.at if each.dispatch is not None else each.alert.created_at
        doubt = f", {each.in_doubt:,} in doubt" if each.in_doubt else ""
        glass = ", BREAK-GLASS" if each.break_glass else ""
        if each.review is not None and not each.review.is_done:
            glass += ", review due"
        lines.append(
            (
                each.alert.code,
                f"{each.alert.mode} {each.alert.kind}",
                state_of(each) + doubt + glass,
                telling.minute(at, zone),
                title(each.alert.draft),
            )
        )
    return lines
