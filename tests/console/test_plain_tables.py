"""A small table that goes to a file is written without Rich, and reads the same."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from console.output import NARROW, plain_table, table

TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)
CELLS = TEXTS | st.sampled_from(["10", "1,000", "é", "字"])
TABLES = st.integers(1, 4).flatmap(
    lambda columns: st.tuples(
        st.lists(CELLS, min_size=columns, max_size=columns),
        st.lists(st.lists(CELLS, min_size=columns, max_size=columns), max_size=5),
        st.sets(st.integers(0, columns - 1)),
    )
)


@given(TABLES)
def test_what_is_written_plainly_is_what_rich_would_write(drawn: tuple[list[str], list[list[str]], set[int]]) -> None:
    headings, rows, right = drawn
    plain = plain_table(headings, rows, right=tuple(right))
    if plain is None:
        return
    console = Console(file=io.StringIO(), width=NARROW, highlight=False, markup=False, emoji=False)
    console.print(table(headings, rows, right=tuple(right)))
    assert console.file.getvalue() == plain + "\n"  # type: ignore[attr-defined]
