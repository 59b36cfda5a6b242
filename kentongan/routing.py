"""Routes: which channels an alert goes to, and who is tried next where people are not reached or do not answer.

routes.yaml
  groups      names for several channels, such as a live one and the drill one of the same kind
  routes      rules, in order; the first that matches decides, unless it says `continue: true`
  fallback    "not delivered after 5m on sms: try whatsapp, then voice"
  escalation  "until 2 have answered 1: write to duty, then deputies"

All is pure. The gates of mode and scope hold whatever a rule says: rules choose only among channels that passed them.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, field_validator, model_validator

from kentongan.alert import Draft, Kind, worst_severity
from kentongan.cap.model import Scope, Severity
from kentongan.config_model import Model

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(s|m|h)")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_NAME = re.compile(r"\w[\w.-]{0,63}")


def _seconds(value: Any) -> Any:
    """Reads "30s", "5m" and "1h"; plain numbers are seconds."""
    if isinstance(value, str):
        match = _DURATION.fullmatch(value.strip())
        if match is None:
            raise ValueError("is no time; write one such as 30s, 5m or 1h")
        return float(match.group(1)) * _SECONDS[match.group(2)]
    return value


Duration = Annotated[float, BeforeValidator(_seconds), Field(ge=1, le=86_400)]
"""Seconds; in the config also "30s", "5m", "1h"."""


class When(Model):
    """What an alert must be for a rule to match; an empty list asks nothing.

    `area` are region codes: "33" matches an alert in "33.05", and "33.05" one for the whole of "33". An alert of which
    no region code is known matches no rule that asks for an area.
    """

    severity: tuple[Severity, ...] = ()
    hazard: tuple[str, ...] = ()
    area: tuple[str, ...] = ()
    scope: tuple[Scope, ...] = ()
    kind: tuple[Kind, ...] = ()

    @field_validator("area", mode="before")
    @classmethod
    def _written_as_text(cls, value: Any) -> Any:
        if isinstance(value, list | tuple) and not all(isinstance(each, str) for each in value):
            raise ValueError('holds a number; put region codes in quotes, such as "33.10", or their last 0 is lost')
        return value

    @field_validator("area")
    @classmethod
    def _plain(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(code.strip().lower() for code in value)


class Rule(Model):
    """One route. `to` names instances or groups, absent: all that fit; `without` leaves some of them out."""

    model_config = ConfigDict(populate_by_name=True)

    name: str = Field(description="How officers know it: preview shows it beside each channel.")
    when: When = When()
    to: tuple[str, ...] | None = None
    without: tuple[str, ...] = ()
    continue_: bool = Field(default=False, alias="continue", description="Go on with the rules below this one.")

    @field_validator("name")
    @classmethod
    def _short(cls, value: str) -> str:
        if not _NAME.fullmatch(value):
            raise ValueError("is no name; use letters, digits and . - _")
        return value


class Fallback(Model):
    """Where a person is not reached on any of `on` within `after` seconds, `to` are tried, one after the other."""

    after: Duration
    on: tuple[str, ...] = Field(min_length=1)
    to: tuple[str, ...] = Field(min_length=1)


class Escalation(Model):
    """On the channels `on`, the next of `groups` is written to until `until` people have answered that they read it."""

    after: Duration
    on: tuple[str, ...] = Field(min_length=1)
    groups: tuple[str, ...] = Field(min_length=2)
    until: int = Field(default=1, ge=1)

    @field_validator("groups")
    @classmethod
    def _plain(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        groups = tuple(group.strip().lower() for group in value)
        if len(set(groups)) < len(groups):
            raise ValueError("names a group twice; each is written to once")
        return groups


class Following(Model):
    """What follows for one alert, by the names of instances; it is approved with it, and frozen at dispatch.

    On those that are `spare`, nobody is written to but those whom a fallback brings there.
    """

    fallbacks: tuple[Fallback, ...] = ()
    escalations: tuple[Escalation, ...] = ()
    spare: tuple[str, ...] = ()

    def among(self, names: Collection[str]) -> Following:
        """What is left where only these instances are there; the order of the channels stays."""

        def there(some: Sequence[str]) -> tuple[str, ...]:
            return tuple(name for name in some if name in names)

        fallbacks = (each.model_copy(update={"on": there(each.on), "to": there(each.to)}) for each in self.fallbacks)
        escalations = (each.model_copy(update={"on": there(each.on)}) for each in self.escalations)
        return Following(
            fallbacks=tuple(each for each in fallbacks if each.on and each.to),
            escalations=tuple(each for each in escalations if each.on),
            spare=there(self.spare),
        )

    def waits_for(self, name: str) -> frozenset[str]:
        """The instances before `name` in a fallback: who is written to on one of them is not yet written to on it."""
        return frozenset(other for each in self.fallbacks if name in each.to for other in each.on)

    def later_groups(self, name: str) -> list[tuple[str, tuple[str, ...]]]:
        """By escalation on `name`: the first group, and the groups that wait for it."""
        return [(each.groups[0], each.groups[1:]) for each in self.escalations if name in each.on]


class FallbackRule(Fallback):
    """A fallback for alerts that match `when`."""

    when: When = When()


class EscalationRule(Escalation):
    """An escalation for alerts that match `when`."""

    when: When = When()


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


class Routes(Model):
    """routes.yaml; without one every channel that fits an alert gets it."""

    groups: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    routes: tuple[Rule, ...] = ()
    fallback: Annotated[tuple[FallbackRule, ...], BeforeValidator(_listed)] = ()
    escalation: Annotated[tuple[EscalationRule, ...], BeforeValidator(_listed)] = ()

    @model_validator(mode="after")
    def _named_once(self) -> Routes:
        names = [rule.name for rule in self.routes]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two routes are named {name!r}; name them apart")
        return self

    def members(self, names: Iterable[str]) -> frozenset[str]:
        """The instances that `names` stand for, groups put out."""
        return frozenset(itertools.chain.from_iterable(self.groups.get(name, (name,)) for name in names))


# --- What an alert is to the rules ----------------------------------------------------------------------


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


# --- What the rules choose --------------------------------------------------------------------------------


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
    matched = _matched(routes.routes, of)
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


def _matched(rules: Sequence[Rule], of: Facts) -> list[Rule]:
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


# --- What is wrong with them ------------------------------------------------------------------------------


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
        for rule in _matched(rules, Facts(severity, hazard, scope, kind, regions)):
            left.pop(rule.name, None)
        if not left:
            break
    return [rule for rule in rules if rule.name in left]
