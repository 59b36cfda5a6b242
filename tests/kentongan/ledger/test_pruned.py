"""What is kept of pruned events and links is every one of them, in whichever form it was packed."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kentongan.ledger.chaining import canonical
from kentongan.ledger.pruned import Folded, Gone, pack, pack_links, unpack, unpack_links

_SEQ = st.one_of(st.integers(1, 600), st.integers(1, 2**63))
_PLACES = st.sets(st.tuples(st.sampled_from(["a", "b", "console"]), _SEQ, st.integers(0, 3)), max_size=30)
_LINKS = st.dictionaries(st.tuples(st.sampled_from(["a", "b"]), _SEQ), _SEQ, max_size=30)


def gone(place: tuple[str, int, int]) -> Gone:
    return Gone(*place, f"{hash(place) % 2**256:064x}")


@given(_PLACES, st.randoms(use_true_random=False))
def test_events_are_told_as_they_were_packed_and_are_no_links(places: set[tuple[str, int, int]], random) -> None:
    events = [gone(place) for place in places]
    random.shuffle(events)
    packed = pack(events)
    assert list(unpack(packed)) == sorted(events)
    assert list(unpack_links(packed)) == []
    if events:
        with pytest.raises((ValueError, LookupError)):
            list(unpack(packed[:-1]))


@given(_LINKS)
def test_links_are_told_as_they_were_packed_and_are_no_events(places: dict[tuple[str, int], int]) -> None:
    links = [Folded(chain, seq, position) for (chain, seq), position in places.items()]
    packed = pack_links(links)
    assert list(unpack_links(packed)) == sorted(links)
    assert list(unpack(packed)) == []


def test_what_a_sender_did_one_right_after_the_other_takes_little_more_than_its_digests() -> None:
    assert len(pack([gone(("a", seq, 0)) for seq in range(1000)])) < 33 * 1000 + 50
    assert len(pack_links([Folded("a", seq, seq + 7) for seq in range(1000)])) < 2 * 1000 + 60


def test_what_was_packed_at_first_is_read_as_ever() -> None:
    event, link = gone(("a", 7, 1)), Folded("a", 7, 9)
    wide = canonical(["a"]).encode() + b"\n" + struct.pack(">HQI32s", 0, 7, 1, bytes.fromhex(event.digest))
    links = canonical({"links": ["a"]}).encode() + b"\n" + struct.pack(">HQQ", 0, 7, 9)
    assert list(unpack(wide)) == [event]
    assert list(unpack_links(links)) == [link]
    assert list(unpack_links(wide)) == list(unpack(links)) == []
