"""Reports that are kept in the ledger come back as they were, whatever page each was packed with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kentongan.errors import DamagedRecord
from kentongan.ledger import Ledger, kept_reports
from tests.kentongan.ledger.scenes import StandingClock, open_at

_DAY = 86_400_000
PAGE = "".join(f"<p>{hashlib.sha256(str(each).encode()).hexdigest()}</p>" for each in range(200))


def keep(ledger: Ledger, id: str, page: str) -> kept_reports.Packed:
    packed = ledger.read(lambda read: kept_reports.pack(read, page))
    content = json.dumps({"report": {"of": id, "sha256": packed.sha256}})

    def put(write) -> None:
        kept_reports.put(write, id, packed)
        write.sql(
            "INSERT INTO checkpoint (alert_id, at, content, signature) VALUES (:id, :now, :content, '')",
            {"id": id, "now": write.now, "content": content},
        )

    ledger.write(put)
    return packed


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """A ledger that every example adds to."""
    with open_at(tmp_path_factory.mktemp("kept") / "ledger.db") as ledger:
        yield ledger


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["", "a", PAGE, PAGE[::-1], PAGE * 4]), st.text(max_size=50), st.text(max_size=9)),
        min_size=1,
        max_size=6,
    )
)
def test_every_page_is_read_as_it_was_written(one: Ledger, pages: list[tuple[str, str, str]]) -> None:
    before = one.read(kept_reports.count)
    texts = {str(before + number): "".join(parts) for number, parts in enumerate(pages)}
    for id, text in texts.items():
        keep(one, id, text)
    assert {id: one.read(lambda read, id=id: kept_reports.page(read, id)) for id in texts} == texts
    assert one.read(kept_reports.differences) == []
    assert one.read(kept_reports.count) == before + len(texts)


def test_pages_of_two_shapes_take_little_room_each_with_its_own_and_for_a_month(tmp_path: Path) -> None:
    clock = StandingClock()
    with open_at(tmp_path / "ledger.db", clock=clock) as ledger:
        kept = []
        for number in range(6):
            clock.pass_by(1000)
            text = PAGE if number % 2 else PAGE[::-1]
            kept.append(keep(ledger, str(number), f"{text}<p>{number}</p>"))
        assert [each.base for each in kept] == [None, None, "0", "1", "0", "1"]
        assert all(len(each.page) < len(kept[0].page) / 20 for each in kept[2:])
        clock.pass_by(31 * _DAY)
        assert keep(ledger, "later", PAGE).base is None


def test_a_damaged_page_is_named_with_those_that_it_packed_and_packs_no_more(tmp_path: Path) -> None:
    with open_at(tmp_path / "ledger.db") as ledger:
        for id in ("a", "b"):
            keep(ledger, id, PAGE)
        ledger.write(lambda write: write.sql("UPDATE kept_report SET page = :page WHERE base IS NULL", {"page": b"\1"}))
        assert [each.place for each in ledger.read(kept_reports.differences)] == ["report on a", "report on b"]
        with pytest.raises(DamagedRecord):
            ledger.read(lambda read: kept_reports.page(read, "b"))
        assert keep(ledger, "c", PAGE).base is None
        assert ledger.read(lambda read: kept_reports.page(read, "c")) == PAGE
