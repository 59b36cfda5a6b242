"""Rendering: one approved alert in the words and form of every channel instance and language.

What does not render or does not fit falls back to the general hazard's short form; what still does not is a problem
without a message, which only an officer may leave out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kentongan import cap
from kentongan.alert import Draft, Kind
from kentongan.quick_dataclass import dataclass
from kentongan.seam import Rendered
from kentongan.settings import Agency
from kentongan.words.composing import Layout, TemplateFault
from kentongan.words.context import Earlier
from kentongan.words.documents import cap_document
from kentongan.words.dressing import Dresser, Target, Voice, public_link
from kentongan.words.library import GENERAL, HazardLibrary

__all__ = ["Earlier", "Problem", "Renderings", "Target", "cap_document", "public_link", "render"]

TOGETHER = "mul"
"""The language of a message that holds several (ISO 639-2)."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that did not render as wanted; `fallen_back` where the general short form stands in for it.

    `other_language`: all is well, and readers of this language get the message in another one here.
    """

    instance: str
    language: str
    sentence: str
    remedy: str
    fallen_back: bool
    other_language: bool = False


@dataclass(frozen=True, slots=True)
class Renderings:
    """All messages of an alert, and what an officer must know of those that are not as they should be."""

    messages: tuple[Rendered, ...]
    problems: tuple[Problem, ...]


def render(
    draft: Draft,
    *,
    kind: Kind,
    alert_id: str,
    code: str,
    targets: Sequence[Target],
    agency: Agency,
    library: HazardLibrary,
    earlier: Earlier | None = None,
    cap_xml: Callable[[cap.Alert], str],
) -> Renderings:
    """Renders `draft` for every target, in those of its languages that the agency publishes and the draft speaks.

    `code` is the alert's own, without language. A correction names its `earlier` message and must not carry its code.
    `cap_xml` writes an alert as CAP XML. Raises Refused for a status that never leaves.
    """
    dresser = Dresser(
        draft,
        kind=kind,
        alert_id=alert_id,
        code=code,
        agency=agency,
        library=library,
        earlier=earlier,
        cap_xml=cap_xml,
    )
    work = _Work(draft, kind, agency, library, dresser)
    for target in targets:
        work.target(target)
    return Renderings(tuple(work.messages), tuple(work.problems))


class _Work:
    """The rendering of one alert; gathers messages and problems."""

    def __init__(self, draft: Draft, kind: Kind, agency: Agency, library: HazardLibrary, dresser: Dresser) -> None:
        self.messages: list[Rendered] = []
        self.problems: list[Problem] = []
        self._draft = draft
        self._kind = kind
        self._dresser = dresser
        self._published = tuple(dict.fromkeys(language.split("-")[0].lower() for language in agency.languages))
        self._languages = library.languages
        self._own = library.get(draft.hazard)
        self._general = library.get(GENERAL)

    def target(self, target: Target) -> None:
        """Adds the messages of one instance."""
        wanted = tuple(dict.fromkeys(language.split("-")[0].lower() for language in target.languages))
        languages = tuple(one for one in wanted if one in self._draft.languages and one in self._published)
        if target.mode is not self._dresser.mode:
            self._problem(target, "", f"is {target.mode} and this alert is {self._dresser.mode}", "leave it out")
            return
        if not languages:
            spoken = ", ".join(self._draft.languages)
            ours = ", ".join(self._published)
            self._problem(
                target, wanted[0] if wanted else "", f"the alert speaks only {spoken}", f"draft it anew in {ours}"
            )
            return
        # An imported alert is silent in languages it has no info for; our own should speak all that we publish.
        for language in wanted if self._draft.origin is None else ():
            if language not in languages:
                name = self._own.template(self._kind, language)
                self._problem(target, language, f"the alert says nothing in {language}", f"add templates/{name}")
        try:
            layout = self._dresser.templates.layout(target.kind)
        except TemplateFault as fault:
            for language in languages:
                self._problem(target, language, str(fault), fault.remedy)
            return
        languages = self._written_for(target, layout, languages)
        if layout.languages == "together":
            self._message(target, layout, TOGETHER, languages)
        else:
            for language in languages:
                self._alone(target, layout, language, languages)

    def _written_for(self, target: Target, layout: Layout, languages: Sequence[str]) -> tuple[str, ...]:
        """The same languages, each with too few forms for this layout put over into the agency's next, with a note."""
        written: dict[str, None] = {}
        for language in languages:
            instead = None if self._writes(language, layout) else self._next(language, layout)
            if instead is not None:
                forms = " and ".join(self._languages[language].forms)
                self._put_over(target, language, instead, f"{language} has only {forms} words")
            written[instead or language] = None
        return tuple(written)

    def _next(self, language: str, layout: Layout) -> str | None:
        """The language of the agency's, next behind this one, in which the alert has every form of the layout."""
        place = self._published.index(language)
        others = (*self._published[place + 1 :], *self._published[:place])
        able = (one for one in others if one in self._draft.languages and self._writes(one, layout))
        return next((one for one in able if one not in self._languages or self._languages[one].whole), None)

    def _put_over(self, target: Target, language: str, instead: str, why: str) -> None:
        sentence = f"{why}, so its readers here get {instead}"
        self.problems.append(Problem(target.instance, language, sentence, "no need to act", True, True))

    def _writes(self, language: str, layout: Layout) -> bool:
        spoken = self._languages.get(language)
        return spoken is None or spoken.writes(layout.forms)

    def _problem(self, target: Target, language: str, sentence: str, remedy: str, *, fallen_back: bool = False) -> None:
        self.problems.append(Problem(target.instance, language, sentence, remedy, fallen_back))

    def _alone(self, target: Target, layout: Layout, language: str, languages: Sequence[str]) -> None:
        """Adds the message of one language; one with few forms gives way to the next rather than to a shorter text."""
        spoken = self._languages.get(language)
        instead = None if spoken is None or spoken.whole else self._next(language, layout)
        if instead is None:
            self._message(target, layout, language, (language,))
            return
        fault = self._added(target, layout, language, [Voice(language, self._own)])
        if fault is not None:
            self._put_over(target, language, instead, str(fault))
            if instead not in languages and not any(
                m.instance == target.instance and m.language == instead for m in self.messages
            ):
                self._message(target, layout, instead, (instead,))

    def _message(self, target: Target, layout: Layout, language: str, languages: Sequence[str]) -> None:
        """Adds one message; each language in it that fails alone speaks by the general short form, or not at all."""
        own = [Voice(one, self._own) for one in languages]
        fault = self._added(target, layout, language, own)
        if fault is None:
            return
        voices = [voice for voice in (self._voice(target, layout, one, fault) for one in own) if voice is not None]
        if not voices:
            return
        if voices == own:
            # Each is well alone and they fail only together.
            self._problem(target, language, str(fault), fault.remedy, fallen_back=True)
            voices = [Voice(one, self._general, standing_in=True) for one in languages]
        spoken = {voice.language for voice in voices}
        instead = [voice for voice in own if voice.language in spoken] if any(v.standing_in for v in voices) else ()
        failed = self._added(target, layout, language, voices, instead)
        if failed is not None:
            self._problem(target, language, str(failed), failed.remedy)

    def _voice(self, target: Target, layout: Layout, own: Voice, fault: TemplateFault) -> Voice | None:
        """Who can speak one language of a message that failed; None, with a problem, where nobody can."""
        general = Voice(own.language, self._general, standing_in=True)
        for voice in (own, general):
            try:
                self._dresser.dress(target, layout, own.language, [voice])
            except TemplateFault as found:
                fault = found if voice is own else fault
                last = found
            else:
                if voice is general:
                    self._problem(target, own.language, str(fault), fault.remedy, fallen_back=True)
                return voice
        self._problem(target, own.language, str(last), last.remedy)
        return None

    def _added(
        self, target: Target, layout: Layout, language: str, voices: Sequence[Voice], own: Sequence[Voice] = ()
    ) -> TemplateFault | None:
        try:
            message, spoiled = self._dresser.dress(target, layout, language, voices, own)
        except TemplateFault as fault:
            return fault
        self.messages.append(message)
        if spoiled:
            sentence = "letters that this channel's alphabet lacks became question marks, or it would not have fitted"
            self._problem(target, language, sentence, "shorten the facts, or leave it out", fallen_back=True)
        return None
