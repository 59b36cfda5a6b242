"""The feed as RSS 2.0, for readers that know no Atom. Pure.

A description is markup to whoever reads it, so its words are escaped once more. An item's link is the CAP file, as in
the feeds that alert hubs gather; its guid is the Atom entry's id. Source: RSS 2.0 specification (RSS Advisory Board,
2.0.11), CAP feeds best practices.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime

from channels._atom import ATOM, CAP_TYPE, Entry, name_of
from kentongan.cap.values import printable


def feed(entries: Sequence[Entry], *, base_url: str, title: str, language: str, now: datetime) -> bytes:
    """The RSS feed of `entries`, newest first, as UTF-8 XML; `now` dates a feed that lists nothing yet."""
    from lxml import etree
    from lxml.builder import ElementMaker

    rss, atom = ElementMaker(nsmap={"atom": ATOM}), ElementMaker(namespace=ATOM)
    changed = max((entry.updated for entry in entries), default=now)
    channel = rss.channel(
        rss.title(printable(title)),
        rss.link(f"{base_url}/"),
        rss.description(printable(title)),
        rss.language(printable(language)),
        rss.lastBuildDate(_moment(changed)),
        atom.link(rel="self", type="application/rss+xml", href=f"{base_url}/feed.rss"),
    )
    for entry in entries:
        path = entry.files.get(CAP_TYPE) or next(iter(entry.files.values()))
        channel.append(
            rss.item(
                rss.title(printable(entry.title)),
                rss.link(f"{base_url}/{path}"),
                rss.description("<br>\n".join(html.escape(printable(entry.summary), quote=False).split("\n"))),
                rss.guid(name_of(entry, base_url), isPermaLink="false"),
                rss.pubDate(_moment(entry.published)),
            )
        )
    return etree.tostring(rss.rss(channel, version="2.0"), xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _moment(moment: datetime) -> str:
    """RFC 822 with a year of four digits, in UTC."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)
