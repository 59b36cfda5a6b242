"""Rendering: one approved alert in the words and form of every channel instance and language.

What does not render or does not fit falls back to the general hazard's short form; what still does not is a problem
without a message, which only an officer may leave out.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from kentongan import cap
from kentongan.alert import Draft, Kind, mode_of
from kentongan.cap.model import Status
from kentongan.seam import Document, Limits, Mode, Rendered
from kentongan.settings import Agency
from kentongan.words.codes import codes_in, with_language
from kentongan.words.composing import Layout, TemplateFault, composer, message, visible, visible_page
from kentongan.words.context import Earlier, Telling, context
from kentongan.words.counting import count, is_gsm7, to_gsm7
from kentongan.words.documents import cap_document
from kentongan.words.fitting import fullest
from kentongan.words.hazards import GENERAL, Hazard, HazardLibrary
from kentongan.words.late import at_widest
from kentongan.words.marks import marked
from kentongan.words.shortening import Budget, Shortener

__all__ = ["Earlier", "Problem", "Renderings", "Target", "cap_document", "public_link", "render"]

TOGETHER = "mul"
"""The language of a message that holds several (ISO 639-2)."""


@dataclass(frozen=True, slots=True)
class Target:
    """One channel instance to render for, in these languages; `public` where everybody can read it."""

    instance: str
    kind: str
    mode: Mode
    sandbox: bool
    limits: Limits
    public: bool
    languages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that did not render as wanted; `fallen_back` where the general short form stands in for it."""

    instance: str
    language: str
    sentence: str
    remedy: str
    fallen_back: bool


@dataclass(frozen=True, slots=True)
class Renderings:
    """All messages of an alert, and what an officer must know of those that are not as they should be."""

    messages: tuple[Rendered, ...]
    problems: tuple[Problem, ...]


def public_link(agency: Agency, code: str) -> str:
    """Address of the alert's public page, which holds all its languages."""
    return f"{agency.link.rstrip('/')}/{code}"


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
    """Renders `draft` for every target and language.

    `code` is the alert's own, without language. A correction names its `earlier` message and must not carry its code.
    `cap_xml` writes an alert as CAP XML. Raises Refused for a status that never leaves.
    """
    work = _Work(draft, kind, alert_id, code, agency, library, earlier, cap_xml)
    for target in targets:
        work.target(target)
    return Renderings(tuple(work.messages), tuple(work.problems))


@dataclass(frozen=True, slots=True)
class _Made:
    """A message made within one budget."""

    title: str
    text: str
    html: str
    mark: str
    most_names: int
    most_characters: int
    length: int
    most: int

    @property
    def fits(self) -> bool:
        return self.length <= self.most


