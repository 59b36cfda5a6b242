"""What holds of every message as it leaves, whatever its facts are."""

from __future__ import annotations

from datetime import datetime
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

from kentongan.alert import Draft
from kentongan.cap.model import Status
from kentongan.seam import Mode, Rendered, slots
from kentongan.words.codes import codes_in
from kentongan.words.composing import visible_page
from kentongan.words.counting import count
from kentongan.words.late import late_values
from kentongan.words.library import HazardLibrary
from kentongan.words.marks import marked

LIMITS = {"mastodon": 500, "telegram": 4096, "kannel": 3, "cap_feed": 100_000}
RULES = {"mastodon": "mastodon", "telegram": "telegram", "kannel": "sms", "cap_feed": "characters"}
TELEGRAM_TAGS = {"b", "i", "u", "s", "a", "code", "pre"}


class Tags(HTMLParser):
    """The tags and the visible text of a markup, read by a parser of its own."""

    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.names: list[str] = []
        self.text = ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def sent(message: Rendered, library: HazardLibrary, moment: datetime, reason: str = "withdrawn_by_source") -> Rendered:
    """The message as it leaves: every slot filled."""
    documents = "".join(document.text for document in message.documents)
    names = slots(message.text + message.html + message.title + documents)
    values = late_values(
        names,
        language=message.language,
        languages=library.languages,
        zone=ZoneInfo("Asia/Jakarta"),
        sent=moment,
        earlier_sent=moment,
        reason=reason,
    )
    return message.filled(values)


def check(message: Rendered, library: HazardLibrary, draft: Draft, code: str, now: datetime) -> None:
    """What holds of every message whatever its facts are."""
    live = draft.cap.status is Status.ACTUAL
    assert message.mode is (Mode.LIVE if live else Mode.DRILL)
    assert (message.mark == "") == live
    assert message.code.startswith(f"{code}-")
    for month in (1, 8, 9):
        out = sent(message, library, now.replace(month=month, day=30, hour=23))
        assert marked(out.text, message.mark)
        assert message.code in out.text
        assert codes_in(out.text) == {code}
        assert count(out.text, RULES[message.kind]) <= LIMITS[message.kind]
        assert not any(sign in out.text + out.html + out.title for sign in "\ue000\ue001\u2029")
        out.text.encode()
        if message.html:
            tags = Tags(out.html)
            assert set(tags.names) <= TELEGRAM_TAGS
            assert tags.text == out.text
        for document in out.documents:
            if document.media_type == "text/html":
                page = Tags(document.text)
                assert "script" not in page.names
                assert page.names.count("section") == page.names.count("h1")
                assert marked(visible_page(document.text), message.mark)
                assert message.code in document.text
