"""The gates that an alert passes at submit, at approval and again at send; never at import. All pure.

| gate         | rule         | blocks when                                                                      |
| ------------ | ------------ | -------------------------------------------------------------------------------- |
| mode         | mode         | CAP status and the instance's mode differ, or the status never leaves            |
| scope        | scope        | the text is Restricted or Private and the instance is public                     |
| time         | observed     | a time that was observed lies more than 5 min ahead                              |
|              | expired      | the alert has ended                                                              |
|              | clock        | (warns) our clock is unknown or over 60 s off; an override turns the two above   |
|              |              | into warnings                                                                    |
| completeness | completeness | source, hazard, place, action or time is missing                                 |
| area         | area         | nothing says where, or none of the loaded regions lies there                     |
| reach        | scope        | the text is Private and names none of our people                                 |
|              | opt-out      | (warns) life is at stake, and those who opted out get it too                     |
| routing      | route        | no instance is left that it may go to                                            |
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo

from kentongan import cap, telling
from kentongan.alert import Draft, mode_of
from kentongan.area.matching import Matched
from kentongan.cap.model import ResponseType, Scope, Status
from kentongan.errors import Refused
from kentongan.quick_dataclass import dataclass
from kentongan.seam import Mode
from kentongan.settings import InstanceSettings

FURTHEST_AHEAD = timedelta(minutes=5)
"""How far ahead of us an observed time may lie: clocks differ, but nobody observes the future."""

CLOCK_TRUSTED_WITHIN = 60.0
"""Seconds off network time up to which our clock is trusted."""


class Weight(enum.StrEnum):
    """What a finding does: refuse the act, or be shown to the officer."""

    BLOCK = "block"
    WARN = "warn"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one gate says: the `rule` as it stands in the log, and a sentence with the remedy."""

    rule: str
    sentence: str
    severity: Weight


def mode(status: Status, instance_mode: Mode, *, public_exercise: bool = False) -> list[Finding]:
    """Actual goes to live instances only, Exercise and Test to drill instances only, System and Draft nowhere.

    An Exercise that is a public exercise goes to exercise instances only.
    """
    try:
        wanted = mode_of(status, public_exercise=public_exercise)
    except Refused as refused:
        return [_block(refused.rule, str(refused))]
    if wanted is instance_mode:
        return []
    told = "a public exercise" if public_exercise else f"an alert of status {status}"
    return [_block("mode", f"{told} may not go to a channel of mode {instance_mode}; use one of mode {wanted}")]


def scope(scope: Scope, *, public: bool) -> list[Finding]:
    """What is Restricted or Private never reaches a public instance."""
    if scope is Scope.PUBLIC or not public:
        return []
    return [_block("scope", f"an alert of scope {scope} may not go to a public channel; use one with an audience")]


def fits(draft: Draft, instance: InstanceSettings) -> Finding | None:
    """Why an alert may not go to `instance`, None where it may; the last check before every send."""
    alert = draft.cap
    findings = [
        *mode(alert.status, instance.mode, public_exercise=draft.public_exercise),
        *scope(alert.scope, public=instance.audience is None),
    ]
    return findings[0] if findings else None


def route(draft: Draft, instances: Mapping[str, InstanceSettings]) -> tuple[str, ...]:
    """Names of the instances that `draft` goes to, in their order: all whose mode and scope fit."""
    return tuple(name for name, instance in instances.items() if fits(draft, instance) is None)


def time(
    draft: Draft,
    *,
    observed: Mapping[str, datetime],
    now: datetime,
    clock_offset: float | None,
    override: str | None = None,
    zone: tzinfo = UTC,
) -> list[Finding]:
    """Judges the times of an alert by our clock.

    `observed` are the times, by field name, that somebody or something has seen (a quake's origin, a gauge's reading);
    onset and arrival may lie ahead and do not belong here. `clock_offset` is ours from network time in seconds, None
    if unknown. `override` is an officer's reason to go on although the clock cannot be trusted; where it can, a reason
    changes nothing. `zone` is the one in which officers read times.
    """
    trusted = clock_offset is not None and abs(clock_offset) <= CLOCK_TRUSTED_WITHIN
    excused = not trusted and bool(override and override.strip())
    findings = [] if trusted else [_untrusted(clock_offset, override if excused else None)]
    weight = Weight.WARN if excused else Weight.BLOCK
    doubt = "" if trusted else "; if our clock is wrong, give --clock-override with a reason"
    for field, seen in observed.items():
        if seen - now > FURTHEST_AHEAD:
            sentence = (
                f"{field} {telling.minute(seen, zone)} lies in the future, yet it was observed; correct it{doubt}"
            )
            findings.append(Finding("observed", sentence, weight))
    expires = draft.expires
    if expires is not None and expires <= now:
        sentence = f"the alert ended at {telling.minute(expires, zone)}; draft it again with a later end{doubt}"
        findings.append(Finding("expired", sentence, weight))
    else:
        ended = [info.language for info in draft.cap.infos if info.expires is not None and info.expires <= now]
        findings += [_warn("expired", f"the info of language {language} has ended already") for language in ended]
    return findings


