"""Templates at work: the blocks of a hazard and the layouts of a channel, each fault with its file and line."""

from __future__ import annotations

import html
import re
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

from jinja2 import (
    FileSystemLoader,
    StrictUndefined,
    Template,
    TemplateError,
    TemplateNotFound,
    TemplateSyntaxError,
    nodes,
)
from jinja2.sandbox import ImmutableSandboxedEnvironment

from kentongan.cap.model import MsgType
from kentongan.quick_dataclass import dataclass
from kentongan.words.cleaning import PARAGRAPH, clean
from kentongan.words.hazards import Words
from kentongan.words.languages import BRIEF, FORMS, SPOKEN


class TemplateFault(Exception):
    """A template cannot be used; `str()` is a sentence with file and line, `remedy` what to do."""

    def __init__(self, sentence: str, remedy: str) -> None:
        super().__init__(sentence)
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Layout:
    """How a kind of channel dresses a message, as its layout declares it.

    `forms`: the blocks to try, longest first. `mark`: which form of the drill mark fits. `alphabet`: "gsm7" where
    typographic signs are put into plain ones. `languages`: "together" where one message holds all of them.
    """

    name: str
    markup: bool
    forms: tuple[str, ...]
    mark: Literal["long", "short"]
    alphabet: Literal["any", "gsm7"]
    languages: Literal["apart", "together"]


@lru_cache(maxsize=8)
def composer(root: Path) -> Composer:
    """The composer of one templates folder; a template that changes on disk is read anew."""
    return Composer(root)


