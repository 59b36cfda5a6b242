"""Whom an alert's area takes in, from the draft to the deliveries."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from kentongan.area.rows import RegionRow
from kentongan.cap.model import Status
from kentongan.desk import composing, drafts, releases, subjects, submitting, targeting, withdrawing
from kentongan.errors import Refused
from kentongan.ledger import people as people_register
from kentongan.ledger import regions
from kentongan.people import Row
from kentongan.seam import Address
from tests.kentongan.desk.scenes import Scene, login, vouched
from tests.kentongan.ledger.scenes import expand_all

MANNA = [(-4.6, 102.8), (-4.6, 103.0), (-4.4, 103.0), (-4.4, 102.8)]
KAUR = [(-4.9, 103.2), (-4.9, 103.6), (-4.6, 103.6), (-4.6, 103.2)]
LIST = [
    RegionRow(1, "17", "Bengkulu"),
    RegionRow(2, "17.01", "Kabupaten Bengkulu Selatan"),
    RegionRow(3, "17.01.01", "Manna", rings=[MANNA]),
    RegionRow(4, "17.01.01.2001", "Desa Batu"),
    RegionRow(5, "17.04", "Kabupaten Kaur", rings=[KAUR]),
]
PEOPLE = {"village": ["17.01.01.2001"], "regency": ["17.01"], "kaur": ["17.04"], "typo": ["71.01"], "nowhere": []}


def load(desk: Scene, rows: Sequence[RegionRow] = LIST) -> None:
    ready = regions.prepared(rows)
    desk.ledger.write(lambda write: regions.import_regions(write, ready, source="x", replace=False))


def settle(desk: Scene) -> None:
    """Puts one person, by telephone alone, into each of the places."""
    rows = [
        Row(n, f"r-{name}", (Address("phone", f"+6281399990{n:03}"),), "id", ("subscriber",), tuple(codes))
        for n, (name, codes) in enumerate(PEOPLE.items())
    ]
    desk.ledger.write(lambda write: people_register.import_people(write, rows, keys=desk.keys))


@pytest.fixture
def placed(desk: Scene) -> Scene:
    """A desk with regions, and people in them alone."""
    desk.change("UPDATE address SET until = 0")
    load(desk)
    settle(desk)
    return desk


def reached(desk: Scene, fields: dict[str, Any]) -> set[str]:
    """Who has a delivery on the SMS channel, by the names above."""
    stored = desk.approved(fields)
    releases.dispatch(desk.desk, stored.code, login("siti"))
    expand_all(desk.ledger, stored.id)
    found = desk.ledger.read(
        lambda read: read.sql(
            "SELECT p.reference FROM delivery d JOIN person p ON p.id = d.person_id"
            " WHERE d.alert_id = :id AND d.instance = 'sms-drill'",
            {"id": stored.id},
        ).scalars()
    )
    by_reference = {desk.keys.address_hash("reference", f"r-{name}"): name for name in PEOPLE}
    return {by_reference[reference] for reference in found}


CIRCLE = {"circle": "-4.5,102.9 3", "area": "Laut"}


def test_an_alert_reaches_the_people_of_its_area_and_those_who_may_be_there(placed: Scene) -> None:
    """In the village, in the regency without saying where, and those of no region, for life is at stake."""
    assert reached(placed, CIRCLE) == {"village", "regency", "typo", "nowhere"}


def test_where_life_is_not_at_stake_people_of_no_region_are_left_out_and_counted(placed: Scene) -> None:
    fields = {**CIRCLE, "severity": "Minor"}
    stored = placed.drafted(fields)
    composed = composing.compose(placed.desk, stored, correction_code="AAAA")
    told = [finding.sentence for finding in composed.findings if finding.rule == "area"]
    assert any("2 people have no region that is loaded and are not written to" in sentence for sentence in told)
    assert composed.people.total == 2
    assert reached(placed, fields) == {"village", "regency"}


def test_an_area_by_name_reaches_all_in_it(placed: Scene) -> None:
    assert reached(placed, {"area": "Kab. Kaur", "severity": "Minor"}) == {"kaur"}


def test_los_angeles_an_alert_whose_area_takes_nobody_in_stays_closed(placed: Scene) -> None:
    """LA, 9 January 2025: the polygon was lost on the way and the warning went to ten million people."""
    stored = placed.drafted({"circle": "10.0,10.0 5", "area": "Calabasas"})
    with pytest.raises(Refused, match="no loaded region") as refused:
        submitting.submit(placed.desk, stored.id, login("siti"))
    assert refused.value.rule == "area"
    with pytest.raises(Refused):
        releases.dispatch(placed.desk, stored.id, login("siti"), break_glass="nobody else is here")


def test_los_angeles_the_size_of_a_shape_and_its_regions_are_shown(placed: Scene) -> None:
    stored = placed.drafted({"circle": "-4.5,102.9 200", "area": "Manna"})
    composed = composing.compose(placed.desk, stored, correction_code="AAAA")
    assert composed.targeted is not None
    assert composed.targeted.matched.square_kilometres == pytest.approx(125_600, rel=0.01)
    summary = targeting.summary(placed.desk, stored.draft, composed.targeted.matched.codes)
    assert summary.names == ("Manna", "Kabupaten Kaur")
    counted = targeting.people_by_region(placed.desk, composed.instances, composed.targeted.within)
    assert {name: each.people for name, each in counted} == {
        "Manna": 1,
        "Kabupaten Bengkulu Selatan": 1,
        "Kabupaten Kaur": 1,
        "": 2,
    }


def test_without_regions_everybody_is_written_to_and_that_is_said(desk: Scene) -> None:
    composed = composing.compose(desk.desk, desk.drafted(CIRCLE), correction_code="AAAA")
    assert composed.targeted is None
    assert composed.people.total == 4
    assert any(finding.rule == "area" and "wherever they live" in finding.sentence for finding in composed.findings)
    assert submitting.submit(desk.desk, desk.drafted(CIRCLE).id, login("siti")).people == 4


def test_what_was_approved_holds_when_regions_change_before_it_is_sent(placed: Scene) -> None:
    stored = placed.approved(CIRCLE)
    load(placed, [RegionRow(1, "17.01.01", "Manna", rings=[KAUR])])
    plan = releases.dispatch(placed.desk, stored.code, login("siti")).plan
    within = plan.instance("sms-drill").within
    assert within is not None
    assert within.codes == ("17.01.01",)
    assert within.strays == ("71",)
    assert plan.instance("toots-drill").within is None
    assert vouched(placed, stored.id) is None


@pytest.mark.parametrize("change", [{"codes": ["17"]}, {"codes": []}, {"unplaced": False}, None])
def test_a_plan_for_other_regions_than_were_approved_is_not_vouched_for(
    placed: Scene, change: dict[str, Any] | None
) -> None:
    stored = placed.approved(CIRCLE)
    plan = json.loads(releases.dispatch(placed.desk, stored.code, login("siti")).plan.model_dump_json())
    part = next(each for each in plan["instances"] if each["name"] == "sms-drill")
    part["within"] = {**part["within"], **change} if change is not None else None
    placed.change("UPDATE dispatch SET plan = :plan", {"plan": json.dumps(plan)})
    assert "other regions" in (vouched(placed, stored.id) or "")


def test_the_approval_covers_the_regions(placed: Scene) -> None:
    one = submitting.submit(placed.desk, placed.drafted(CIRCLE).id, login("siti"))
    subject = placed.ledger.read(lambda read: subjects.current(read, one.alert.id))
    assert subject.within is not None
    assert subject.within.codes == ("17.01.01",)
    assert subject.within.unplaced


def test_a_correction_follows_whom_the_alert_reached_whatever_the_regions_say_by_now(placed: Scene) -> None:
    stored = placed.approved(CIRCLE)
    releases.dispatch(placed.desk, stored.code, login("siti"))
    load(placed, [RegionRow(1, "17.01.01", "Manna", rings=[KAUR])])
    released = withdrawing.release_correction(placed.desk, stored.code, login("budi"), reason="was_a_test")
    assert vouched(placed, released.alert.id) is None


def test_the_regions_to_draw_are_those_taken_in_with_their_neighbours(placed: Scene) -> None:
    drawn = targeting.drawn(placed.desk, placed.drafted(CIRCLE).draft, ("17.01.01",))
    assert [(each.name, each.taken_in) for each in drawn] == [("Manna", True)]


def waves_of(desk: Scene, fields: dict[str, Any]) -> tuple[list[str], list[int]]:
    """Who is written to on the SMS channel, in the order of planning, and in which waves."""
    stored = desk.approved(fields)
    plan = releases.dispatch(desk.desk, stored.code, login("siti")).plan
    expand_all(desk.ledger, stored.id)
    assert desk.ledger.read(lambda read: subjects.waves(read, stored.id)) == plan.waves
    found = desk.ledger.read(
        lambda read: read.sql(
            "SELECT p.reference, d.wave FROM delivery d JOIN person p ON p.id = d.person_id"
            " WHERE d.alert_id = :id AND d.instance = 'sms-drill' ORDER BY d.id",
            {"id": stored.id},
        ).all()
    )
    by_reference = {desk.keys.address_hash("reference", f"r-{name}"): name for name in PEOPLE}
    return [by_reference[row.reference] for row in found], [row.wave for row in found]


def test_those_near_the_middle_of_a_circle_are_written_to_before_those_farther_off(placed: Scene) -> None:
    people, waves = waves_of(placed, {"circle": "-4.75,103.4 120", "area": "Laut"})
    assert people[:3] == ["kaur", "village", "regency"]
    assert waves[:3] == [0, 1, 3]
    assert sorted(people[3:]) == ["nowhere", "typo"]
    assert waves[3:] == [4, 4]
    assert waves_of(placed, {"circle": "-4.5,102.9 120", "area": "Laut"})[0][:2] == ["village", "kaur"]


def test_places_at_a_graver_level_are_written_to_first(placed: Scene) -> None:
    levels = {"levels": "Waspada: Manna; Awas: Kab. Kaur"}
    stored = drafts.from_fields(placed.desk, "tsunami", levels, status=Status.EXERCISE, by="siti").alert
    found = targeting.target(placed.desk, stored.draft)
    assert found is not None
    assert found.waves == (("17.04",), ("17.01.01",))
