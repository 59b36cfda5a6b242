"""Counting the people of several audiences: each person once, however many channels write to them."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kentongan.addresses import FAMILIES
from kentongan.audiences import matches
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger
from kentongan.ledger import people as register
from kentongan.people import Row
from kentongan.seam import Address
from kentongan.settings import Audience

groups = st.lists(st.sampled_from(["a", "b"]), unique=True, max_size=2).map(tuple)
regions = st.lists(st.sampled_from(["33", "33.05", "34"]), unique=True, max_size=2).map(tuple)
audiences = st.builds(Audience, groups=groups, regions=regions)


@st.composite
def lists(draw: st.DrawFn) -> list[Row]:
    rows = []
    for number in range(draw(st.integers(0, 6))):
        families = draw(st.lists(st.sampled_from(FAMILIES), unique=True, min_size=1))
        value = {family: f"{family}{number}" for family in FAMILIES}
        addresses = tuple(Address(family, value[family]) for family in families)
        rows.append(Row(number + 2, f"person-{number}", addresses, None, draw(groups), draw(regions)))
    return rows


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(people=lists(), wanted=st.lists(st.tuples(st.sampled_from(FAMILIES), audiences), max_size=3))
def test_a_person_counts_once_on_however_many_channels(people: list[Row], wanted: list[tuple[str, Audience]]) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="kentongan-") as folder,
        Ledger.open(Path(folder) / "ledger.db") as ledger,
    ):
        keys = StateKeys.open(Path(folder) / "state")
        ledger.write(lambda write: register.import_people(write, people, keys=keys))
        counted = ledger.read(lambda read: register.count_distinct(read, wanted))
    reached = {
        row.reference
        for row in people
        for family, audience in wanted
        if any(address.family == family for address in row.addresses) and matches(audience, row.groups, row.regions)
    }
    assert counted == len(reached)
