"""One message dressed for one channel: blocks put into a layout, within the limits, and checked."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from zoneinfo import ZoneInfo

from kentongan import cap
from kentongan.alert import Draft, Kind
from kentongan.approved import ApprovedTemplate
from kentongan.cap.model import Status
from kentongan.pictures import unfit
from kentongan.quick_dataclass import dataclass
from kentongan.seam import Document, Limits, Media, Mode, Rendered, Shortened, Template, fill, slots
from kentongan.settings import Agency
from kentongan.words.codes import codes_in, with_language
from kentongan.words.composing import Layout, TemplateFault, composer, message, visible, visible_page
from kentongan.words.context import Earlier, Telling, context
from kentongan.words.counting import count, is_gsm7, to_gsm7
from kentongan.words.documents import cap_document
from kentongan.words.fitting import fullest
from kentongan.words.hazards import Hazard
from kentongan.words.languages import BRIEF
from kentongan.words.late import at_widest, named
from kentongan.words.leaving_out import left_out
from kentongan.words.library import GENERAL, HazardLibrary
from kentongan.words.marks import marked
from kentongan.words.shortening import Budget, Shortener


@dataclass(frozen=True, slots=True)
class Target:
    """One channel instance to render for, in these languages; `public` where everybody can read it.

    `approved` are the templates that its provider takes alone, None where it takes words of ours.
    """

    instance: str
    kind: str
    mode: Mode
    sandbox: bool
    limits: Limits
    public: bool
    languages: tuple[str, ...]
    approved: Sequence[ApprovedTemplate] | None = None


@dataclass(frozen=True, slots=True)
class Voice:
    """Who speaks a language in a message: a hazard, or the general one's short form in its stead (`standing_in`)."""

    language: str
    hazard: Hazard
    standing_in: bool = False


@dataclass(frozen=True, slots=True)
class _Made:
    """A message made within one budget; `length` is measured with every late fact at its widest.

    `said` are the paragraphs that its layout dressed.
    """

    form: str
    said: tuple[str, ...]
    title: str
    text: str
    html: str
    mark: str
    most_names: int
    most_characters: int
    spared: bool
    length: int
    most: int
    spoiled: bool
    template: Template | None

    @property
    def fits(self) -> bool:
        return self.length <= self.most


_RESERVE = ("short", BRIEF)
"""The forms in which the general hazard stands in for another."""


