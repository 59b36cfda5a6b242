"""Composing: an alert and its ready-made correction in the words of every instance they would go to."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

from kentongan import gates
from kentongan.alert import Draft, Kind
from kentongan.cap.writing import write as write_cap
from kentongan.desk import extent, illustrating, routes, targeting, threads
from kentongan.desk.desk import Desk
from kentongan.desk.extent import People
from kentongan.desk.routes import Routed
from kentongan.desk.targeting import Targeted
from kentongan.desk.threads import Thread
from kentongan.errors import Refused
from kentongan.gates import Finding
from kentongan.ledger.alerts import StoredAlert
from kentongan.quick_dataclass import dataclass
from kentongan.reach import reach_of
from kentongan.routes import Following
from kentongan.routing import Choice
from kentongan.seam import fill, slots
from kentongan.settings import InstanceSettings
from kentongan.words import following
from kentongan.words.late import late_values
from kentongan.words.rendering import Earlier, Renderings, Target, cap_document, public_link, render


@dataclass(frozen=True, slots=True)
class Composed:
    """What would go out: the alert's and its correction's renderings, by which instances, to how many people."""

    instances: Mapping[str, InstanceSettings]
    alert: Renderings
    correction: Renderings
    correction_draft: Draft
    people: People
    findings: tuple[Finding, ...]
    choice: Choice
    following: Following
    targeted: Targeted | None = None


def targets(desk: Desk, draft: Draft, instances: Mapping[str, InstanceSettings]) -> list[Target]:
    """The instances to render for, in the agency's languages that the alert has; in all of its own if it has none."""
    mode = draft.mode
    published = {language.split("-")[0].lower() for language in desk.settings.agency.languages}
    languages = tuple(language for language in draft.languages if language in published) or draft.languages
    return [
        Target(
            instance=name,
            kind=settings.kind,
            mode=mode,
            sandbox=settings.sandbox,
            limits=desk.kinds.limits(settings),
            public=settings.audience is None,
            languages=languages,
            approved=settings.approved_templates(),
        )
        for name, settings in instances.items()
    ]


def compose(
    desk: Desk,
    stored: StoredAlert,
    *,
    correction_code: str,
    correction_draft: Draft | None = None,
    without: Collection[str] = (),
    clock_override: str | None = None,
) -> Composed:
    """Renders everything and asks every gate; decides nothing. `without` leaves out "instance" or "instance:language".

    Raises Refused for a status that never leaves.
    """
    draft = stored.draft
    extent.check_without(desk, without)
    # What does not widen goes to those whom its thread has reached, wherever they are.
    targeted = targeting.target(desk, draft) if stored.kind.widens else None
    fitting = gates.route(draft, desk.settings.channels)
    chosen = routes.routed(desk, stored, fitting, targeted)
    routed = chosen.instances
    thread = desk.ledger.read(lambda read: threads.followed(read, stored))
    if thread is not None:
        routed = _followed_instances(desk, draft, stored.kind, routed, thread)
    instances = {name: desk.settings.channels[name] for name in routed if name not in without}
    withdrawal = correction_draft or following.correction(
        draft, identifier=f"kentongan-{stored.id}-correction", now=desk.now
    )

    # What is left out now may have had the thread's earlier messages, and must hear if they are withdrawn.
    withdrawn = {**{name: desk.settings.channels[name] for name in routed if thread is not None}, **instances}

    def rendered(
        draft: Draft, kind: Kind, code: str, earlier: Earlier | None, instances: Mapping[str, InstanceSettings]
    ) -> Renderings:
        made = render(
            draft,
            kind=kind,
            alert_id=stored.id,
            code=code,
            targets=targets(desk, draft, instances),
            agency=desk.settings.agency,
            library=desk.library,
            earlier=earlier,
            cap_xml=lambda alert: write_cap(alert).decode("utf-8"),
        )
        whole = kind is Kind.CORRECTION and thread is not None
        return Renderings(
            tuple(m for m in made.messages if whole or f"{m.instance}:{m.language}" not in without),
            tuple(p for p in made.problems if f"{p.instance}:{p.language}" not in without),
        )

    within = targeted.within if targeted is not None else None
    findings = threads.all_clear_findings(desk, stored) + gates.at_submit(
        draft,
        instances=instances,
        observed=desk.library.get(draft.hazard).observed(draft.facts),
        now=desk.now,
        clock_offset=desk.clock_offset,
        override=clock_override,
        action_rendered=not stored.kind.widens,
        zone=ZoneInfo(desk.settings.agency.timezone),
    )
    reached_people = extent.people(desk, stored, instances, within)
    if stored.kind.widens:
        findings += gates.reach(
            draft.cap,
            people=reached_people.total,
            writes=any(settings.audience is not None for settings in instances.values()),
            despite_opt_outs=reach_of(draft.cap, desk.settings.policy, desk.identify).despite_opt_outs,
        )
    if thread is None and chosen.findings:
        findings = [finding for finding in findings if finding.rule != "route"] + chosen.findings
    return Composed(
        instances=instances,
        alert=rendered(draft, stored.kind, stored.code, thread.earlier if thread is not None else None, instances),
        correction=rendered(withdrawal, Kind.CORRECTION, correction_code, Earlier(stored.code), withdrawn),
        correction_draft=withdrawal,
        people=reached_people,
        findings=gates.ordered(
            findings
            + (targeting.findings(desk, targeted, instances) if stored.kind.widens else [])
            + illustrating.findings(
                stored.kind, draft, {name: desk.kinds.limits(each) for name, each in instances.items()}
            )
        ),
        targeted=targeted,
        choice=chosen.choice,
        following=_following(stored.kind, chosen, instances),
    )


