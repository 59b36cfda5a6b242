"""`kentongan hazards`: what alerts can be about, and what may be stated about each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from console import output
from console.command import command

if TYPE_CHECKING:
    from kentongan.words.fields import Field
    from kentongan.words.hazards import Hazard
    from kentongan.words.library import HazardLibrary
    from kentongan.words.scales import Scale


@command("hazards")
@click.argument("name", required=False)
def hazards(name: str | None) -> None:
    """List the hazards; with NAME show its fields, levels, kinds and languages. Contacts nobody."""
    from kentongan.data import data_path
    from kentongan.words.library import library

    read = library(data_path("templates"))
    if name is None:
        _list(read)
        return
    hazard = read.get(name)
    if output.wants_json():
        output.document(_told(read, hazard))
    else:
        _show(read, hazard)


def _list(read: HazardLibrary) -> None:
    every = [read.get(name) for name in read.names]
    if output.wants_json():
        output.document({"hazards": [_told(read, hazard) for hazard in every]})
        return
    rows = [
        (
            hazard.name,
            _event(hazard),
            ", ".join(name for name, field in hazard.own_fields.items() if field.required),
            ", ".join(_languages(read, hazard)),
        )
        for hazard in every
    ]
    output.print_table(("Hazard", "Event", "Must state", "Languages"), rows, whole=(0,))
    output.say("Next: kentongan hazards NAME")


def _event(hazard: Hazard) -> str:
    return hazard.event.get("en") or next(iter(hazard.event.values()))


def _languages(read: HazardLibrary, hazard: Hazard) -> list[str]:
    """Every language of its alerts, those with few forms in brackets."""
    from kentongan.alert import Kind

    spoken = hazard.languages(Kind.ALERT)
    return [one if one not in read.languages or read.languages[one].whole else f"({one})" for one in spoken]


def _show(read: HazardLibrary, hazard: Hazard) -> None:
    told = _told(read, hazard)
    output.say(f"{hazard.name}: {_event(hazard)}")
    output.say(
        f"CAP: {', '.join(told['categories'])}; {told['severity']}, {told['urgency']}, {told['certainty']}"
        + ("; a level sets severity and urgency" if hazard.scales else "")
    )
    output.say(f"An alert holds for {told['lasts']}; an all-clear follows after {told['all_clear_after']} at least,")
    output.say("or with its issuer's own end message.")
    output.say()
    output.print_table(
        ("Field", "Is given as", "What it states"),
        [
            (name + ("" if not field.required else " *"), _given(field), field.description)
            for name, field in hazard.own_fields.items()
        ],
    )
    output.say("* must be stated")
    output.say()
    output.say("Every hazard also takes:")
    output.print_table(
        ("Field", "Is given as", "What it states"),
        [
            (name + (" *" if name == "area" and not hazard.names_area else ""), _given(field), field.description)
            for name, field in hazard.fields.items()
            if name not in hazard.own_fields
        ],
    )
    for name, scale in hazard.scales.items():
        output.say()
        output.say(f"Levels of {name}, by {scale.issuer}, mildest first:")
        output.print_table(("Level", "Called", "Means"), [_level(scale, level) for level in scale.levels])
    output.say()
    for kind, languages in told["kinds"].items():
        output.say(f"{kind}: {', '.join(languages) or 'no words'}")
    for code in sorted({one for languages in told["kinds"].values() for one in languages} & set(read.languages)):
        if not read.languages[code].whole:
            output.say(f"{code} has only {' and '.join(read.languages[code].forms)} words; elsewhere the next language")
        if read.languages[code].needs_native_reader:
            output.say(f"{code} needs a native reader: nobody who speaks it at home has read it yet")
    required = [f'--set {name}="{field.example}"' for name, field in hazard.own_fields.items() if field.required]
    if not hazard.names_area:
        required.append(f'--set area="{hazard.fields["area"].example}"')
    output.say()
    output.say(" ".join(("Next: kentongan draft --hazard", hazard.name, *required)))


def _given(field: Field) -> str:
    what = ", ".join(field.choices) if field.choices else field.type + (f" ({field.scale})" if field.scale else "")
    return f"{what}, such as {field.example}" if not field.choices else what


def _level(scale: Scale, name: str) -> tuple[str, str, str]:
    level = scale.levels[name]
    colour = level.colour.get("en", "")
    word = level.word.get("en") or next(iter(level.word.values()))
    return (
        name,
        word + (f" ({colour})" if colour else ""),
        level.meaning.get("en") or next(iter(level.meaning.values())),
    )


def _told(read: HazardLibrary, hazard: Hazard) -> dict[str, Any]:
    from kentongan.alert import Kind

    return {
        "hazard": hazard.name,
        "event": dict(hazard.event),
        "categories": [category.value for category in hazard.categories],
        "severity": hazard.severity.value,
        "urgency": hazard.urgency.value,
        "certainty": hazard.certainty.value,
        "lasts": _duration(hazard.lasts.total_seconds()),
        "all_clear_after": _duration(hazard.all_clear_after.total_seconds()),
        "fields": {
            name: {
                "type": field.type,
                "required": field.required,
                "own": name in hazard.own_fields,
                "description": field.description,
                "example": field.example,
                "choices": list(field.choices),
                "scale": field.scale or None,
            }
            for name, field in hazard.fields.items()
        },
        "levels": {
            scale.name: [
                {
                    "level": name,
                    "word": dict(level.word),
                    "meaning": dict(level.meaning),
                    "action": dict(level.action),
                    "severity": level.severity.value,
                    "urgency": level.urgency.value,
                    "order": scale.order(name),
                }
                for name, level in scale.levels.items()
            ]
            for scale in hazard.scales.values()
        },
        "kinds": {kind.value: list(hazard.languages(kind)) for kind in Kind},
        "languages": {
            one: list(read.languages[one].forms) for one in hazard.languages(Kind.ALERT) if one in read.languages
        },
    }


def _duration(seconds: float) -> str:
    minutes = int(seconds) // 60
    days, hours = divmod(minutes // 60, 24)
    if minutes % 60:
        return f"{minutes}min"
    return f"{days}d" if days and not hours else f"{minutes // 60}h"
