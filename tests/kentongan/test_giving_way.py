"""Work in chunks goes through every row once, and the ledger is free between two of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kentongan.giving_way import page_by_page, piece_by_piece
from kentongan.ledger import Write
from tests.kentongan.ledger.scenes import open_at


def test_every_row_is_worked_on_once_and_others_write_between_two_pieces(tmp_path: Path) -> None:
    rows, pages = list(range(700)), []

    def page(last: int | None) -> Sequence[int]:
        pages.append(last)
        first = 0 if last is None else last + 1
        return rows[first : first + 300]

    def act(write: Write, piece: Sequence[int]) -> list[int]:
        write.event("note", rows=len(piece))
        return list(piece)

    with open_at(tmp_path / "ledger.db") as ledger, open_at(tmp_path / "ledger.db", chain="other") as other:
        pieces = []
        for piece in piece_by_piece(ledger, rows, act):
            pieces.append(piece)
            other.write(lambda write: write.event("note"))
        assert len(pieces) > 1
        assert [row for piece in pieces for row in piece] == rows
        assert [row for piece in page_by_page(ledger, page, act) for row in piece] == rows
        assert pages == [None, 299, 599, 699]
        assert list(piece_by_piece(ledger, [], act)) == []
