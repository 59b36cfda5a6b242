"""Who would be too late and has another channel as well is counted as planning would have them."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kentongan.area.codes import Within, takes_in, turns
from kentongan.audiences import matches
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger, foreseen
from kentongan.ledger import people as register
from kentongan.people import Row
from kentongan.settings import Audience
from tests.kentongan.ledger.scenes import open_at
from tests.kentongan.ledger.test_counting_people import audiences, lists

codes = st.lists(st.sampled_from(["17", "17.01", "33", "33.05", "33.05.01"]), max_size=3, unique=True).map(tuple)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "ledger.db"
    open_at(path).close()
    return path


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(
    people=lists(),
    late=st.integers(0, 6),
    wanted=st.tuples(audiences, audiences, audiences),
    area=st.none() | st.tuples(codes, codes),
)
def test_the_last_people_of_a_channel_are_counted_on_the_others_and_the_first_for_themselves(
    template: Path,
    people: list[Row],
    late: int,
    wanted: tuple,  # type: ignore[type-arg]
    area: tuple[tuple[str, ...], tuple[str, ...]] | None,
) -> None:
    within = Within(codes=area[0], unplaced=True) if area is not None else None
    waves = (area[1],) if area is not None else ()
    first, *others = wanted
    named = {"bot": ("telegram", others[0]), "mail": ("email", others[1])}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kentongan-")))
        (folder / "ledger.db").write_bytes(template.read_bytes())
        keys = StateKeys.open(folder / "state")
        ledger = stack.enter_context(Ledger.open(folder / "ledger.db"))
        ledger.write(lambda write: register.import_people(write, people, keys=keys))
        counted = ledger.read(
            lambda read: foreseen.also_reached(read, late, ("phone", first), named, within=within, waves=waves)
        )
        ahead = None
        if within is not None:
            ahead = ledger.read(lambda read: foreseen.nearest(read, "phone", first, within=within, waves=waves))
        assert ledger.read(lambda read: foreseen.waiting(read, besides="x")) == {}
        assert ledger.read(lambda read: foreseen.taken_lately(read, "sms")) == 0

    def has(row: Row, family: str) -> bool:
        return any(address.family == family for address in row.addresses)

    def wave(row: Row) -> int:
        return min(map(turns(within, waves), row.regions), default=3) if within is not None else 0

    def belongs(row: Row, audience: Audience) -> bool:
        inside = within is None or takes_in(within, row.regions)
        return inside and matches(audience, row.groups, row.regions)

    written = sorted((row for row in people if has(row, "phone") and belongs(row, first)), key=wave)
    numbers = {each.value for row in written if wave(row) == 0 for each in row.addresses if each.family == "phone"}
    assert ahead is None or ahead == len(numbers)
    last = written[len(written) - min(late, len(written)) :]
    assert counted == {
        name: sum(has(row, family) and belongs(row, audience) for row in last)
        for name, (family, audience) in named.items()
    }
