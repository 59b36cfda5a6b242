"""The words of pages: short, with the alert's code and what to do, and never like a warning to the public."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from zoneinfo import ZoneInfo

from kentongan import telling
from kentongan.paging import Concern
from kentongan.seam import Limits, Mode, Rendered
from kentongan.words.cleaning import clean
from kentongan.words.composing import composer
from kentongan.words.counting import count, to_gsm7
from kentongan.words.marks import Marks
from kentongan.words.shortening import clipped

_QUOTED = ("headline", "place", "reason")
"""Values that somebody else wrote, in their own length."""

_LENGTHS = (120, 80, 50, 30, 20)
_OTHER = "en"


def languages(templates: Path) -> frozenset[str]:
    """The languages in which every page is there."""
    found: dict[str, set[str]] = {}
    for path in (templates / "pages").glob("*.j2"):
        cause, language, _ = path.name.split(".", 2)
        found.setdefault(language, set()).add(cause)
    return frozenset(language for language, causes in found.items() if causes >= found.get(_OTHER, set()))


def page(
    concern: Concern,
    *,
    templates: Path,
    language: str,
    instance: str,
    mode: Mode,
    limits: Limits,
    zone: ZoneInfo,
    values: Mapping[str, str] = MappingProxyType({}),
) -> Rendered:
    """One page on a concern, as `instance` sends it; `values` are those that only one officer gets.

    Why it goes out is said with its times in `zone`, as officers read them everywhere.

    What is no alert in earnest bears its drill mark first and last, by a live channel too. Raises TemplateFault.
    """
    spoken = language if language in languages(templates) else _OTHER
    mark = Marks(templates / "marks.yaml").token(concern.status, spoken, "short")
    names = {name: clean(str(value)) for name, value in {**concern.values, **values}.items()}
    if "reason" in names:
        names["reason"] = telling.local(names["reason"], zone)
    names["sandbox"] = " (SANDBOX)" if concern.values.get("sandbox") is True else ""
    template = f"pages/{concern.cause.value}.{spoken}.j2"
    text = title = ""
    for most in _LENGTHS:
        cut = {name: clipped(value, most) if name in _QUOTED else value for name, value in names.items()}
        said = _block(templates, template, "text", cut)
        text = f"{mark} {said} {mark}" if mark else said
        text = to_gsm7(text, at_any_cost=most == _LENGTHS[-1]) if limits.counting == "sms" else text
        title = " ".join(filter(None, (mark, _block(templates, template, "title", cut))))
        if count(text, limits.counting) <= limits.length:
            break
    return Rendered(
        alert_id=concern.alert_id or "",
        instance=instance,
        language=spoken,
        kind="page",
        mode=mode,
        code=str(concern.values.get("code", "")),
        mark=mark if mode is not Mode.LIVE else "",
        title=title,
        text=text,
        alert_kind="page",
    )


def _block(templates: Path, template: str, block: str, names: Mapping[str, str]) -> str:
    return " ".join(composer(templates).block(template, block, names))
