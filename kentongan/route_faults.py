"""What makes routes unusable, and what is odd about them: a sentence each, place first."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

from kentongan.alert import Kind
from kentongan.cap.model import Scope, Severity
from kentongan.routes import Escalation, Fallback, Routes, Rule, When
from kentongan.routing import Facts, matching


def faults(routes: Routes, instances: Mapping[str, bool]) -> list[str]:
    """What makes routes unusable, a sentence each, place first; `instances` tells by name which are public."""
    found = []
    for name, members in routes.groups.items():
        if name in instances:
            found.append(f"groups.{name}: is the name of a channel; name the group otherwise")
        found += [_unknown(f"groups.{name}", member) for member in members if member not in instances]
        if not members:
            found.append(f"groups.{name}: is empty; name its channels or take it out")
    known = {*instances, *routes.groups}
    for rule in routes.routes:
        for name in (*(rule.to or ()), *rule.without):
            if name not in known:
                found.append(_unknown(f"routes.{rule.name}", name))
        if rule.to == ():
            found.append(f"routes.{rule.name}.to: names no channel; leave it out for all, or name some")
    followed: tuple[tuple[str, Sequence[Fallback | Escalation]], ...] = (
        ("fallback", routes.fallback),
        ("escalation", routes.escalation),
    )
    for what, rules in followed:
        for number, each in enumerate(rules):
            named = (*each.on, *(each.to if isinstance(each, Fallback) else ()))
            place = f"{what}.{number}"
            found += [_unknown(place, name) for name in named if name not in known]
            found += [
                f"{place}: {name} publishes to everybody; only a channel with an audience knows whom it reached"
                for name in sorted(routes.members(named))
                if instances.get(name, False)
            ]
    found += _chained(routes)
    return found


def _unknown(place: str, name: str) -> str:
    return f"{place}: {name!r} is no channel and no group; add it to channels.yaml or mend the name"


def _chained(routes: Routes) -> Iterator[str]:
    begins = [routes.members(rule.on) for rule in routes.fallback]
    for number, rule in enumerate(routes.fallback):
        for name in sorted(routes.members(rule.to)):
            if any(name in on for on in begins):
                yield (
                    f"fallback.{number}: {name} stands under `on` too; write one fallback that names all channels in"
                    " order under `to`"
                )


def remarks(routes: Routes, modes: Mapping[str, str], hazards: Iterable[str], groups: Iterable[str]) -> list[str]:
    """What is odd about routes, a sentence each: rules that can never match, and what cannot be rehearsed.

    `modes` are those of the instances by name; `hazards` those that have words; `groups` those that people are in.
    """
    hazards, groups = frozenset(hazards), frozenset(groups)
    found = [
        f"routes.{rule.name}: can never match: rules above it take every alert it asks for; move it up or take it out"
        for rule in never_matched(routes.routes)
    ]
    sections: list[tuple[str, When]] = [(f"routes.{rule.name}", rule.when) for rule in routes.routes]
    sections += [(f"fallback.{number}", rule.when) for number, rule in enumerate(routes.fallback)]
    sections += [(f"escalation.{number}", rule.when) for number, rule in enumerate(routes.escalation)]
    for place, when in sections:
        found += [
            f"{place}.when.hazard: no hazard is called {name!r}; `kentongan hazards` lists them"
            for name in when.hazard
            if name not in hazards
        ]
    for rule in routes.routes:
        if rule.to is None:
            continue
        reached = {modes[name] for name in routes.members(rule.to) if name in modes}
        for mode in sorted({*modes.values()} - reached):
            found.append(f"routes.{rule.name}.to: names no {mode} channel, so a {mode} alert goes nowhere by it")
    for number, each in enumerate(routes.escalation):
        found += [
            f"escalation.{number}.groups: nobody is in the group {name!r}"
            for name in each.groups
            if groups and name not in groups
        ]
    return found


_OTHER = "\0other"


def never_matched(rules: Sequence[Rule]) -> list[Rule]:
    """The rules that no alert can reach; found by trying all that rules can tell apart."""
    left = {rule.name: rule for rule in rules}
    hazards = {_OTHER, *(name for rule in rules for name in rule.when.hazard)}
    codes = {code for rule in rules for code in rule.when.area}
    # A region inside each that no rule names: what a rule asks for may be more than what those above it take.
    areas = [frozenset[str](), *(frozenset({each}) for code in codes for each in (code, f"{code}.{_OTHER}"))]
    # A correction goes where its alert went, by no rule.
    kinds = [kind for kind in Kind if kind is not Kind.CORRECTION]
    for severity, hazard, scope, kind, regions in itertools.product(Severity, hazards, Scope, kinds, areas):
        for rule in matching(rules, Facts(severity, hazard, scope, kind, regions)):
            left.pop(rule.name, None)
        if not left:
            break
    return [rule for rule in rules if rule.name in left]
