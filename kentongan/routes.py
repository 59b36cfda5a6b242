"""Routes: which channels an alert goes to, and who is tried next where people are not reached or do not answer.

routes.yaml
  groups      names for several channels, such as a live one and the drill one of the same kind
  routes      rules, in order; the first that matches decides, unless it says `continue: true`
  fallback    "not delivered after 5m on sms: try whatsapp, then voice"
  escalation  "until 2 have answered 1: write to duty, then deputies"
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, field_validator, model_validator

from kentongan.alert import Kind
from kentongan.cap.model import Scope, Severity
from kentongan.config_model import NAME, Model

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(s|m|h)")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


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
        if not NAME.fullmatch(value):
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