def completeness(draft: Draft, *, action_rendered: bool = False) -> list[Finding]:
    """What research and law want in every warning must be there: source, hazard, place, action, time.

    `action_rendered` tells that the hazard's own template says what to do; a draft with facts of a hazard always has
    such a template, an imported alert brings its own instruction.
    """
    alert = draft.cap
    if not alert.infos:
        return [_incomplete("there is no info, so there is nothing to tell the public; draft it with one")]
    findings = [*_nameless(draft), *(finding for info in alert.infos for finding in _gaps(info))]
    if not alert.sender.strip():
        findings.append(_incomplete("the source is missing: sender is empty; name who warns"))
    if not (draft.facts or action_rendered):
        findings += [finding for info in alert.infos for finding in _action(info)]
    return findings


def all_clear(evidence: str, *, issuers_end: bool, began: datetime, minimum: timedelta, now: datetime) -> list[Finding]:
    """An all-clear says what it rests on, and waits: `minimum` since its hazard began, or for the issuer's own end.

    Ended on thin data, 34 minutes after it began: Palu, 28 September 2018.
    """
    findings = []
    if not evidence.strip():
        findings.append(_block("evidence", "an all-clear says what it rests on; give --evidence"))
    if not issuers_end and now < began + minimum:
        minutes = int(minimum.total_seconds() // 60)
        told = f"{minutes} min" if minutes % 60 else f"{minutes // 60} h"
        over = began + minimum
        findings.append(
            _block(
                "all-clear-time",
                f"an all-clear waits {told} after the first message of its hazard, so until"
                f" {telling.minute(over, over.tzinfo)}, or for the issuer's own end message; import that with --cap",
            )
        )
    return findings


def area(alert: cap.Alert) -> list[Finding]:
    """Every info must say where, by polygon, circle, geocode or the name of an area; without any it stays closed."""
    lost = [info.language for info in alert.infos if not any(_says_where(area) for area in info.areas)]
    if not alert.infos:
        return [_block("area", "nothing says where: there is no info; draft it with an area")]
    return [_block("area", f"nothing says where in the info of language {language}; add an area") for language in lost]


def regions(matched: Matched, *, strangers: int, strangers_included: bool) -> list[Finding]:
    """Of the loaded regions at least one must lie in the area; whatever may be drawn or known wrong is shown.

    `strangers` are people of whom no loaded region is on record.
    """
    if not matched.codes:
        seen = "; ".join(matched.remarks)
        told = "no loaded region lies in the area, so nobody there would be warned"
        remedy = "correct the area, name a region in it, or load the region with `kentongan regions import`"
        return [_block("area", f"{told}{f' ({seen})' if seen else ''}; {remedy}")]
    found = [_warn("area", remark) for remark in matched.remarks]
    if matched.estimated:
        told = f"{matched.estimated:,} regions were matched by their centre for want of a boundary"
        found.append(_warn("area", f"{told}, so who is reached is an estimate, rather too many than too few"))
    if strangers:
        done = "are written to as well, for life is at stake" if strangers_included else "are not written to"
        people = "1 person has" if strangers == 1 else f"{strangers:,} people have"
        found.append(_warn("area", f"{people} no region that is loaded and {done}; import people with their regions"))
    return found


def unknown_regions() -> list[Finding]:
    """Without regions, whole audiences are written to, wherever they are."""
    told = "no regions are loaded, so all people are written to, wherever they live"
    return [_warn("area", f"{told}; load regions with `kentongan regions import`")]


def reach(alert: cap.Alert, *, people: int, writes: bool, despite_opt_outs: bool) -> list[Finding]:
    """A Private alert must name somebody of ours; that opt-outs do not hold is said before anybody signs it.

    `people`: how many would be written to; `writes`: whether it goes to people at all.
    """
    if alert.scope is Scope.PRIVATE and writes and not people:
        return [
            _block(
                "scope",
                "the alert is Private and none of its addresses is on our lists; import those people, with numbers and"
                " references as the alert has them",
            )
        ]
    if despite_opt_outs and writes:
        return [
            _warn("opt-out", "life is at stake, so those who opted out get it too (opt_out_exception in policy.yaml)")
        ]
    return []


def at_submit(
    draft: Draft,
    *,
    instances: Mapping[str, InstanceSettings],
    observed: Mapping[str, datetime],
    now: datetime,
    clock_offset: float | None,
    override: str | None = None,
    action_rendered: bool = False,
    zone: tzinfo = UTC,
) -> list[Finding]:
    """All gates together, blocks first; call it at submit, and again at approval and send, since time goes on."""
    incomplete = completeness(draft, action_rendered=action_rendered)
    findings = [
        *time(draft, observed=observed, now=now, clock_offset=clock_offset, override=override, zone=zone),
        *incomplete,
        # Where no area has a name, that was said.
        *(() if any(_nameless(draft)) else area(draft.cap)),
        *_routing(draft, instances),
    ]
    return list(ordered(findings))


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings with those that block first."""
    return tuple(sorted(findings, key=lambda finding: finding.severity is Weight.WARN))


def refuse(findings: Sequence[Finding]) -> None:
    """Raises Refused with all that blocks, so that it is mended at once; its rule is that of the first."""
    blocks = [finding for finding in findings if finding.severity is Weight.BLOCK]
    if blocks:
        raise Refused(". Also: ".join(finding.sentence for finding in blocks), rule=blocks[0].rule)


def _routing(draft: Draft, instances: Mapping[str, InstanceSettings]) -> Iterator[Finding]:
    if route(draft, instances):
        return
    alert = draft.cap
    try:
        wanted = f"mode {mode_of(alert.status, public_exercise=draft.public_exercise)}"
    except Refused as refused:
        yield _block(refused.rule, str(refused))
        return
    if alert.scope is not Scope.PUBLIC:
        wanted += " and with an audience"
    what = "public exercise" if draft.public_exercise else f"status {alert.status}"
    fitting = f"no channel fits an alert of {what} and scope {alert.scope}"
    yield _block("route", f"{fitting}; add one of {wanted} to channels.yaml")


def _untrusted(clock_offset: float | None, override: str | None) -> Finding:
    known = "is unknown" if clock_offset is None else f"is {clock_offset:+.0f} s"
    remedy = f"overridden: {' '.join(override.split())}" if override else "set the clock, or give --clock-override"
    return _warn("clock", f"the offset of our clock from network time {known}; {remedy}")


def _nameless(draft: Draft) -> Iterator[Finding]:
    """All languages in one sentence: an alert of our own has the same area in each."""
    lacking = [info.language for info in draft.cap.infos if not any(area.area_desc.strip() for area in info.areas)]
    if lacking and draft.facts:
        yield _incomplete("the place is missing: no area is named; draft it again with --set area=NAME besides")
    elif lacking:
        where = f"language {' and '.join(lacking)}"
        yield _incomplete(f"the place has no name (areaDesc) in the info of {where}; have its issuer name it")


def _gaps(info: cap.Info) -> Iterator[Finding]:
    place = f"in the info of language {info.language}"
    if not info.event.strip():
        yield _incomplete(f"the hazard is missing: event is empty {place}; name it")
    if info.expires is None and info.onset is None and info.effective is None:
        yield _incomplete(f"the time is missing {place}; add when it begins (onset) or ends (expires)")
    elif info.expires is None:
        yield _warn("completeness", f"there is no end {place}: it stands until it is withdrawn; better add expires")


def _action(info: cap.Info) -> Iterator[Finding]:
    place = f"in the info of language {info.language}"
    if info.instruction and info.instruction.strip():
        return
    if any(response is not ResponseType.NONE for response in info.response_types):
        yield _warn("completeness", f"there is no instruction {place}, only a response type; better say what to do")
    else:
        yield _incomplete(f"the action is missing {place}; add an instruction that says what to do")


def _says_where(area: cap.Area) -> bool:
    return bool(area.polygons or area.circles or area.geocodes or area.area_desc.strip())


def _incomplete(sentence: str) -> Finding:
    return _block("completeness", sentence)


def _block(rule: str, sentence: str) -> Finding:
    return Finding(rule, sentence, Weight.BLOCK)


def _warn(rule: str, sentence: str) -> Finding:
    return Finding(rule, sentence, Weight.WARN)
