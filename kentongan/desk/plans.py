"""The plans of dispatches: what is frozen of an approved alert, or of its correction, at the moment it is sent."""

from __future__ import annotations

from collections.abc import Collection
from zoneinfo import ZoneInfo

from kentongan import gates
from kentongan.alert import has_life_at_stake
from kentongan.clock import Milliseconds, to_datetime, to_milliseconds
from kentongan.desk import subjects, targeting, threads
from kentongan.desk.desk import Desk
from kentongan.errors import Refused
from kentongan.ledger import Read, Write, dispatches, renderings
from kentongan.ledger import threads as ledger_threads
from kentongan.ledger.alerts import StoredAlert
from kentongan.plan import PUBLIC, Plan, PlannedInstance
from kentongan.quick_dataclass import dataclass
from kentongan.reach import reach_of
from kentongan.routes import Following
from kentongan.seam import Rendered, slots
from kentongan.subject import Instance, Subject
from kentongan.verdict import Approved

_UNCONFIGURED = 3600.0
"""Seconds to deliver a correction on an instance that the config no longer has."""


@dataclass(frozen=True, slots=True)
class Released:
    """A dispatch that is committed: nothing of it is lost from here.

    `ends` are the ids of the messages that say of drills that this live alert has stopped them.
    """

    alert: StoredAlert
    plan: Plan
    approved: Approved
    ends: tuple[str, ...] = ()


def of(desk: Desk, write: Write, stored: StoredAlert, subject: Subject, without: Collection[str] = ()) -> Plan:
    """What the dispatch of a submitted alert freezes; raises Refused where nothing of it may leave."""
    messages = renderings.of(write, stored.id)
    now = desk.clock.wall()
    instances = []
    subjects.same_instances(subject, desk.settings.channels, stored.code)
    within = targeting.now(write, subject.within)
    for instance in subject.instances:
        settings = desk.settings.channels[instance.name]
        finding = gates.fits(stored.draft, settings)
        if finding is not None:
            raise Refused(f"channel {instance.name} cannot be used: {finding.sentence}", rule=finding.rule)
        languages = _languages(stored, messages, instance.name, without)
        if instance.name in without or not languages:
            continue
        deliver_by = now + round(desk.kinds.limits(settings).deliver_within * 1000)
        if stored.expires_at is not None:
            deliver_by = min(deliver_by, stored.expires_at)
        instances.append(
            PlannedInstance(
                name=instance.name,
                kind=instance.kind,
                family=_family(desk, instance),
                languages=languages,
                audience=instance.audience if stored.kind.widens else None,
                within=within if stored.kind.widens and instance.audience is not None else None,
                deliver_by=deliver_by,
                receipts=desk.kinds.traits(instance.kind).receipts and settings.confirmed(),
            )
        )
    if not instances:
        raise Refused(f"nothing of alert {stored.code} is left to send; leave fewer channels out", rule="rendering")
    thread = threads.followed(write, stored)
    return Plan(
        kind=stored.kind,
        mode=stored.mode,
        life_at_stake=has_life_at_stake(stored.draft),
        instances=tuple(instances),
        values=_values(desk, messages, sent=now, earlier_sent=to_milliseconds(thread.sent) if thread else None),
        predecessor=stored.predecessor,
        reach=reach_of(stored.draft.cap, desk.settings.policy, desk.identify),
        following=subject.following.among([i.name for i in instances]) if stored.kind.widens else Following(),
        waves=subjects.waves(write, stored.id) if stored.kind.widens else (),
    )


def _family(desk: Desk, instance: Instance) -> str:
    """The address space that an instance writes to; raises Refused for people on a kind that only publishes."""
    if instance.audience is None:
        return PUBLIC
    family = desk.kinds.traits(instance.kind).family
    if family is None:
        raise Refused(
            f"channel {instance.name} names an audience and {instance.kind} publishes to everybody; mend channels.yaml",
            rule="scope",
        )
    return family


def _languages(
    stored: StoredAlert, messages: Collection[Rendered], instance: str, without: Collection[str]
) -> tuple[str, ...]:
    """The languages that an instance has a message in, in the draft's order."""
    there = {m.language for m in messages if m.instance == instance and f"{instance}:{m.language}" not in without}
    ordered = [language for language in stored.draft.languages if language in there]
    return (*ordered, *sorted(there - set(ordered)))


def _values(
    desk: Desk,
    messages: Collection[Rendered],
    *,
    sent: Milliseconds,
    earlier_sent: Milliseconds | None = None,
    reason: str | None = None,
) -> dict[str, dict[str, str]]:
    """The late facts that stand in the messages' slots, by language."""
    wanted: dict[str, set[str]] = {}
    for message in messages:
        for text in (message.title, message.text, message.html, message.link, *(d.text for d in message.documents)):
            wanted.setdefault(message.language, set()).update(slots(text))
    if not any(wanted.values()):
        return {language: {} for language in wanted}
    from kentongan.words.late import late_values

    return {
        language: late_values(
            names,
            language=language,
            languages=desk.library.languages,
            zone=ZoneInfo(desk.settings.agency.timezone),
            sent=to_datetime(sent),
            earlier_sent=to_datetime(earlier_sent) if earlier_sent is not None else None,
            reason=reason,
        )
        for language, names in wanted.items()
    }


def of_correction(
    desk: Desk,
    write: Write,
    predecessor: StoredAlert,
    correction: StoredAlert,
    dispatched: dispatches.Dispatch,
    reason: str,
) -> Plan:
    """The same instances as the thread went to, whatever the routes and configs say by now."""
    messages = renderings.of(write, correction.id)
    now = desk.clock.wall()
    instances = []
    planned_before = thread_instances(write, predecessor.id)
    # Whoever had messages by two channels of one kind hears it by the first: by one that is there.
    for planned in sorted(planned_before, key=lambda each: each.name not in desk.settings.channels):
        settings = desk.settings.channels.get(planned.name)
        within = desk.kinds.limits(settings).deliver_within if settings is not None else _UNCONFIGURED
        instances.append(
            planned.model_copy(
                update={
                    "audience": None,
                    "deliver_by": now + round(within * 1000),
                    "languages": _languages(correction, messages, planned.name, ()) or planned.languages,
                }
            )
        )
    return Plan(
        kind=correction.kind,
        mode=correction.mode,
        life_at_stake=dispatched.plan.life_at_stake,
        instances=tuple(instances),
        values=_values(desk, messages, sent=now, earlier_sent=dispatched.at, reason=reason),
        predecessor=predecessor.id,
    )


def thread_instances(read: Read, alert_id: str) -> list[PlannedInstance]:
    """Each instance as the newest message of the thread that went to it planned it, the newest message's first."""
    found: dict[str, PlannedInstance] = {}
    for id in reversed(ledger_threads.messages(read, alert_id)):
        sent = dispatches.get(read, id)
        found = {**found, **{i.name: i for i in sent.plan.instances if i.name not in found}} if sent else found
    return list(found.values())
