"""However fast or slow the ledger is, chunks come to hold it for the same short time, and leave more than they take."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kentongan.dispatcher.chunks import HOLD, LEAST, MOST, Chunks


@given(row=st.floats(1e-6, 0.01), noise=st.lists(st.floats(0.5, 2.0), min_size=1, max_size=20))
def test_a_chunk_holds_the_ledger_as_long_as_it_may_and_no_longer(row: float, noise: list[float]) -> None:
    chunks = Chunks()
    for factor in noise:
        seconds = chunks.size * row * factor
        chunks.took(seconds)
        assert LEAST <= chunks.size <= MOST
        assert chunks.rest(gives_way=False) >= seconds
        assert chunks.rest(gives_way=True) >= 5 * seconds
    # A size doubles at most from one chunk to the next; once the ledger is steady, a few of them are enough.
    for _ in range(6):
        chunks.took(chunks.size * row)
    assert chunks.size in (LEAST, MOST) or 0.9 * HOLD <= chunks.size * row <= 1.1 * HOLD
