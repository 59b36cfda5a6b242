"""Who would be too late and has another channel as well is counted as planning would have them."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kentongan.audiences import matches
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger, foreseen
from kentongan.ledger import people as register
from kentongan.people import Row
from tests.kentongan.ledger.test_counting_people import audiences, lists


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(people=lists(), late=st.integers(0, 6), wanted=st.tuples(audiences, audiences, audiences))
def test_the_last_people_of_a_channel_are_counted_on_the_others(people: list[Row], late: int, wanted: tuple) -> None:  # type: ignore[type-arg]
    folder = Path(tempfile.mkdtemp(prefix="kentongan-"))
    keys = StateKeys.open(folder / "state")
    first, *others = wanted
    named = {"bot": ("telegram", others[0]), "mail": ("email", others[1])}
    with Ledger.open(folder / "ledger.db") as ledger:
        ledger.write(lambda write: register.import_people(write, people, keys=keys))
        counted = ledger.read(lambda read: foreseen.also_reached(read, late, ("phone", first), named))
        assert ledger.read(lambda read: foreseen.waiting(read, besides="x")) == {}
        assert ledger.read(lambda read: foreseen.taken_lately(read, "sms")) == 0

    def has(row: Row, family: str) -> bool:
        return any(address.family == family for address in row.addresses)

    written = [row for row in people if has(row, "phone") and matches(first, row.groups, row.regions)]
    last = written[len(written) - min(late, len(written)) :]
    assert counted == {
        name: sum(has(row, family) and matches(audience, row.groups, row.regions) for row in last)
        for name, (family, audience) in named.items()
    }
