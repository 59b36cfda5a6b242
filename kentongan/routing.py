"""Routing: which channels the rules choose for an alert, and what follows on them.

All is pure. The gates of mode and scope hold whatever a rule says: rules choose only among channels that passed them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kentongan.alert import Draft, Kind, worst_severity
from kentongan.cap.model import Scope, Severity
from kentongan.quick_dataclass import dataclass
from kentongan.routes import Escalation, Fallback, Following, Routes, Rule, When


@dataclass(frozen=True, slots=True)
class Facts:
    """What rules look at; `regions` are the codes of the regions that an alert is for, as far as they are known."""

    severity: Severity
    hazard: str
    scope: Scope
    kind: Kind
    regions: frozenset[str] = frozenset()


def facts(draft: Draft, kind: Kind, regions: Iterable[str] | None = None) -> Facts:
    """The facts of a draft; `regions` where they were matched, else the geocodes of its areas."""
    if regions is None:
        regions = (code.value for info in draft.cap.infos for area in info.areas for code in area.geocodes)
    return Facts(
        severity=worst_severity(draft.cap),
        hazard=draft.hazard,
        scope=draft.cap.scope,
        kind=kind,
        regions=frozenset(code.strip().lower() for code in regions),
    )


def matches(when: When, of: Facts) -> bool:
    """Whether an alert is what a rule asks for."""
    return (
        (not when.severity or of.severity in when.severity)
        and (not when.hazard or of.hazard in when.hazard)
        and (not when.scope or of.scope in when.scope)
        and (not when.kind or of.kind in when.kind)
        and (not when.area or any(_touch(wanted, region) for wanted in when.area for region in of.regions))
    )


def _touch(one: str, other: str) -> bool:
    """Whether one region holds the other, or is it."""
    return one == other or one.startswith(f"{other}.") or other.startswith(f"{one}.")


@dataclass(frozen=True, slots=True)
class Choice:
    """The instances an alert goes to, in the order of the config, and by which rule each; "" where none decided.

    `matched` are the rules that had a say, `left_out` the instances that one of them took away for good.
    """

    instances: tuple[str, ...]
    rules: Mapping[str, str]
    matched: tuple[str, ...] = ()
    left_out: frozenset[str] = frozenset()


def choose(routes: Routes, of: Facts, fitting: Sequence[str]) -> Choice:
    """Chooses among the instances that passed the gates; where no rule matches, all of them."""
    matched = matching(routes.routes, of)
    opening = [rule for rule in matched if rule.to is not None]
    chosen: dict[str, str] = {}
    if not opening:
        chosen = dict.fromkeys(fitting, matched[-1].name if matched else "")
    for rule in matched:
        for name in routes.members(rule.to or ()):
            chosen[name] = rule.name
        for name in routes.members(rule.without):
            chosen.pop(name, None)
    names = tuple(name for name in fitting if name in chosen)
    gone = frozenset(name for rule in matched for name in routes.members(rule.without) if name not in chosen)
    return Choice(names, {name: chosen[name] for name in names}, tuple(rule.name for rule in matched), gone)


def matching(rules: Sequence[Rule], of: Facts) -> list[Rule]:
    """The rules that have a say on an alert: all that match, up to the first that does not go on."""
    found = []
    for rule in rules:
        if matches(rule.when, of):
            found.append(rule)
            if not rule.continue_:
                break
    return found


def following(routes: Routes, of: Facts, chosen: Sequence[str], spare: Sequence[str] = ()) -> Following:
    """What follows where people are not reached or do not answer, on the instances that write to people.

    `chosen` are those that the alert goes to; `spare` those that fit and that no rule chose or left out: a fallback may
    name them.
    """
    there = (*chosen, *spare)
    fallbacks = tuple(
        Fallback.model_construct(
            after=rule.after, on=_put_out(routes, rule.on, chosen), to=_put_out(routes, rule.to, there)
        )
        for rule in routes.fallback
        if matches(rule.when, of)
    )
    escalations = tuple(
        Escalation.model_construct(
            after=rule.after, on=_put_out(routes, rule.on, chosen), groups=rule.groups, until=rule.until
        )
        for rule in routes.escalation
        if matches(rule.when, of)
    )
    wanted = {name for each in fallbacks if each.on for name in each.to}
    return Following(
        fallbacks=fallbacks, escalations=escalations, spare=tuple(name for name in spare if name in wanted)
    ).among(there)


def _put_out(routes: Routes, names: Sequence[str], there: Sequence[str]) -> tuple[str, ...]:
    """The instances that `names` stand for, in the order in which they are named."""
    return tuple(
        dict.fromkeys(member for name in names for member in there if member in routes.groups.get(name, (name,)))
    )
