"""How long the words of a hazard come out on each channel, with everything in them at its widest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from kentongan.alert import Kind
from kentongan.cap.model import Status
from kentongan.cap.writing import write
from kentongan.quick_dataclass import dataclass
from kentongan.seam import Limits, Mode
from kentongan.settings import Agency
from kentongan.words.assessing import Plainness, faults, plainness, say
from kentongan.words.composing import TemplateFault
from kentongan.words.context import Earlier
from kentongan.words.counting import count
from kentongan.words.hazards import Hazard
from kentongan.words.late import at_widest
from kentongan.words.library import HazardLibrary
from kentongan.words.rendering import TOGETHER, Target, render
from kentongan.words.specimens import specimen_draft, specimens

_CODE, _EARLIER_CODE = "K7Q4", "M2X8"


@dataclass(frozen=True, slots=True)
class Outlet:
    """A kind of channel to measure on, with the limits of an instance that sets none of its own."""

    kind: str
    limits: Limits


@dataclass(frozen=True, slots=True)
class Fit:
    """The longest message on one kind of channel, in its own unit; None where the language does not write its forms."""

    outlet: Outlet
    length: int | None


@dataclass(frozen=True, slots=True)
class Row:
    """What was found of one hazard, kind and language.

    `faults` holds a sentence for whatever is not as it should be, and the specimens in which it is so.
    """

    hazard: str
    kind: Kind
    language: str
    fits: tuple[Fit, ...]
    plainness: Plainness | None
    faults: Mapping[str, tuple[str, ...]]


def rows(
    library: HazardLibrary, hazard: Hazard, outlets: Sequence[Outlet], *, agency: Agency, now: datetime
) -> Iterator[Row]:
    """One row for each kind and language that the hazard has, over all its specimens.

    A drill is measured, whose mark makes every message longer.
    """
    for kind in Kind:
        for language in hazard.languages(kind):
            found = _read(library, hazard, kind, language, agency=agency, now=now)
            fits, misfits = _fits(library, hazard, kind, language, outlets, agency=agency, now=now)
            yield Row(
                hazard=hazard.name,
                kind=kind,
                language=language,
                fits=fits,
                plainness=found[0],
                faults=_gathered((*found[1], *misfits)),
            )


def _roomy(target: Target, longest: Mapping[str, int]) -> bool:
    """Whether every fact took less than half of the room, so that no other choice of them can want for more."""
    return longest.get(target.kind, target.limits.length) < target.limits.length / 2


def _gathered(found: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    gathered: dict[str, tuple[str, ...]] = {}
    for fault, specimen in found:
        gathered[fault] = (*gathered.get(fault, ()), specimen)
    return gathered


def _read(
    library: HazardLibrary, hazard: Hazard, kind: Kind, language: str, *, agency: Agency, now: datetime
) -> tuple[Plainness | None, list[tuple[str, str]]]:
    found: list[tuple[str, str]] = []
    scores: list[Plainness] = []
    for specimen in specimens(hazard):
        try:
            said = say(library, hazard, specimen, kind=kind, language=language, agency=agency, now=now)
        except TemplateFault as fault:
            found.append((str(fault), specimen.name))
            continue
        found += ((fault, specimen.name) for fault in faults(said))
        scores.append(plainness(said))
    if not scores:
        return None, found
    return Plainness(max(score.longest for score in scores), max(score.mean for score in scores)), found


def _fits(
    library: HazardLibrary,
    hazard: Hazard,
    kind: Kind,
    language: str,
    outlets: Sequence[Outlet],
    *,
    agency: Agency,
    now: datetime,
) -> tuple[tuple[Fit, ...], list[tuple[str, str]]]:
    speaking = agency.model_copy(update={"languages": tuple(dict.fromkeys((*agency.languages, language)))})
    targets = [
        Target(
            instance=outlet.kind,
            kind=outlet.kind,
            mode=Mode.DRILL,
            sandbox=True,
            limits=outlet.limits,
            public=True,
            languages=(language,),
        )
        for outlet in outlets
    ]
    zone, languages = ZoneInfo(speaking.timezone), library.languages
    longest: dict[str, int] = {}
    misfits: list[tuple[str, str]] = []
    for specimen in specimens(hazard, widest=True):
        draft = specimen_draft(hazard, specimen, kind=kind, agency=speaking, status=Status.EXERCISE, now=now)
        made = render(
            draft,
            kind=kind,
            alert_id="specimen",
            code=_CODE,
            targets=[target for target in targets if not _roomy(target, longest)],
            agency=speaking,
            library=library,
            earlier=None if kind is Kind.ALERT else Earlier(_EARLIER_CODE),
            cap_xml=lambda alert: write(alert).decode("utf-8"),
        )
        misfits += (
            (f"{problem.instance}: {problem.sentence}", specimen.name)
            for problem in made.problems
            if not problem.other_language
        )
        for message, outlet in ((message, outlet) for message in made.messages for outlet in outlets):
            own = message.language == language or (message.language == TOGETHER and languages[language].whole)
            if message.kind == outlet.kind and own:
                length = count(at_widest(message.text, languages[language], languages, zone), outlet.limits.counting)
                longest[outlet.kind] = max(longest.get(outlet.kind, 0), length)
    return tuple(Fit(outlet, longest.get(outlet.kind)) for outlet in outlets), misfits
