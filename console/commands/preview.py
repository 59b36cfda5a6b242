"""`kentongan preview`: every message of an alert as it would go out, or as it was approved."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from console import exits, forecasts, output, routes, shortened, targets, words
from console.command import HANDLE, command
from kentongan import telling
from kentongan.errors import BadInput
from kentongan.quick_dataclass import dataclass

if TYPE_CHECKING:
    from console.office import Office
    from kentongan.area.codes import Waves, Within
    from kentongan.desk.extent import People
    from kentongan.gates import Finding
    from kentongan.ledger.alerts import StoredAlert
    from kentongan.routes import Following
    from kentongan.seam import Limits, Rendered
    from kentongan.settings import InstanceSettings
    from kentongan.words.rendering import Problem


@dataclass(frozen=True, slots=True)
class _Page:
    """What a preview shows. `fixed`: these are the messages on record, not freshly made ones.

    `ahead`: the alert can still be sent, and these are its messages, so that its sending can be foreseen.
    """

    stored: StoredAlert
    messages: Sequence[Rendered]
    problems: Sequence[Problem]
    findings: Sequence[Finding]
    people: People
    fixed: bool
    within: Within | None
    waves: Waves
    rules: Mapping[str, str]
    following: Following
    ahead: bool


@command("preview")
@click.argument("code", type=HANDLE)
@click.option("--correction", is_flag=True, help="Show the ready-made correction instead.")
@click.option("--channel", metavar="NAME", multiple=True, help="Only this channel; give it once for each.")
@click.option("--without", metavar="CHANNEL[:LANGUAGE]", multiple=True, help="Leave this out, as submit would.")
@click.option("--map", "map_file", metavar="FILE.svg", help="Write a sketch of the area and its regions to this file.")
def preview(
    code: str, correction: bool, channel: tuple[str, ...], without: tuple[str, ...], map_file: str | None
) -> int:
    """Show every message of an alert with its length; contacts nobody.

    A draft is rendered now; once submitted, the messages on record are shown. Under one that was SHORTENED for want of
    room stands what is left out. Ends with 3 where `submit` would refuse what is shown: for a PROBLEM that nothing
    stands in for, or what is FORBIDDEN.
    """
    from console.office import Need, opened

    with opened(Need.STAND_IN) as office:
        page = _page(office, code, correction, without)
        page = _only(page, channel)
        if map_file is not None:
            targets.write_map(office, page.stored, page.within, map_file)
        (_show_json if output.wants_json() else _show)(office, page)
        return exits.REFUSED if _refused(page) else exits.WELL


def _refused(page: _Page) -> bool:
    """Whether `submit` would refuse it for what is shown here."""
    return any(not problem.fallen_back for problem in page.problems) or any(
        finding.severity == "block" for finding in page.findings
    )


def _page(office: Office, code: str, correction: bool, without: Collection[str]) -> _Page:
    from kentongan.desk import composing, subjects
    from kentongan.ledger import alerts

    desk = office.desk
    stored = desk.ledger.read(lambda read: alerts.by_handle(read, code))
    if stored.state != "draft":
        return _on_record(office, stored, correction)
    prepared = desk.ledger.read(lambda read: subjects.prepared_correction(read, stored.id))
    composed = composing.compose(
        desk,
        stored,
        correction_code=prepared.code if prepared else desk.ledger.write(desk.free_code),
        correction_draft=prepared.draft if prepared else None,
        without=without,
    )
    made = composed.correction if correction else composed.alert
    within = composed.targeted.within if composed.targeted is not None else None
    return _Page(
        stored,
        made.messages,
        made.problems,
        composed.findings,
        composed.people,
        False,
        within,
        composed.targeted.waves if composed.targeted is not None else (),
        composed.choice.rules,
        composed.following,
        not correction,
    )


def _on_record(office: Office, stored: StoredAlert, correction: bool) -> _Page:
    from kentongan.alert import Kind
    from kentongan.desk import extent, subjects
    from kentongan.ledger import alerts, renderings

    desk = office.desk
    shown = stored
    if correction and stored.kind is not Kind.CORRECTION:
        followers = desk.ledger.read(lambda read: alerts.successors(read, stored.id))
        shown = next((other for other in followers if other.kind is Kind.CORRECTION), stored)
    messages = desk.ledger.read(lambda read: renderings.of(read, shown.id))
    there = {message.instance for message in messages}
    instances = {n: s for n, s in office.settings.channels.items() if n in there}
    within = desk.ledger.read(lambda read: subjects.within_of(read, shown.id))
    counted = extent.people if shown.kind.widens else None
    people = counted(desk, shown, instances, within) if counted else extent.count_people(desk, instances, within)
    rules, following = desk.ledger.read(lambda read: subjects.routed(read, shown.id))
    ahead = shown is stored and stored.state in ("submitted", "approved")
    waves = desk.ledger.read(lambda read: subjects.waves(read, shown.id))
    return _Page(shown, messages, (), (), people, True, within, waves, rules, following, ahead)


def _only(page: _Page, channels: Collection[str]) -> _Page:
    if not channels:
        return page
    known = dict.fromkeys([m.instance for m in page.messages] + [p.instance for p in page.problems])
    unknown = [name for name in channels if name not in known]
    if unknown:
        raise BadInput(f"--channel {unknown[0]}: no message of this alert goes there; it has {', '.join(known)}")
    return _Page(
        page.stored,
        [m for m in page.messages if m.instance in channels],
        [p for p in page.problems if p.instance in channels],
        page.findings,
        page.people,
        page.fixed,
        page.within,
        page.waves,
        page.rules,
        page.following,
        page.ahead,
    )


# --- What is counted and filled in ---


def _limits(office: Office, message: Rendered) -> Limits | None:
    settings = office.settings.channels.get(message.instance)
    return office.desk.kinds.limits(settings) if settings is not None else None


def _length(office: Office, message: Rendered, limits: Limits) -> int:
    """The length as the channel counts it, with every late fact at its widest."""
    from kentongan.words.counting import count
    from kentongan.words.late import at_widest

    languages = office.desk.library.languages
    spoken = languages.get(message.language) or next(iter(languages.values()))
    return count(at_widest(message.text, spoken, languages, office.zone), limits.counting)


def _in_full(message: Rendered, limits: Limits, unit: str) -> str:
    """How long a message would be in full, where it was shortened for that."""
    full = message.shortened.full if message.shortened is not None else None
    return f"{full:,} {unit}" if full is not None and full > limits.length else ""


def filled(message: Rendered, values: Mapping[str, str] | None) -> Rendered:
    """The message with the late facts of its dispatch, else with each named in angle quotes."""
    from kentongan.seam import slots
    from kentongan.words.late import named

    texts = (message.title, message.text, message.html, message.link, *(d.text for d in message.documents))
    names = {name for text in texts for name in slots(text)}
    return message.filled({**named(names), **(values or {})})


def _values(office: Office, stored: StoredAlert) -> Mapping[str, Mapping[str, str]]:
    from kentongan.ledger import dispatches

    found = office.desk.ledger.read(lambda read: dispatches.get(read, stored.id))
    return found.plan.values if found is not None else {}


def _foreseen(office: Office, page: _Page) -> forecasts.Seen:
    if not page.ahead:
        return forecasts.NOTHING
    return forecasts.look(
        office,
        page.stored,
        people=page.people,
        messages=page.messages,
        within=page.within,
        waves=page.waves,
        following=page.following,
    )


# --- What is written ---


def _show(office: Office, page: _Page) -> None:
    stored = page.stored
    values = _values(office, stored)
    output.say(words.banner(stored.mode))
    output.say(f"{stored.kind.capitalize()} {stored.code}, {stored.state}" + _sandbox(office, page))
    from kentongan.desk.extent import area_names

    output.say_list("Place: ", area_names(stored.draft) or ["none named"], "; ")
    targets.show(office, stored, page.within, _instances(office, page))
    for message in page.messages:
        limits = _limits(office, message)
        size = in_full = ""
        if limits is not None:
            unit = words.UNITS[limits.counting]
            in_full = _in_full(message, limits, unit)
            size = f", {_length(office, message, limits):,} of {limits.length:,} {unit}"
            if limits.cost is not None:
                size += f", costs {limits.cost.currency} {limits.cost.of(message.text):g}"
        shown = filled(message, values.get(message.language))
        output.say()
        why = routes.chosen_by(page.rules, page.following, message.instance)
        output.say(f"--- {message.instance}, {message.language}, to {_readers(page, message)}{size}{why}")
        output.say(shown.text)
        for media in shown.media:
            output.say(f"[picture {media.name}: {media.description}]")
        shortened.show(message, in_full)
    output.say()
    for sentence in routes.lines(page.following):
        output.say(sentence)
    foreseen = _foreseen(office, page)
    forecasts.show(office, foreseen)
    for sentence in foreseen.warnings.values():
        output.say(f"WARNING (late): {sentence}")
    for problem in page.problems:
        if problem.other_language:
            output.say(f"NOTE {problem.instance}: {problem.sentence}")
            continue
        place = f"{problem.instance}:{problem.language}"
        told = "the general short form stands in" if problem.fallen_back else f"or leave it out: --without {place}"
        output.say(f"PROBLEM {place}: {problem.sentence}; {problem.remedy}; {told}")
    for finding in page.findings:
        output.say(f"{'FORBIDDEN' if finding.severity == 'block' else 'WARNING'} ({finding.rule}): {finding.sentence}")
    if not page.messages:
        output.say("Nothing would go out.")
    elif (
        office.configured
        and not page.fixed
        and all(problem.other_language for problem in page.problems)
        and all(finding.severity != "block" for finding in page.findings)
    ):
        output.say(f"Next: kentongan submit {stored.code}")


def _instances(office: Office, page: _Page) -> Mapping[str, InstanceSettings]:
    there = {message.instance for message in page.messages}
    return {name: settings for name, settings in office.settings.channels.items() if name in there}


def _sandbox(office: Office, page: _Page) -> str:
    instances = {message.instance for message in page.messages}
    settings = [office.settings.channels[name] for name in instances if name in office.settings.channels]
    return ", sandbox channels only" if settings and all(each.sandbox for each in settings) else ""


def _readers(page: _Page, message: Rendered) -> str:
    count = page.people.by_instance.get(message.instance)
    if count is None:
        return "everybody"
    # Each is written to in one language; how many read which is only known once they are planned.
    languages = sum(other.instance == message.instance for other in page.messages)
    return telling.people(count) + (f" in {languages} languages" if languages > 1 else "")


def _show_json(office: Office, page: _Page) -> None:
    from kentongan.desk.extent import area_names

    stored = page.stored
    values = _values(office, stored)

    def told(message: Rendered) -> dict[str, Any]:
        limits = _limits(office, message)
        shown = filled(message, values.get(message.language))
        return {
            "channel": message.instance,
            "language": message.language,
            "people": page.people.by_instance.get(message.instance),
            "rule": page.rules.get(message.instance) or None,
            "code": message.code,
            "mark": message.mark,
            "title": shown.title,
            "text": shown.text,
            "pictures": [
                {"name": each.name, "description": each.description, "digest": each.digest} for each in shown.media
            ],
            "shortened": shortened.to_json(message),
            "length": _length(office, message, limits) if limits is not None else None,
            "limit": limits.length if limits is not None else None,
            "counting": limits.counting if limits is not None else None,
            "cost": limits.cost.of(message.text) if limits is not None and limits.cost is not None else None,
            "currency": limits.cost.currency if limits is not None and limits.cost is not None else None,
        }

    output.document(
        {
            "code": stored.code,
            "id": stored.id,
            "kind": stored.kind.value,
            "mode": stored.mode.value,
            "state": stored.state,
            "on_record": page.fixed,
            "would_be_refused": _refused(page),
            "places": list(area_names(stored.draft)),
            "area": targets.described(office, stored, page.within, _instances(office, page)) if page.within else None,
            "messages": [told(message) for message in page.messages],
            "following": routes.to_json(page.following),
            "forecast": forecasts.to_json(_foreseen(office, page)) if page.ahead else None,
            "problems": [
                {
                    "channel": each.instance,
                    "language": each.language,
                    "sentence": each.sentence,
                    "remedy": each.remedy,
                    "fallen_back": each.fallen_back,
                    "other_language": each.other_language,
                }
                for each in page.problems
            ],
            "findings": [
                {"rule": each.rule, "severity": each.severity.value, "sentence": each.sentence}
                for each in page.findings
            ],
        }
    )