def _following(kind: Kind, chosen: Routed, instances: Mapping[str, InstanceSettings]) -> Following:
    """What follows; on channels that only an earlier message of the thread went to, nobody new is written to."""
    if not kind.widens:
        return Following()
    direct = [name for name, settings in instances.items() if settings.audience is not None]
    left = chosen.following.among(direct)
    spare = {*left.spare, *(name for name in direct if name not in chosen.instances)}
    return left.model_copy(update={"spare": tuple(name for name in direct if name in spare)})


def _followed_instances(
    desk: Desk, draft: Draft, kind: Kind, routed: Collection[str], thread: Thread
) -> tuple[str, ...]:
    """Where a follow-up goes: wherever its thread has gone and still can, and, if it widens, where it is routed to."""
    there = [
        name
        for name in thread.instances
        if (configured := desk.settings.channels.get(name)) is not None and gates.fits(draft, configured) is None
    ]
    return tuple(dict.fromkeys([*there, *(routed if kind.widens else ())]))


def refuse_unrendered(composed: Composed) -> None:
    """Raises Refused for messages that did not render and that no officer has left out, a line for each."""
    sentences: dict[str, str] = {}
    for renderings in (composed.alert, composed.correction):
        for problem in renderings.problems:
            if not problem.fallen_back:
                place = f"{problem.instance}:{problem.language}"
                told = f"{place}: {problem.sentence}; {problem.remedy}, or leave it out with --without {place}"
                sentences.setdefault(place, told)
    if sentences:
        raise Refused("\n".join(sentences.values()), rule="rendering")


def document(
    desk: Desk,
    draft: Draft,
    *,
    kind: Kind = Kind.ALERT,
    earlier: Earlier | None = None,
    code: str = "",
    sent: datetime | None = None,
) -> bytes:
    """The alert as CAP 1.2 XML, with the words that its hazard's templates give where it brings none of its own.

    `earlier` is what it follows. `sent` is when it was sent, for the late facts in those words; now where it was not
    sent yet.
    """
    said = cap_document(
        draft,
        kind=kind,
        code=code,
        agency=desk.settings.agency,
        library=desk.library,
        link=public_link(desk.settings.agency, code) if code else "",
        earlier=earlier,
    )
    xml = write_cap(said).decode("utf-8")
    values = late_values(
        slots(xml),
        language=draft.languages[0],
        languages=desk.library.languages,
        zone=ZoneInfo(desk.settings.agency.timezone),
        sent=sent or desk.now,
        earlier_sent=earlier.sent if earlier is not None else None,
    )
    return fill(xml, {name: escape(value) for name, value in values.items()}).encode("utf-8")