class Composer:
    """The template environment of one templates folder: sandboxed, and every unknown name an error."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._layouts: dict[str, tuple[int, Layout]] = {}

    @cached_property
    def _environment(self) -> ImmutableSandboxedEnvironment:
        return ImmutableSandboxedEnvironment(
            loader=FileSystemLoader(self._root),
            undefined=StrictUndefined,
            autoescape=lambda name: name is not None and name.endswith(".html.j2"),
            lstrip_blocks=True,
        )

    def block(self, words: Words | str, block: str, names: Mapping[str, Any]) -> tuple[str, ...]:
        """Returns the paragraphs of one block of a hazard's words, or of a single template; raises TemplateFault.

        Words may take over the alert's own with `alert("short")`, and ask with `about("event")` for the line that the
        hazard has in its file, or else shares.
        """
        aloud = names["aloud"] if block == SPOKEN and "aloud" in names else None
        if aloud is not None:
            names = {**names, **aloud.names}
        text = self._text(words, block, names) if isinstance(words, str) else self._said(words, block, names)
        paragraphs = tuple(_tidy(part) for part in text.split(PARAGRAPH))
        return tuple(part if aloud is None else aloud(part) for part in paragraphs if part)

    def _said(self, words: Words, block: str, names: Mapping[str, Any]) -> str:
        """One block, with the two functions by which one file of words calls upon another."""
        template = words.kind
        if block == BRIEF and not (self._is_there(template) and self._has(template, block)):
            template = words.shared

        def alert(other: str) -> str:
            if words.alert is None:
                raise LookupError("the words of an alert have no alert before them")
            # What the message does is said by the words that call: the alert's are not to say it again.
            return self._said(words.alert, other, {**every, "msg_type": MsgType.ALERT.value})

        def about(line: str) -> str:
            for lines in words.about:
                if self._is_there(lines) and self._has(lines, line):
                    return " ".join(self._text(lines, line, every).split())
            raise TemplateFault(f"templates/{words.about[0]} has no block {line}", "add the line")

        every: dict[str, Any] = {**names, "alert": alert, "about": about}
        return self._text(template, block, every)

    def _is_there(self, template: str) -> bool:
        return (self._root / template).is_file()

    def _has(self, template: str, block: str) -> bool:
        with self._faults(template):
            return block in self._environment.get_template(template).blocks
        raise AssertionError  # pragma: no cover - the block above returns or raises

    def _text(self, template: str, block: str, names: Mapping[str, Any]) -> str:
        with self._faults(template):
            loaded = self._environment.get_template(template)
            if block not in loaded.blocks:
                raise TemplateFault(f"templates/{template} has no block {block}", "add the block, complete in itself")
            return "".join(loaded.blocks[block](loaded.new_context(dict(names))))
        raise AssertionError  # pragma: no cover - the block above returns or raises

    def layout(self, kind: str) -> Layout:
        """Reads what the layout of a kind of channel declares; raises TemplateFault where there is none."""
        for suffix in ("txt", "html"):
            name = f"channels/{kind}.{suffix}.j2"
            path = self._root / name
            if path.is_file():
                with self._faults(name):
                    changed = path.stat().st_mtime_ns
                    if name not in self._layouts or self._layouts[name][0] != changed:
                        tree = self._environment.parse(path.read_text("utf-8"), name)
                        self._layouts[name] = changed, _declared(name, suffix == "html", tree)
                    return self._layouts[name][1]
        raise TemplateFault(f"templates/channels/{kind}.txt.j2 is missing", "add a layout for this kind of channel")

    def page(self, kind: str) -> str | None:
        """Name of the page that a kind of channel publishes beside its message, or None."""
        name = f"channels/{kind}.page.html.j2"
        return name if (self._root / name).is_file() else None

    def dress(self, name: str, names: Mapping[str, Any]) -> str:
        """Renders a layout or page; raises TemplateFault."""
        with self._faults(name):
            template: Template = self._environment.get_template(name)
            return template.render(dict(names))
        raise AssertionError  # pragma: no cover

    @contextmanager
    def _faults(self, name: str) -> Iterator[None]:
        try:
            yield
        except TemplateFault:
            raise
        except TemplateNotFound as error:
            raise TemplateFault(f"templates/{error.name} is missing", "add it, or restore it") from None
        except TemplateSyntaxError as error:
            place = f"templates/{error.name or name}, line {error.lineno}"
            raise TemplateFault(f"{place}: {clean(error.message or 'cannot be read')}", "mend that line") from None
        except (
            TemplateError,
            TypeError,
            ValueError,
            ArithmeticError,
            LookupError,
            AttributeError,
            OSError,
            RecursionError,
        ) as error:
            lines = [
                frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith(".j2")
            ]
            place = f"templates/{name}" + (f", line {lines[-1]}" if lines else "")
            raise TemplateFault(
                f"{place}: {clean(str(error))[:200]}", "mend that line, or give the missing fact"
            ) from None


def _declared(name: str, markup: bool, tree: nodes.Template) -> Layout:
    declared: dict[str, Any] = {}
    for assignment in tree.find_all(nodes.Assign):
        if isinstance(assignment.target, nodes.Name):
            try:
                declared[assignment.target.name] = assignment.node.as_const()  # type: ignore[attr-defined]
            except nodes.Impossible:
                continue
    forms = tuple(declared.get("forms") or ())
    if not forms or any(form not in FORMS for form in forms):
        raise TemplateFault(f"templates/{name} declares no forms", f"set forms to a list of {', '.join(FORMS)}")

    def one_of(option: str, default: str, other: str) -> Any:
        value = declared.get(option, default)
        if value not in (default, other):
            raise TemplateFault(f"templates/{name}: {option} is {value!r}", f"set it to {default} or {other}")
        return value

    return Layout(
        name=name,
        markup=markup,
        forms=forms,
        mark=one_of("mark_form", "long", "short"),
        alphabet=one_of("alphabet", "any", "gsm7"),
        languages=one_of("languages", "apart", "together"),
    )


def _tidy(text: str) -> str:
    """One line, and no doubled stops where a quoted sentence brought its own."""
    line = re.sub(r" +([.,;:!?])(?= |$)", r"\1", " ".join(text.split()))
    line = re.sub(r"\.{4,}", "...", re.sub(r"([!?])\.(?!\.)", r"\1", line))
    return re.sub(r"(?<!\.)\.\.(?!\.)", ".", line)


def message(text: str) -> str:
    """Returns a dressed message without trailing spaces and with at most one empty line in a row."""
    lines = [line.strip(" \t") for line in text.split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def visible(markup: str) -> str:
    """What a reader sees of escaped markup: its text."""
    return html.unescape(re.sub(r"<[^<>]*>", "", markup))


def visible_page(page: str) -> str:
    """What a reader sees of a whole page: the text of its body, on one line."""
    body = re.search(r"<body\b[^>]*>(.*)</body>", page, re.DOTALL)
    return " ".join(visible(body.group(1) if body else page).split())
