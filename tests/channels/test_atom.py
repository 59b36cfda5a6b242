from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from channels._atom import ATOM, Entry, feed, index, listed
from channels._visible import visible_text

SENT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def entry(number: int, expires: datetime | None) -> Entry:
    moment = SENT + timedelta(minutes=number)
    return Entry(
        stem=f"A{number:03}",
        code=f"A{number:03}-MUL",
        key="k",
        title="t",
        summary="s",
        published=moment,
        updated=moment,
        expires=expires,
        files={"text/html": "x"},
    )


@given(st.lists(st.one_of(st.none(), st.integers(-100, 100)), max_size=30), st.integers(1, 10))
def test_what_is_in_force_is_always_listed_and_the_rest_only_while_there_is_room(
    ends: list[int | None], most: int
) -> None:
    now = SENT
    entries = [entry(n, None if end is None else now + timedelta(minutes=end)) for n, end in enumerate(ends)]
    shown = listed(entries, now=now, most=most)
    in_force = [e for e in entries if e.expires is None or e.expires > now]
    assert {e.stem for e in in_force} <= {e.stem for e in shown}
    assert len(shown) <= max(most, len(in_force) + most)
    assert [e.published for e in shown] == sorted((e.published for e in shown), reverse=True)
    assert {e.stem for e in shown} >= {e.stem for e in sorted(entries, key=lambda e: e.published)[-most:]}


@given(st.text(), st.text(), st.text())
def test_any_title_makes_well_formed_atom(title: str, author: str, words: str) -> None:
    shown = [entry(1, None).model_copy(update={"title": words, "summary": words})]
    root = etree.fromstring(feed(shown, base_url="https://feed.example", title=title, author=author, now=SENT))
    assert root.find(f"{{{ATOM}}}entry/{{{ATOM}}}title") is not None


@given(st.text(st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp", "Cf")), min_size=1))
def test_any_title_is_seen_on_the_page_as_it_is(title: str) -> None:
    shown = index([entry(1, None).model_copy(update={"title": title})], title="Feed", language="id").decode()
    assert title in visible_text(shown)
