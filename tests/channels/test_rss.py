"""The RSS list: valid, the same alerts as the Atom one, each by its CAP file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

import channels
from channels import _atom, _rss
from channels._atom import ATOM, Entry
from kentongan.seam import Job, Posted
from tests.channels.contract import SINCE
from tests.channels.test_atom import entry
from tests.channels.test_cap_feed import publication

NOW = datetime(2026, 3, 1, 19, 0, tzinfo=UTC)
OF_A_CHANNEL = {"title", "link", "description", "language", "lastBuildDate", f"{{{ATOM}}}link", "item"}
OF_AN_ITEM = ["title", "link", "description", "guid", "pubDate"]


def read(*entries: Entry) -> Any:
    content = _rss.feed(entries, base_url="https://feed.example", title="Peringatan", language="id", now=NOW)
    return etree.fromstring(content)


def test_a_feed_that_lists_nothing_is_whole_and_dated() -> None:
    root = read()
    assert (root.tag, root.get("version")) == ("rss", "2.0")
    (channel,) = root
    for name in ("title", "link", "description"):  # the three that RSS 2.0 requires
        assert channel.findtext(name)
    assert parsedate_to_datetime(channel.findtext("lastBuildDate")) == NOW
    assert channel.find(f"{{{ATOM}}}link").attrib == {
        "rel": "self",
        "type": "application/rss+xml",
        "href": "https://feed.example/feed.rss",
    }


def test_an_item_leads_to_the_cap_file_and_has_the_name_it_has_in_atom() -> None:
    both = entry(1, None).model_copy(
        update={"files": {"text/html": "A001/index.html", _atom.CAP_TYPE: "A001/alert.xml"}}
    )
    root = read(both, entry(2, None))
    first, second = root.findall("channel/item")
    assert first.findtext("link") == "https://feed.example/A001/alert.xml"
    assert second.findtext("link") == "https://feed.example/x", "without a CAP file it is the page"
    assert first.find("guid").get("isPermaLink") == "false"
    atom = etree.fromstring(_atom.feed([both], base_url="https://feed.example", title="t", author="a", now=NOW))
    assert first.findtext("guid") == atom.findtext(f"{{{ATOM}}}entry/{{{ATOM}}}id")
    assert first.findtext("pubDate") == "Sun, 01 Mar 2026 12:01:00 GMT"


def test_words_are_no_markup_to_a_reader_who_takes_descriptions_for_it() -> None:
    shown = entry(1, None).model_copy(update={"summary": "M < 5 & <script>x</script>\n\nTetap tenang"})
    told = read(shown).findtext("channel/item/description")
    assert told == "M &lt; 5 &amp; &lt;script&gt;x&lt;/script&gt;<br>\n<br>\nTetap tenang"


@given(st.text(), st.text(), st.integers(-14, 14))
def test_any_words_make_a_valid_feed(title: str, words: str, zone: int) -> None:
    there = SINCE.astimezone() + timedelta(hours=zone)
    shown = entry(1, None).model_copy(update={"title": words, "summary": words, "published": there})
    root = etree.fromstring(
        _rss.feed([shown, entry(2, None)], base_url="https://feed.example", title=title, language="id", now=NOW)
    )
    (channel,) = root
    assert {element.tag for element in channel} <= OF_A_CHANNEL
    for item in channel.findall("item"):
        assert [element.tag for element in item] == OF_AN_ITEM
        assert parsedate_to_datetime(item.findtext("pubDate")).tzinfo is not None
    guids = [item.findtext("guid") for item in channel.findall("item")]
    assert len(set(guids)) == len(guids) == 2
    assert parsedate_to_datetime(channel.find("item/pubDate").text) == there.replace(microsecond=0)


async def test_the_folder_holds_rss_beside_atom_and_both_list_the_same(tmp_path: Path) -> None:
    fields = {"kind": "cap_feed", "mode": "live", "base_url": "https://feed.example", "directory": tmp_path}
    settings = channels.settings_model("cap_feed").model_validate({**fields, "title": "Peringatan", "author": "BPBD"})
    feed = channels.adapter("cap_feed")("feed", settings)

    def listed() -> tuple[list[str | None], list[str | None]]:
        rss = etree.parse(tmp_path / "feed.rss")
        atom = etree.parse(tmp_path / "feed.xml")
        ids = [found.text for found in atom.findall(f"{{{ATOM}}}entry/{{{ATOM}}}id")]
        return [found.text for found in rss.findall("channel/item/guid")], ids

    for code in ("AAAA", "BBB1"):
        message = publication(code)
        await feed.send(message, [Job(f"key-{message.code}", None, SINCE)], None)
    rss, atom = listed()
    assert rss == atom
    assert len(rss) == 2
    assert 'href="feed.rss"' in (tmp_path / "index.html").read_text()
    await feed.delete(Posted("AAAA"), Job("key", None, SINCE))
    assert listed() == (rss[:1], atom[:1]) or listed() == (rss[1:], atom[1:])
    await feed.close()
