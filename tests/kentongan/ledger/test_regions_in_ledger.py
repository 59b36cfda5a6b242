from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kentongan.area.codes import Within, highest, stray_codes, takes_in
from kentongan.area.rows import RegionRow
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger, regions
from kentongan.ledger import people as register
from kentongan.ledger.verification import signed_head, verify
from kentongan.people import Row
from kentongan.seam import Address
from kentongan.settings import Audience
from tests.kentongan.ledger.scenes import open_at

CODES = st.lists(st.sampled_from(["1", "2", "11"]), min_size=1, max_size=3).map(".".join)
SQUARE = [(0.0, 0.0), (0.0, 1.0), (1.0, 1.0), (1.0, 0.0)]


@pytest.fixture(scope="module")
def peopled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ledger, dict[str, tuple[str, ...]]]]:
    """People with every set of up to two of some codes."""
    folder = tmp_path_factory.mktemp("peopled")
    keys = StateKeys.open(folder)
    codes = ["1", "11", "1.1", "1.11", "1.1.2", "1.11.1", "2.1", "11.1"]
    sets = [(), *((code,) for code in codes), *((one, other) for one in codes for other in codes if one < other)]
    rows = [Row(n, f"p{n}", (Address("phone", f"+62{n}"),), None, (), each) for n, each in enumerate(sets)]
    with open_at(folder / "ledger.db") as ledger:
        ledger.write(lambda write: register.import_people(write, rows, keys=keys))
        yield ledger, {keys.address_hash("reference", row.reference): row.regions for row in rows}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(codes=st.sets(CODES), unplaced=st.booleans(), strays=st.sets(CODES))
def test_the_ledger_and_the_core_agree_on_who_is_within(
    peopled: tuple[Ledger, dict[str, tuple[str, ...]]], codes: set[str], unplaced: bool, strays: set[str]
) -> None:
    ledger, people = peopled
    within = Within(codes=highest(codes), unplaced=unplaced, strays=highest(strays))
    counted = ledger.read(lambda read: register.count_people(read, family="phone", audience=Audience(), within=within))
    assert counted == sum(takes_in(within, own) for own in people.values())


def load(ledger: Ledger, *rows: RegionRow, replace: bool = False) -> regions.Loaded:
    ready = regions.prepared(rows)
    return ledger.write(lambda write: regions.import_regions(write, ready, source="x", replace=replace))


def everything(ledger: Ledger) -> dict[str, Any]:
    def look(read: Any) -> dict[str, Any]:
        loaded = regions.load(read)
        drawn = [code for code, region in loaded.by_code.items() if region.box is not None]
        return {**loaded.by_code, "boundaries": loaded.boundaries(drawn)}

    return ledger.read(look)


ROWS = (
    RegionRow(1, "33", "Jawa Tengah", "Asia/Jakarta", (-7.0, 110.0)),
    RegionRow(2, "33.01", "Cilacap", rings=[SQUARE]),
)


def test_loading_again_changes_nothing(ledger: Ledger) -> None:
    assert load(ledger, *ROWS) == regions.Loaded(2, 0, 0)
    before = everything(ledger)
    assert load(ledger, *ROWS) == regions.Loaded(0, 2, 0)
    assert everything(ledger) == before


def test_what_a_list_does_not_say_stays(ledger: Ledger) -> None:
    load(ledger, *ROWS)
    load(ledger, RegionRow(1, "33", "Central Java"), RegionRow(2, "33.01", None, point=(0.5, 0.5)))
    found = everything(ledger)
    assert (found["33"].name, found["33"].timezone, found["33"].point) == (
        "Central Java",
        "Asia/Jakarta",
        (-7.0, 110.0),
    )
    assert (found["33.01"].name, found["33.01"].point) == ("Cilacap", (0.5, 0.5))
    assert found["33.01"].box is not None


def test_a_region_without_a_name_bears_its_code(ledger: Ledger) -> None:
    load(ledger, RegionRow(1, "33.01", None, rings=[SQUARE]))
    assert everything(ledger)["33.01"].name == "33.01"


def test_replacing_takes_out_what_the_list_does_not_hold(ledger: Ledger) -> None:
    load(ledger, *ROWS)
    assert load(ledger, RegionRow(1, "34", "Yogyakarta"), replace=True) == regions.Loaded(1, 0, 2)
    assert everything(ledger).keys() == {"34", "boundaries"}
    assert ledger.read(lambda read: read.sql("SELECT count(*) FROM region_boundary").scalar_one()) == 0


def test_a_load_that_fails_leaves_nothing_half_done(ledger: Ledger) -> None:
    load(ledger, *ROWS)
    before = everything(ledger)
    broken = [*regions.prepared([RegionRow(1, "35", "Jawa Timur")]), {"code": "36"}]
    with pytest.raises(sqlalchemy.exc.StatementError):
        ledger.write(lambda write: regions.import_regions(write, broken, source="x", replace=True))
    assert everything(ledger) == before


def test_a_boundary_across_the_180th_meridian_has_a_small_box(ledger: Ledger) -> None:
    west = [(0.0, 179.0), (0.0, 180.0), (1.0, 179.5)]
    east = [(0.0, -180.0), (0.0, -179.0), (1.0, -179.5)]
    load(ledger, RegionRow(1, "1", "Taveuni", rings=[west, east]))
    box = everything(ledger)["1"].box
    assert box is not None
    assert box.east - box.west == pytest.approx(2)


def test_a_load_is_on_record_and_the_record_holds(ledger: Ledger, tmp_path: Path) -> None:
    keys = StateKeys.open(tmp_path)
    load(ledger, *ROWS)
    kinds = ledger.read(lambda read: read.sql("SELECT type FROM event").scalars().all())
    assert "regions.imported" in kinds
    head = ledger.read(lambda read: signed_head(read, keys))
    assert ledger.read(lambda read: verify(read, head=head, public_key=keys.head_public_key)).differences == []


def test_people_are_counted_once_in_each_region_that_was_matched(
    peopled: tuple[Ledger, dict[str, tuple[str, ...]]],
) -> None:
    ledger, people = peopled
    within = Within(codes=("1.1",), unplaced=True)
    found = ledger.read(lambda read: regions.people_by_region(read, [("phone", Audience())], within))
    counted = {each.code: each.people for each in found}
    assert counted["1.1"] == sum(any(c == "1.1" or c.startswith("1.1.") for c in own) for own in people.values())
    assert counted["1"] == sum("1" in own for own in people.values())
    assert counted[""] == 1


def test_strays_in_the_ledger_are_those_of_the_core(peopled: tuple[Ledger, dict[str, tuple[str, ...]]]) -> None:
    ledger, people = peopled
    loaded = ["1", "1.1"]
    used = {code for own in people.values() for code in own}
    assert ledger.read(lambda read: regions.strays(read, loaded)) == stray_codes(used, loaded)