class Dresser:
    """Dresses one alert, in whatever layout and languages it is asked for. Raises Refused where it never leaves."""

    def __init__(
        self,
        draft: Draft,
        *,
        kind: Kind,
        alert_id: str,
        code: str,
        agency: Agency,
        library: HazardLibrary,
        earlier: Earlier | None,
        cap_xml: Callable[[cap.Alert], str],
    ) -> None:
        self.mode = draft.mode
        self.templates = composer(library.root)
        self._draft = draft
        self._kind = kind
        self._alert_id = alert_id
        self._code = code
        self._agency = agency
        self._library = library
        self._earlier = earlier
        self._cap_xml = cap_xml
        self._zone = ZoneInfo(agency.timezone)
        self._link = public_link(agency, code)

    def dress(
        self, target: Target, layout: Layout, language: str, voices: Sequence[Voice], own: Sequence[Voice] = ()
    ) -> tuple[Rendered, bool]:
        """Returns the fullest message that fits and passes every check, and whether letters of it were given up.

        `own`: who should have spoken, where `voices` stand in for them. Raises TemplateFault.
        """
        code = with_language(self._code, language)
        reserve = all(voice.hazard.name == GENERAL for voice in voices)
        forms = _RESERVE if all(voice.standing_in for voice in voices) else layout.forms

        tried: list[_Made] = []

        def make(form: str, budget: Budget) -> _Made:
            tried.append(self._made(target, layout, code, voices, form, budget))
            return tried[-1]

        made = fullest(make, forms, last_resort=reserve)
        if made is None:
            shortest = make(forms[-1], Budget(names=1))
            unit = "parts" if target.limits.counting == "sms" else "characters"
            raise TemplateFault(
                f"{voices[0].hazard.name}, {language}: {shortest.length} {unit}, and only {shortest.most} fit",
                "shorten the facts, such as the place names",
            )
        page = self.templates.page(target.kind)
        media = self._media(target.limits, made.mark)
        documents = self._documents(page, layout, code, voices, made, media) if page is not None else ()
        self._check(made, code, documents)
        dressed = Rendered(
            alert_id=self._alert_id,
            instance=target.instance,
            language=language,
            kind=target.kind,
            mode=self.mode,
            code=code,
            mark=made.mark,
            title=made.title,
            text=made.text,
            html=made.html,
            link=self._link,
            media=media,
            documents=documents,
            template=made.template,
            alert_kind=self._kind.value,
            shortened=self._shortened(target, layout, code, made, own) if own else _shortened(made, tried[0]),
        )
        return dressed, made.spoiled

    def _shortened(
        self, target: Target, layout: Layout, code: str, made: _Made, own: Sequence[Voice]
    ) -> Shortened | None:
        """What a message in which the general hazard stands in lacks of what its own voices would say."""
        try:
            full = self._made(target, layout, code, own, layout.forms[0], Budget(spare=True))
        except TemplateFault:
            return Shortened(GENERAL, None, ())
        return _shortened(made, full, GENERAL)

    def _mark(self, layout: Layout, voices: Sequence[Voice]) -> str:
        status = self._draft.cap.status
        tokens = (self._library.marks.token(status, voice.language, layout.mark) for voice in voices)
        return " / ".join(dict.fromkeys(filter(None, tokens)))

    def _section(
        self, layout: Layout, voice: Voice, form: str, budget: Budget
    ) -> tuple[Mapping[str, object], Sequence[str], Shortener]:
        """What the layout sees of one language, its paragraphs, and the shortener that was at work."""
        language, hazard = voice.language, voice.hazard
        spoken = self._library.languages.get(language)
        if spoken is None:
            raise TemplateFault(f"templates/languages/{language}.yaml is missing", "add the language")
        shortener = Shortener(spoken, self._link, budget)
        names = context(
            self._draft,
            hazard,
            spoken,
            drafted=self._library.get(self._draft.hazard),
            agency=self._agency,
            code=with_language(self._code, language),
            link=self._link,
            earlier=self._earlier,
            shortener=shortener,
            telling=Telling(),
            together=layout.languages == "together",
        )
        words = hazard.words(self._kind, language)
        paragraphs = self.templates.block(words, form if form in _RESERVE or not voice.standing_in else "short", names)
        if not paragraphs:
            raise TemplateFault(f"templates/{words.kind}: block {form} is empty", "give it words")
        # A language without headlines of its own names the event where a channel asks for a title.
        titled = "headline" in spoken.forms
        seen = {
            **names,
            "headline": " ".join(self.templates.block(words, "headline", names)) if titled else names["event"],
            "paragraphs": paragraphs,
            "body": "\n\n".join(paragraphs),
            "hashtags": [f"#{tag}" for tag in hazard.hashtags.get(language, ())],
            "phrases": spoken.phrases,
            "direction": spoken.direction,
            "language_name": spoken.name,
            "mark": self._library.marks.token(self._draft.cap.status, language, layout.mark),
            "link_said": self._link in "\n".join(paragraphs),
            "correction": self._kind is Kind.CORRECTION,
        }
        return seen, paragraphs, shortener

    def _made(
        self, target: Target, layout: Layout, code: str, voices: Sequence[Voice], form: str, budget: Budget
    ) -> _Made:
        spoken = [self._section(layout, voice, form, budget) for voice in voices]
        sections = [section for section, _, _ in spoken]
        mark = self._mark(layout, voices)
        names = {**sections[0], "sections": sections, "mark": mark, "code": code}
        template = None
        if target.approved is None:
            dressed = message(self.templates.dress(layout.name, names))
        else:
            dressed, template = self._filled(target.approved, layout, voices[0].language, names)
        text = visible(dressed) if layout.markup else dressed
        spoiled = False
        if layout.alphabet == "gsm7":
            whole = text
            text = _plain(whole, at_any_cost=budget.plain)
            spoiled = budget.plain and text != _plain(whole, at_any_cost=False)
        prefix = self._mark(dataclasses.replace(layout, mark="short"), voices)
        title = " ".join(filter(None, (prefix, str(sections[0]["headline"]))))
        own = self._library.languages[voices[0].language]
        try:
            widest, _ = (at_widest(said, own, self._library.languages, self._zone) for said in (text, title))
        except KeyError as error:
            raise TemplateFault(f"templates/{layout.name}: {error} is no late fact", "use one that is known") from None
        return _Made(
            form=form,
            said=tuple(paragraph for _, paragraphs, _ in spoken for paragraph in paragraphs),
            title=title,
            text=text,
            html=dressed if layout.markup else "",
            mark=mark,
            most_names=max(shortener.most_names for _, _, shortener in spoken),
            most_characters=max(shortener.most_characters for _, _, shortener in spoken),
            spared=any(shortener.spared for _, _, shortener in spoken),
            length=count(widest, target.limits.counting),
            most=target.limits.length,
            spoiled=spoiled,
            template=template,
        )

    def _filled(
        self, approved: Sequence[ApprovedTemplate], layout: Layout, language: str, names: Mapping[str, object]
    ) -> tuple[str, Template]:
        """The text of the approved template for this kind, language and mark, and what goes into its places."""
        mark = str(names["mark"])
        tokens = self._library.marks.tokens()
        chosen = next(
            (
                each
                for each in approved
                if (each.kind, each.language) == (self._kind, language)
                and (marked(each.body, mark) if mark else not any(marked(each.body, token) for token in tokens))
            ),
            None,
        )
        if chosen is None:
            that = f" that begins and ends with {mark}" if mark else " without a drill mark"
            raise TemplateFault(
                f"no template for {self._kind} in {language}{that} is approved",
                "have one approved by the provider and name it in channels.yaml",
            )
        parameters = tuple(" ".join(self.templates.block(layout.name, each, names)) for each in chosen.parameters)
        for name, said in zip(chosen.parameters, parameters, strict=True):
            if not said:
                raise TemplateFault(f"parameter {name} of template {chosen.name} is empty", "the provider refuses that")
        return chosen.said(parameters), Template(chosen.name, chosen.code, parameters)

    def _media(self, limits: Limits, mark: str) -> tuple[Media, ...]:
        """The draft's pictures that this channel can carry, their content still in the ledger.

        What takes an alert back carries none: a map of a warning that no longer holds must not go round again. A
        drill's are described as such, for a picture travels without the words around it.
        """
        allowed = limits.pictures
        if allowed is None or not self._kind.widens:
            return ()
        fitting = [picture for picture in self._draft.pictures if not unfit(picture, allowed)]
        return tuple(
            Media(
                name=picture.name,
                media_type=picture.media_type,
                content=b"",
                description=f"{mark} {picture.description}".strip(),
                digest=picture.digest,
            )
            for picture in fitting[: allowed.most]
        )

    def _documents(
        self, page: str, layout: Layout, code: str, voices: Sequence[Voice], made: _Made, media: Sequence[Media]
    ) -> tuple[Document, ...]:
        """The CAP XML and the public page, which have room for everything."""
        sections = [self._section(layout, voice, "long", Budget(spare=True))[0] for voice in voices]
        names = {**sections[0], "sections": sections, "mark": made.mark, "code": code, "xml": "alert.xml"}
        names["pictures"] = media
        alert = cap_document(
            self._draft,
            kind=self._kind,
            agency=self._agency,
            library=self._library,
            code=self._code,
            link=self._link,
            earlier=self._earlier,
        )
        return (
            Document("alert.xml", "application/cap+xml", self._cap_xml(alert)),
            Document("index.html", "text/html", self.templates.dress(page, names)),
        )

    def _check(self, made: _Made, code: str, documents: Sequence[Document]) -> None:
        """Raises TemplateFault unless mark and code stand as they must and no other alert's code does."""
        live = self._draft.cap.status is Status.ACTUAL
        pages = [visible_page(document.text) for document in documents if document.media_type == "text/html"]
        for text in (made.text, *pages):
            if not marked(text, made.mark) or live != (made.mark == ""):
                raise TemplateFault(
                    "the drill mark does not stand first and last", "put {{ mark }} there in the layout"
                )
            if code not in text:
                raise TemplateFault(f"the alert code {code} is missing", "put {{ code }} into the layout")
        for text in (made.text, made.title, *pages):
            foreign = ", ".join(sorted(codes_in(text) - {self._code}))
            if foreign:
                raise TemplateFault(f"the text carries {foreign}, which is another alert's code", "take it out")


def public_link(agency: Agency, code: str) -> str:
    """Address of the alert's public page, which holds all its languages."""
    return f"{agency.link.rstrip('/')}/{code}"


_TOKEN = re.compile("(\ue000[a-z_]+\ue001)")


def _shortened(made: _Made, full: _Made, form: str = "") -> Shortened | None:
    """What a message lacks of its full form; None where nothing is missing."""
    form = form or (made.form if made.form != full.form else "")
    missing = left_out(full.said, made.said, other_words=bool(form))
    if not missing and not form:
        return None
    return Shortened(form, full.length, tuple(fill(each, named(slots(each))) for each in missing))


def _plain(text: str, *, at_any_cost: bool) -> str:
    """Puts a short message into GSM-7 where all of it can be, late facts aside."""
    pieces = _TOKEN.split(text)
    plain = [piece if _TOKEN.fullmatch(piece) else to_gsm7(piece, at_any_cost=at_any_cost) for piece in pieces]
    usable = all(is_gsm7(piece) for piece in plain if not _TOKEN.fullmatch(piece))
    return "".join(plain) if usable else text
