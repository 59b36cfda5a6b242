"""The record in words: one sentence for every type of event."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kentongan.ledger.senders import LEDGER
from kentongan.ledger.views import Event

_Data = Mapping[str, Any]


def _by(data: _Data) -> str:
    by = data.get("by")
    return f" by {by}" if by else ""


def _because(data: _Data) -> str:
    told = [str(data[name]) for name in ("reason", "detail", "why") if data.get(name)]
    return f": {'; '.join(told)}" if told else ""


def _of(data: _Data, name: str) -> str:
    value = (data.get("set") or {}).get(name)
    return "" if value is None else str(value)


def _dispatched(data: _Data) -> str:
    proof = data.get("proof") or {}
    told = f"sent off by {data.get('by')} on {', '.join(data.get('instances', ()))}"
    if proof.get("by"):
        told += f", on the word of {' and '.join(proof['by'])}"
    if proof.get("break_glass"):
        told += f"; BREAK-GLASS: {proof['break_glass']}"
    if proof.get("reason"):
        told += f"; withdraws its predecessor: {proof['reason']}"
    return told


def _stopped(data: _Data) -> str:
    return f"stopped{_by(data)}{'' if data.get('signed') else ' (not logged in)'}{_because(data)}"


def _planned(data: _Data) -> str:
    return f"{data.get('count', 0):,} planned on {data.get('instance')}"


def _attempt(data: _Data) -> str:
    evidence = str(data.get("evidence", "")).replace("_", " ")
    because = _because(data)
    return f"attempt {data.get('attempt')} is {evidence}{_by(data)}{because if because != f': {evidence}' else ''}"


def _next(data: _Data) -> str:
    changes = data.get("set") or {}
    if changes.get("stage") == "planned":
        return f"planned again, to {changes.get('action', 'send')}"
    return str(changes.get("closed") or "nothing is left to do")


def _lost(data: _Data) -> str:
    error = f" ({data['error']})" if data.get("error") else ""
    return f"Prefect lost it{error}{_because(data)}; sending went on"


def _approved(data: _Data) -> str:
    if data.get("taken_by"):
        return f"approved by one-time code{_by(data)}, taken down by {data['taken_by']}: no signature of theirs"
    return f"signed{_by(data)}"


def _regions(data: _Data) -> str:
    told = f"regions loaded: {data.get('added', 0):,} new, {data.get('updated', 0):,} known"
    return f"{told}, {data.get('removed', 0):,} taken out"


def _paged(data: _Data) -> str:
    outcome = str(data.get("outcome", "")).replace("_", " ")
    return f"{data.get('officer')} paged over {data.get('instance')} ({data.get('cause')}): {outcome}{_because(data)}"


def _opted(what: str, data: _Data) -> str:
    family = data.get("family")
    where = "" if family == "*" else f", {family}"
    return f"{len(data.get('persons', ())):,} people {what}{where}{_by(data)}"


def _on_channels(data: _Data) -> str:
    planned = data.get("planned") or {}
    return ", ".join(f"{count:,} on {name}" for name, count in planned.items() if count) or "nobody can be"


def _by_whom(data: _Data, name: str, before: str = " by ") -> str:
    return f"{before}{data[name]}" if data.get(name) else ""


def _held(data: _Data) -> str:
    return "the whole ledger" if data.get("instance") == LEDGER else str(data.get("instance"))


def _many(what: str) -> Callable[[_Data], str]:
    return lambda data: f"{len(data.get('ids', ())):,} {what}"


WORDS: Mapping[str, Callable[[_Data], str]] = {
    "alert.drafted": lambda data: f"{data.get('kind')} drafted{_by(data)}, {data.get('mode')}",
    "alert.rendered": lambda data: f"{len(data.get('digests', ())):,} messages rendered",
    "alert.submitted": lambda data: f"submitted{_by(data)}",
    "alert.approved": _approved,
    "alert.returned": lambda data: f"returned to be mended{_by(data)}{_because(data)}",
    "alert.discarded": lambda data: f"discarded{_by(data)}{_because(data)}",
    "review.opened": lambda data: f"review of the broken glass opened: {data.get('by')} sent it alone",
    "review.done": lambda data: f"broken glass reviewed{_by(data)}",
    "alert.dispatched": _dispatched,
    "alert.stopped": _stopped,
    "alert.ended": lambda data: f"ended{_because(data)}",
    "deliveries.planned": _planned,
    "deliveries.cancelled": _many("cancelled, never begun"),
    "deliveries.expired": _many("given up, too late to be of use"),
    "delivery.intended": lambda data: f"attempt {data.get('attempt')} begun",
    "delivery.settled": _attempt,
    "delivery.recovered": _attempt,
    "delivery.looked_up": _attempt,
    "delivery.not_sent": _attempt,
    "delivery.resolved": _attempt,
    "delivery.receipt": _attempt,
    "delivery.next": _next,
    "delivery.edited": lambda data: f"the earlier message was marked as withdrawn{_because(data)}",
    "alert.pruning": lambda data: f"its deliveries begin to be pruned{_by(data)}; what was counted of them stays",
    "alert.pruned": lambda data: f"pruned: {data.get('deliveries')} deliveries are off the record{_by(data)}",
    "deliveries.hastened": lambda data: f"{len(data.get('ids', ()))} made due now, for the clock was set back",
    "delivery.hastened": lambda data: f"made due now{_by(data)}",
    "dispatch.owned": lambda data: f"taken {'over' if data.get('before') else 'up'}{_by_whom(data, 'owner')}",
    "dispatch.handed_on": lambda data: f"handed on{_by_whom(data, 'owner', ' to ')}",
    "dispatch.joined": lambda data: (
        f"{data.get('sender')} takes no part{_because(data)}"
        if data.get("why")
        else f"sent by {data.get('sender')} too"
    ),
    "dispatch.advanced": lambda data: "more are planned",
    "dispatch.expanded": lambda data: "everybody is planned",
    "dispatch.refused": lambda data: f"not sent{_because(data)}",
    "instance.without_pictures": lambda data: (
        f"{data.get('instance')} goes without pictures in {data.get('language')}: {data.get('reason')}"
    ),
    "instance.started": lambda data: f"{data.get('instance')} begun ({data.get('through')})",
    "instance.held": lambda data: f"{_held(data)} held{_because(data)}",
    "instance.throttled": lambda data: (
        f"the provider of {data.get('instance')} lets {data.get('waiting', 0):,} wait longer than it is of use there"
    ),
    "instance.released": lambda data: f"{_held(data)} goes on{_by(data)}",
    "instance.unready": lambda data: f"{data.get('instance')} would fail{_because(data)}",
    "instance.ready": lambda data: f"{data.get('instance')} would pass again{_because(data)}",
    "officer.added": lambda data: (
        f"{data.get('officer')} is an officer, admitted by {' and '.join(data.get('by') or ['nobody: the first'])}"
    ),
    "officer.revoked": lambda data: f"{data.get('officer')} is revoked{_by(data)}",
    "officer.pager": lambda data: f"{data.get('officer')} can be paged by {data.get('family')}",
    "officer.unpaged": lambda data: f"{data.get('officer')} is no longer paged by {data.get('family')}{_by(data)}",
    "officer.exported": lambda data: f"sealed key of {data.get('officer')} written for another machine{_by(data)}",
    "picture.stored": lambda data: f"a picture of {data.get('size', 0):,} bytes is kept",
    "sheet.issued": lambda data: f"{data.get('officer')} has a new sheet of one-time codes",
    "sheet.replaced": lambda data: f"an earlier sheet of {data.get('officer')} ended{_because(data)}",
    "sheet.spent": lambda data: f"{data.get('officer')} said a one-time code, taken down{_by(data)}",
    "sheet.missed": lambda data: f"wrong answer for a one-time code of {data.get('officer')}, typed{_by(data)}",
    "sheet.locked": lambda data: f"the sheet of {data.get('officer')} is locked after too many wrong answers",
    "page.sent": _paged,
    "page.acknowledged": lambda data: f"noted{_by(data)}: no more pages on {str(data.get('about')).partition(':')[0]}",
    "officer.logged_in": lambda data: f"{data.get('officer')} logged in",
    "people.imported": lambda data: (
        f"people imported: {data.get('added', 0):,} new, {data.get('updated', 0):,} known"
        + (f", {data['removed']:,} no longer listed" if data.get("removed") else "")
    ),
    "people.erased": lambda data: f"{len(data.get('persons', ())):,} people erased{_by(data)}",
    "people.key_rotated": lambda data: f"people.key rotated: {data.get('rewrapped', 0):,} keys wrapped anew{_by(data)}",
    "people.retained": lambda data: (
        f"erased by policy: {data.get('people', 0):,} people who left the list, {data.get('answers', 0):,} answers"
        f"{_by(data)}"
    ),
    "people.import_withdrawn": lambda data: "an import of people that was cut was taken back",
    "regions.imported": _regions,
    "people.opted_out": lambda data: _opted("opted out", data),
    "people.opted_in": lambda data: _opted("opted in again", data),
    "opt_outs.overridden": lambda data: (
        f"{data.get('count', 0):,} on {data.get('instance')} are written to although they opted out: life is at stake"
    ),
    "answer.received": lambda data: f"answer on {data.get('instance')}: {data.get('meaning')}",
    "answers.revealed": lambda data: f"{data.get('count', 0):,} answers were read{_by(data)}, with addresses",
    "fallback.planned": lambda data: f"{data.get('unreached', 0):,} people not reached: {_on_channels(data)} planned",
    "fallback.ended": lambda data: f"no further channel is tried{_because(data)}",
    "escalation.planned": lambda data: (
        f"{data.get('answered', 0):,} of {data.get('until')} answered; group {data.get('group')}:"
        f" {_on_channels(data)} planned"
    ),
    "escalation.ended": lambda data: f"no further group is written to{_because(data)}",
    "receipt.received": lambda data: f"receipt on {data.get('instance')}: {data.get('confirmed')}",
    "sender.started": lambda data: f"a process begins to send{_by_whom(data, 'sender', ': ')}",
    "sender.ended": lambda data: f"a process that sends ended{_by_whom(data, 'sender', ': ')}",
    "schedule.added": lambda data: f"drill {_of(data, 'scenario')} scheduled{_by(data)}: {_of(data, 'every')}",
    "schedule.signed": lambda data: f"schedule of a drill approved{_by(data)}",
    "schedule.ended": lambda data: f"schedule of a drill ended{_by(data)}{_because(data)}",
    "drill.recorded": lambda data: (
        f"drill {_of(data, 'scenario') or 'of this alert'}: {_of(data, 'part')} {_of(data, 'state')}"
        f"{_because(data.get('set') or {})}"
    ),
    "drill.began": lambda data: "the drill began",
    "drill.finished": lambda data: f"the drill is done; score {_of(data, 'score')}{_because(data.get('set') or {})}",
    "drill.stopped": lambda data: f"the drill was stopped{_because(data.get('set') or {})}",
    "drill.dropped": lambda data: f"the drill was dropped{_because(data.get('set') or {})}",
    "drill.not_announced": lambda data: f"the end of the drill could not be announced{_because(data)}",
    "delivery.restored": _attempt,
    "delivery.merged": lambda data: _attempt(data) if data.get("attempt") else "comes from the spare, as it was there",
    "spool.merged": lambda data: (
        f"what was sent from the spare is in the ledger: {data.get('deliveries', 0):,} messages,"
        f" {data.get('attempts', 0):,} attempts, {data.get('twice', 0):,} sent from here too"
    ),
    "ledger.restored": lambda data: f"the ledger was restored from a backup{_by(data)}; nothing goes on by itself",
    "ledger.put_back": lambda data: "the ledger's file was deleted while it was in use; it was put back whole",
    "ballast.used": lambda data: "the ledger's disk was full; its ballast is used up",
    "ballast.made": lambda data: f"ballast of {data.get('size', 0) / 1_000_000:,.0f} MB lies beside the ledger",
    "ledger.backed_up": lambda data: f"ledger copied to {data.get('place')}{_by(data)}",
    "keys.copied": lambda data: f"keys copied to {data.get('place')}{_by(data)}",
    "keys.confirmed": lambda data: f"the copy of the keys in {data.get('place')} was compared{_by(data)}: it is good",
    "orchestration.began": lambda data: "the flow began in Prefect",
    "orchestration.ended": lambda data: f"the flow ended in Prefect ({data.get('state', 'state unknown')})",
    "orchestration.lost": _lost,
    "orchestration.asked": lambda data: f"Prefect was asked to show it from {data.get('host')}",
    "orchestration.crashed": lambda data: (
        f"the flow of {data.get('host')} was ended in Prefect: nobody ran it any more"
    ),
}


def spoken_of(data: _Data) -> dict[str, str]:
    """The ids of processes that send which an event names, by what they are in it."""
    changes = data.get("set")
    found = {"sender": data.get("sender"), "owner": changes.get("owner") if isinstance(changes, Mapping) else None}
    return {name: id for name, id in found.items() if isinstance(id, str)}


def _named(data: _Data, senders: Mapping[str, str]) -> dict[str, str]:
    """The processes that an event speaks of, as officers know them."""
    return {name: senders.get(id, f"sender {id}") for name, id in spoken_of(data).items()}


def sentence(event: Event, senders: Mapping[str, str] | None = None) -> str:
    """What happened, in words; a type that is not known here is shown by its name.

    `senders`: how processes that send are told apart ("service on pusdalops"), by the ids that the record has.
    """
    if event.data.get("damaged"):
        return f"{event.type}: this line of the record is damaged; `kentongan log verify` names its place"
    told = WORDS.get(event.type)
    said = told({**event.data, **_named(event.data, senders or {})}) if told is not None else event.type
    return f"delivery {event.delivery_id}: {said}" if event.delivery_id is not None else said