class _Work:
    """The rendering of one alert; gathers messages and problems."""

    def __init__(
        self,
        draft: Draft,
        kind: Kind,
        alert_id: str,
        code: str,
        agency: Agency,
        library: HazardLibrary,
        earlier: Earlier | None,
        cap_xml: Callable[[cap.Alert], str],
    ) -> None:
        self.draft, self.kind, self.alert_id, self.code = draft, kind, alert_id, code
        self.agency, self.library, self.earlier, self.cap_xml = agency, library, earlier, cap_xml
        self.mode = mode_of(draft.cap.status)
        self.zone = ZoneInfo(agency.timezone)
        self.link = public_link(agency, code)
        self.composer = composer(library.root)
        self.messages: list[Rendered] = []
        self.problems: list[Problem] = []

    def target(self, target: Target) -> None:
        wanted = tuple(dict.fromkeys(language.split("-")[0].lower() for language in target.languages))
        languages = tuple(language for language in wanted if language in self.draft.languages)
        unsaid = tuple(language for language in wanted if language not in languages)
        if target.mode is not self.mode:
            self.problem(target, "", f"is {target.mode} and this alert is {self.mode}", "leave the instance out")
            return
        if not languages:
            spoken = ", ".join(self.draft.languages)
            self.problem(target, wanted[0] if wanted else "", f"the alert speaks only {spoken}", "add a text it speaks")
            return
        # An imported alert is silent in languages it has no info for; our own should speak all that we publish.
        if self.draft.origin is None:
            for language in unsaid:
                name = self.library.get(self.draft.hazard).template(self.kind, language)
                self.problem(target, language, f"the alert says nothing in {language}", f"add templates/{name}")
        try:
            layout = self.composer.layout(target.kind)
        except TemplateFault as fault:
            for language in languages:
                self.problem(target, language, str(fault), fault.remedy)
            return
        if layout.languages == "together":
            self.message(target, layout, TOGETHER, languages)
        else:
            for language in languages:
                self.message(target, layout, language, (language,))

    def problem(self, target: Target, language: str, sentence: str, remedy: str, *, fallen_back: bool = False) -> None:
        self.problems.append(Problem(target.instance, language, sentence, remedy, fallen_back))

    def message(self, target: Target, layout: Layout, language: str, languages: tuple[str, ...]) -> None:
        """Adds one message, else its general short form, else a problem."""
        own = self.library.get(self.draft.hazard)
        try:
            self.messages.append(self.rendered(target, layout, language, languages, own, layout.forms))
            return
        except TemplateFault as fault:
            first = fault
        spoken: list[str] = []
        for one in languages:
            try:
                self.rendered(target, layout, one, (one,), self.library.get(GENERAL), ("short",))
            except TemplateFault as fault:
                self.problem(target, one, str(fault), fault.remedy)
            else:
                spoken.append(one)
        if not spoken:
            return
        try:
            self.messages.append(
                self.rendered(target, layout, language, tuple(spoken), self.library.get(GENERAL), ("short",))
            )
        except TemplateFault as fault:
            self.problem(target, language, str(fault), fault.remedy)
        else:
            self.problem(target, language, str(first), first.remedy, fallen_back=True)

    def rendered(
        self,
        target: Target,
        layout: Layout,
        language: str,
        languages: tuple[str, ...],
        hazard: Hazard,
        forms: tuple[str, ...],
    ) -> Rendered:
        """Returns the fullest message of `hazard` that fits and passes every check; raises TemplateFault."""
        code = with_language(self.code, language)

        def make(form: str, budget: Budget) -> _Made:
            return self.made(target, layout, code, languages, hazard, form, budget)

        made = fullest(make, forms, last_resort=hazard.name == GENERAL)
        if made is None:
            shortest = make(forms[-1], Budget(names=1))
            raise TemplateFault(
                f"{hazard.name}, {language}: {shortest.length} {_UNITS[target.limits.counting]}, "
                f"and only {shortest.most} fit",
                "shorten the facts, such as the place names",
            )
        documents: tuple[Document, ...] = ()
        page = self.composer.page(target.kind)
        if page is not None:
            documents = self.documents(page, layout, code, languages, hazard, forms[0], made)
        self.check(made, code, documents)
        return Rendered(
            alert_id=self.alert_id,
            instance=target.instance,
            language=language,
            kind=target.kind,
            mode=self.mode,
            code=code,
            mark=made.mark,
            title=made.title,
            text=made.text,
            html=made.html,
            link=self.link,
            documents=documents,
        )

    def mark(self, layout: Layout, languages: Sequence[str]) -> str:
        tokens = (self.library.marks.token(self.draft.cap.status, language, layout.mark) for language in languages)
        return " / ".join(dict.fromkeys(filter(None, tokens)))

    def sections(
        self,
        layout: Layout,
        languages: tuple[str, ...],
        hazard: Hazard,
        form: str,
        budget: Budget,
    ) -> tuple[list[dict[str, object]], list[Shortener]]:
        """Returns what the layout sees of each language, and the shorteners that were at work."""
        sections: list[dict[str, object]] = []
        shorteners: list[Shortener] = []
        for language in languages:
            spoken = self.library.languages.get(language)
            if spoken is None:
                raise TemplateFault(f"templates/languages/{language}.yaml is missing", "add the language")
            shortener = Shortener(spoken, self.link, budget)
            names = context(
                self.draft,
                hazard,
                spoken,
                drafted=self.library.get(self.draft.hazard),
                agency=self.agency,
                code=with_language(self.code, language),
                link=self.link,
                earlier=self.earlier,
                shortener=shortener,
                telling=Telling(),
                together=layout.languages == "together",
            )
            template = hazard.template(self.kind, language)
            paragraphs = self.composer.block(template, form, names)
            if not paragraphs:
                raise TemplateFault(f"templates/{template}: block {form} is empty", "give it words")
            shorteners.append(shortener)
            sections.append(
                {
                    **names,
                    "headline": " ".join(self.composer.block(template, "headline", names)),
                    "paragraphs": paragraphs,
                    "body": "\n\n".join(paragraphs),
                    "hashtags": [f"#{tag}" for tag in hazard.hashtags.get(language, ())],
                    "phrases": spoken.phrases,
                    "direction": spoken.direction,
                    "language_name": spoken.name,
                    "mark": self.library.marks.token(self.draft.cap.status, language, layout.mark),
                    "link_said": self.link in "\n".join(paragraphs),
                    "correction": self.kind is Kind.CORRECTION,
                }
            )
        return sections, shorteners

    def made(
        self,
        target: Target,
        layout: Layout,
        code: str,
        languages: tuple[str, ...],
        hazard: Hazard,
        form: str,
        budget: Budget,
    ) -> _Made:
        sections, shorteners = self.sections(layout, languages, hazard, form, budget)
        mark = self.mark(layout, languages)
        dressed = message(
            self.composer.dress(layout.name, {**sections[0], "sections": sections, "mark": mark, "code": code})
        )
        text = visible(dressed) if layout.markup else dressed
        if layout.alphabet == "gsm7":
            text = _plain(text, at_any_cost=budget.plain)
        prefix = self.mark(dataclasses.replace(layout, mark="short"), languages)
        title = " ".join(filter(None, (prefix, str(sections[0]["headline"]))))
        try:
            widest = at_widest(text, self.library.languages[languages[0]], self.library.languages, self.zone)
            at_widest(title, self.library.languages[languages[0]], self.library.languages, self.zone)
        except KeyError as error:
            raise TemplateFault(f"templates/{layout.name}: {error} is no late fact", "use one that is known") from None
        return _Made(
            title=title,
            text=text,
            html=dressed if layout.markup else "",
            mark=mark,
            most_names=max(shortener.most_names for shortener in shorteners),
            most_characters=max(shortener.most_characters for shortener in shorteners),
            length=count(widest, target.limits.counting),
            most=target.limits.length,
        )

    def documents(
        self,
        page: str,
        layout: Layout,
        code: str,
        languages: tuple[str, ...],
        hazard: Hazard,
        form: str,
        made: _Made,
    ) -> tuple[Document, ...]:
        """The CAP XML and the public page, which have room for everything."""
        long = "short" if hazard.name == GENERAL and form == "short" else "long"
        sections, _ = self.sections(layout, languages, hazard, long, Budget())
        markup = self.composer.dress(
            page, {**sections[0], "sections": sections, "mark": made.mark, "code": code, "xml": "alert.xml"}
        )
        alert = cap_document(
            self.draft,
            kind=self.kind,
            agency=self.agency,
            library=self.library,
            code=self.code,
            link=self.link,
            earlier=self.earlier,
        )
        return (
            Document("alert.xml", "application/cap+xml", self.cap_xml(alert)),
            Document("index.html", "text/html", markup),
        )

    def check(self, made: _Made, code: str, documents: Sequence[Document]) -> None:
        """Raises TemplateFault unless mark, code and late facts stand as they must."""
        pages = [visible_page(document.text) for document in documents if document.media_type == "text/html"]
        for text in (made.text, *pages):
            if not marked(text, made.mark) or (self.draft.cap.status is not Status.ACTUAL and not made.mark):
                raise TemplateFault(
                    "the drill mark does not stand first and last", "put {{ mark }} there in the layout"
                )
            if code not in text:
                raise TemplateFault(f"the alert code {code} is missing", "put {{ code }} into the layout")
        for text in (made.text, made.title, *pages):
            foreign = codes_in(text) - {self.code}
            if foreign:
                raise TemplateFault(
                    f"the text carries {', '.join(sorted(foreign))}, which is another alert's code", "take it out"
                )


_UNITS = {
    "characters": "characters",
    "mastodon": "characters",
    "telegram": "characters",
    "sms": "parts",
}

_TOKEN = re.compile("(\ue000[a-z_]+\ue001)")


def _plain(text: str, *, at_any_cost: bool) -> str:
    """Puts a short message into GSM-7 where all of it can be, late facts aside."""
    pieces = _TOKEN.split(text)
    plain = [piece if _TOKEN.fullmatch(piece) else to_gsm7(piece, at_any_cost=at_any_cost) for piece in pieces]
    usable = all(is_gsm7(piece) for piece in plain if not _TOKEN.fullmatch(piece))
    return "".join(plain) if usable else text
