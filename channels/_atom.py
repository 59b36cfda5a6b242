"""What a feed lists, and its two lists: an Atom feed (RFC 4287) for programs and a plain page for people. Pure."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import NAMESPACE_URL, uuid5

from pydantic import AwareDatetime, BaseModel, ConfigDict

from kentongan.cap.values import printable

ATOM = "http://www.w3.org/2005/Atom"
CAP_TYPE = "application/cap+xml"


class Entry(BaseModel):
    """One alert in the feed. `key` is a digest of the delivery's key; `files` are those it published, by media type."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stem: str
    code: str
    key: str
    title: str
    summary: str
    published: AwareDatetime
    updated: AwareDatetime
    expires: AwareDatetime | None
    files: Mapping[str, str]


def listed(entries: Iterable[Entry], *, now: datetime, most: int) -> Sequence[Entry]:
    """The entries to show, newest first: up to `most`, and beyond them every one that has not expired."""
    newest = sorted(entries, key=lambda entry: (entry.published, entry.stem), reverse=True)
    return [e for place, e in enumerate(newest) if place < most or e.expires is None or e.expires > now]


def feed(entries: Sequence[Entry], *, base_url: str, title: str, author: str, now: datetime) -> bytes:
    """The Atom feed of `entries`, as UTF-8 XML; `now` dates a feed that lists nothing yet."""
    from lxml import etree
    from lxml.builder import ElementMaker

    atom = ElementMaker(namespace=ATOM, nsmap={None: ATOM})
    address = f"{base_url}/feed.xml"
    root = atom.feed(
        atom.id(address),
        atom.title(printable(title)),
        atom.updated(_moment(max((entry.updated for entry in entries), default=now))),
        atom.author(atom.name(printable(author))),
        atom.link(rel="self", type="application/atom+xml", href=address),
        atom.link(rel="alternate", type="text/html", href=f"{base_url}/"),
    )
    for entry in entries:
        root.append(
            atom.entry(
                atom.id(name_of(entry, base_url)),
                atom.title(printable(entry.title)),
                atom.published(_moment(entry.published)),
                atom.updated(_moment(entry.updated)),
                *(
                    atom.link(rel="alternate", type=media_type, href=f"{base_url}/{path}")
                    for media_type, path in entry.files.items()
                ),
                atom.summary(printable(entry.summary), type="text"),
            )
        )
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def index(entries: Sequence[Entry], *, title: str, language: str) -> bytes:
    """A page that lists `entries` with links to their own pages; readable without style or script."""
    items = "\n".join(
        f'<li><a href="{html.escape(_page(entry), quote=True)}">{html.escape(entry.title)}</a>'
        f' <time datetime="{_moment(entry.published)}">{entry.published:%Y-%m-%d %H:%M %Z}</time></li>'
        for entry in entries
    )
    name = html.escape(title)
    return f"""<!DOCTYPE html>
<html lang="{html.escape(language, quote=True)}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{name}</title>
<link rel="alternate" type="application/atom+xml" title="{name}" href="feed.xml">
<link rel="alternate" type="application/rss+xml" title="{name}" href="feed.rss">
</head>
<body>
<main>
<h1>{name}</h1>
{f"<ol>{chr(10)}{items}{chr(10)}</ol>" if items else ""}
</main>
</body>
</html>
""".encode()


def _page(entry: Entry) -> str:
    return entry.files.get("text/html") or next(iter(entry.files.values()))


def _moment(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def name_of(entry: Entry, base_url: str) -> str:
    """The name by which readers know an entry again, the same in every list; an edit does not change it."""
    return uuid5(NAMESPACE_URL, f"{base_url}/{entry.stem}").urn
