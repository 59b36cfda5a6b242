"""Telegram's HTML parse mode: the text that is left, its entities, and the faults that the Bot API names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_ENTITIES = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "tg-spoiler": "spoiler",
    "span": "spoiler",
    "a": "text_link",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
    "tg-emoji": "custom_emoji",
}
_CHARACTERS = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
_TAG = re.compile(r"<(/?)([^\s<>/]*)([^<>]*)>")
_ATTRIBUTE = re.compile(r"""([\w-]+)\s*=\s*("[^"]*"|'[^']*'|[^\s"'>]+)""")
_REFERENCE = re.compile(r"&(?:#(\d{1,7}|[xX][0-9a-fA-F]{1,6})|([a-zA-Z]+));")


class CannotParse(ValueError):
    """The markup is wrong; the message is what the Bot API puts after "can't parse entities: "."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a chat shows; offsets and lengths in UTF-16 units."""

    text: str
    entities: tuple[dict[str, Any], ...]


def units(text: str) -> int:
    """Counts UTF-16 units, the Bot API's measure of offsets and lengths."""
    return len(text.encode("utf-16-le")) // 2


def parse_html(markup: str) -> Parsed:
    """Parses HTML as `parse_mode=HTML` does; raises CannotParse."""
    text: list[str] = []
    length = 0
    opened: list[tuple[str, int, dict[str, Any]]] = []
    entities: list[dict[str, Any]] = []
    position = 0

    def put(part: str) -> None:
        nonlocal length
        plain = _REFERENCE.sub(_character, part)
        text.append(plain)
        length += units(plain)

    while (start := markup.find("<", position)) >= 0:
        put(markup[position:start])
        offset = len(markup[:start].encode())
        match = _TAG.match(markup, start)
        if match is None:
            raise CannotParse(f"Unclosed start tag at byte offset {offset}")
        closing, name, rest = match.group(1), match.group(2).lower(), match.group(3)
        if closing:
            if not opened:
                raise CannotParse(f"Unexpected end tag at byte offset {offset}")
            expected, begun, entity = opened.pop()
            if name != expected:
                raise CannotParse(
                    f'Unmatched end tag at byte offset {offset}, expected "</{expected}>", found "</{name}>"'
                )
            if length > begun:
                entities.append({**entity, "offset": begun, "length": length - begun})
        else:
            opened.append((name, length, _entity(name, rest, offset)))
        position = match.end()
    put(markup[position:])
    if opened:
        raise CannotParse(f'Can\'t find end tag corresponding to start tag "{opened[-1][0]}"')
    return Parsed("".join(text), tuple(sorted(entities, key=lambda e: (e["offset"], -e["length"]))))


def _entity(name: str, rest: str, offset: int) -> dict[str, Any]:
    if name not in _ENTITIES:
        raise CannotParse(f'Unsupported start tag "{name}" at byte offset {offset}')
    attributes = {key.lower(): value.strip("\"'") for key, value in _ATTRIBUTE.findall(rest)}
    if name == "span" and attributes.get("class") != "tg-spoiler":
        raise CannotParse(f'Tag "span" must have class "tg-spoiler" at byte offset {offset}')
    entity: dict[str, Any] = {"type": _ENTITIES[name]}
    if name == "a":
        entity["url"] = _REFERENCE.sub(_character, attributes.get("href", ""))
    return entity


def _character(match: re.Match[str]) -> str:
    number, name = match.groups()
    if name is not None:
        return _CHARACTERS.get(name, match.group())
    code = int(number[1:], 16) if number[0] in "xX" else int(number)
    return chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else match.group()
