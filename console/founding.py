"""The first config of an agency, as the text of its files: what it was asked, and every other field explained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import channels
from console import config_text as text
from kentongan.drills import Drills, Scenario
from kentongan.paging import Paging
from kentongan.routes import Routes
from kentongan.seam import Mode
from kentongan.settings import Agency, Audience, InstanceSettings, Policy, SecretSource, Service

AUDIENCE = "subscribers"
GROUP = "subscriber"
PROBE_EVERY = 180
SCENARIO = "earthquake"

_COMMON = InstanceSettings.model_fields


@dataclass(slots=True)
class Instance:
    """One channel of a config to be. `waits`: what it still lacks, and stands there out of force until it has it."""

    name: str
    kind: str
    mode: Mode
    values: dict[str, Any] = field(default_factory=dict)
    waits: Sequence[str] = ()

    def fields(self) -> dict[str, Any]:
        """All its fields, as YAML takes them."""
        return {"kind": self.kind, "mode": self.mode.value, **self.values}


def instance(name: str, kind: str, mode: Mode) -> Instance:
    """An instance of which nothing is known yet but whom it writes to."""
    traits = channels.traits(kind)
    to_people = traits.family is not None and (
        "chat" in channels.settings_model(kind).model_fields or not traits.public
    )
    return Instance(name, kind, mode, {"audience": AUDIENCE} if to_people else {})


def wanted(kind: str) -> list[str]:
    """The fields of a kind that must be there and that only the agency knows."""
    return [
        name
        for name, each in channels.settings_model(kind).model_fields.items()
        if each.is_required() and name not in ("kind", "mode")
    ]


def secrets(of: Instance) -> dict[str, str]:
    """The secrets that an instance must have: the name of each one's file, by field."""
    model = channels.settings_model(of.kind).model_fields
    return {
        name: f"{of.name}-{name.replace('_', '-')}"
        for name in wanted(of.kind)
        if model[name].annotation is SecretSource
    }


def files(agency: Mapping[str, Any], instances: Sequence[Instance]) -> dict[str, str]:
    """The config's files by name."""
    sandbox = bool(agency.get("sandbox"))
    service = {"probe_every": PROBE_EVERY}
    parts: dict[str, list[str]] = {
        "agency.yaml": [*text.comment("Who we are."), "", *text.fields(Agency, agency)],
        "channels.yaml": _channels(instances),
        "audiences.yaml": _audiences(),
        "routes.yaml": [
            *text.comment(
                "Which alert goes to which channels, and who is tried next. Without rules every channel of an alert's"
                " mode gets it. See docs/routes.md."
            ),
            "",
            *text.fields(Routes, {}),
        ],
        "paging.yaml": [
            *text.comment(
                "Over which channels officers are called at night, and for what. Each officer says where they are"
                " reached: kentongan officer page NAME. See docs/night.md."
            ),
            "",
            *text.fields(Paging, {}),
        ],
        "policy.yaml": [
            *text.comment("What happens in doubt, and how long things last. What is not set here is as it says."),
            "",
            *text.fields(Policy, {}),
        ],
        "drills.yaml": _drills(sandbox),
        "service.yaml": [
            *text.comment("What `kentongan serve` opens, and how often it asks whether the channels would pass."),
            "",
            *text.fields(Service, service),
        ],
    }
    return {name: "\n".join(lines) + "\n" for name, lines in parts.items()}


def _channels(instances: Sequence[Instance]) -> list[str]:
    lines = [
        *text.comment(
            "The channels, each under a name of its own. A secret never stands here: its field names a file or an"
            " environment variable. `kentongan check --channels` says what is missing and what would pass."
        ),
        "#",
        *text.comment("Every channel takes these fields, beside its own:"),
    ]
    for name, common in _COMMON.items():
        must = " Must be there." if common.is_required() else ""
        lines += text.comment(f"  {name}: {common.description}{must}")
    lines += ["", "channels:" if any(not each.waits for each in instances) else "channels: {}"]
    for each in instances:
        lines += ["", *text.below(_instance(each))]
    return lines


def _instance(each: Instance) -> list[str]:
    model = channels.settings_model(each.kind)
    shared = [
        name
        for name, common in _COMMON.items()
        if (own := model.model_fields[name]).default == common.default and own.description == common.description
    ]
    body = [f"{each.name}:", *text.below(text.fields(model, each.fields(), without=shared))]
    if not each.waits:
        return body
    told = f"Not in force yet: give it {', '.join(each.waits)}, then take away the first # of each line below."
    return [*text.comment(told), *text.commented(body)]


def _audiences() -> list[str]:
    return [
        *text.comment("Who is written to: people in any of these groups and in any of these regions."),
        *text.comment("Groups and regions stand in the list of people (kentongan people import)."),
        "audiences:",
        *text.below([f"{AUDIENCE}:", *text.below(text.fields(Audience, {"groups": [GROUP]}))]),
    ]


def _drills(sandbox: bool) -> list[str]:
    scenario = {
        "hazard": "earthquake",
        "facts": {
            "magnitude": 6.3,
            "origin_time": "now-3min",
            "place": "28 km NW of Manna",
            "area": "Manna",
            "severity": "Severe",
        },
        **({"correct_after": "10s", "settle": "10s"} if sandbox else {}),
    }
    scenarios = [f"{SCENARIO}:", *text.below(text.fields(Scenario, scenario))]
    return [
        *text.comment("What is rehearsed: kentongan drill run NAME. `kentongan hazards` shows each hazard's facts."),
        "scenarios:",
        *text.below(scenarios),
        "",
        *text.fields(Drills, {}, without=("scenarios",)),
    ]


def secret_file(folder: Path, name: str) -> dict[str, str]:
    """The value of a field that needs a secret: the file in which it lies."""
    return {"file": str(folder / "secrets" / name)}
