"""The alert as a CAP document whose info blocks hold the words that the public gets."""

from __future__ import annotations

from kentongan import cap
from kentongan.alert import Draft, Kind
from kentongan.settings import Agency
from kentongan.words.codes import with_language
from kentongan.words.composing import Composer, TemplateFault, composer
from kentongan.words.context import Earlier, Telling, context
from kentongan.words.library import HazardLibrary
from kentongan.words.shortening import Budget, Shortener

_ACTIONS = frozenset({"action", "evacuation", "avoid", "help"})
"""What a paragraph answers that belongs into CAP's instruction; all else is description."""


def cap_document(
    draft: Draft,
    *,
    kind: Kind,
    agency: Agency,
    library: HazardLibrary,
    code: str = "",
    link: str = "",
    earlier: Earlier | None = None,
) -> cap.Alert:
    """Returns the alert with headline, description, instruction and web filled, marked where it is a drill.

    A relayed alert keeps its sender's words; its correction is ours. Without `code` and `link` (not dispatched yet)
    the texts name the agency's link. Texts hold late facts as slots with the language behind (`seam.slots`).
    """
    templates = composer(library.root)
    infos = tuple(
        _info(draft, info, kind, agency, library, code, link or agency.link, earlier, templates)
        for info in draft.cap.infos
    )
    return draft.cap.model_copy(update={"infos": infos})


def _info(
    draft: Draft,
    info: cap.Info,
    kind: Kind,
    agency: Agency,
    library: HazardLibrary,
    code: str,
    link: str,
    earlier: Earlier | None,
    templates: Composer,
) -> cap.Info:
    language = info.language.split("-")[0].lower()
    said: dict[str, str | None] = {name: getattr(info, name) for name in ("headline", "description", "instruction")}
    ours = draft.origin is None or kind is Kind.CORRECTION
    # What follows a relay on our own word brings no words of its sender's.
    if ours or (kind in (Kind.CANCEL, Kind.ALL_CLEAR) and not any(said.values())):
        said = _own_words(draft, language, kind, agency, library, code, link, earlier, templates) or said
    elif code:
        said["description"] = "\n\n".join(filter(None, (said["description"], with_language(code, language))))
    mark = library.marks.token(draft.cap.status, language, "short")
    if mark:
        said = {name: f"{mark} {text} {mark}" if text else text for name, text in said.items()}
        said["headline"] = said["headline"] or mark
    return info.model_copy(update={**said, "web": info.web or link})


def _own_words(
    draft: Draft,
    language: str,
    kind: Kind,
    agency: Agency,
    library: HazardLibrary,
    code: str,
    link: str,
    earlier: Earlier | None,
    templates: Composer,
) -> dict[str, str | None] | None:
    """Headline, description and instruction from the hazard's words; None where it has none in that language."""
    hazard, spoken = library.get(draft.hazard), library.languages.get(language)
    if spoken is None or language not in hazard.languages(kind, whole=True):
        return None
    telling = Telling()
    names = context(
        draft,
        hazard,
        spoken,
        drafted=hazard,
        agency=agency,
        code=with_language(code, language) if code else "",
        link=link,
        earlier=earlier,
        shortener=Shortener(spoken, link, Budget(spare=True)),
        telling=telling,
        together=True,
    )
    words = hazard.words(kind, language)
    try:
        headline = " ".join(templates.block(words, "headline", names))
        telling.pieces.clear()
        templates.block(words, "long", names)
    except TemplateFault:
        return None
    description = [piece.text for piece in telling.pieces if not piece.answers & _ACTIONS]
    instruction = [piece.text for piece in telling.pieces if piece.answers & _ACTIONS]
    if code:
        description.append(with_language(code, language))
    return {
        "headline": headline or None,
        "description": "\n\n".join(description) or None,
        "instruction": "\n\n".join(instruction) or None,
    }
