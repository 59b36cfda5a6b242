"""Whom a dispatch reaches: everybody in its audience, once, in the language they want, however it is cut up."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kentongan.audiences import choose_language, matches
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger, alerts, dispatches, outcomes, planning, views
from kentongan.ledger import people as register
from kentongan.ledger.editions import listed
from kentongan.people import Row
from kentongan.plan import PlannedInstance
from kentongan.seam import Address
from kentongan.settings import Audience
from tests.kentongan.ledger.scenes import direct, expand_all, later, open_at, public, put_dispatch

groups = st.lists(st.sampled_from(["guru", "nelayan", "relawan"]), max_size=2, unique=True).map(tuple)
regions = st.lists(st.sampled_from(["33", "33.05", "33.05.01", "3305", "17.01"]), max_size=2, unique=True).map(tuple)
languages = st.sampled_from([None, "id", "en", "id-id", "en-gb", "jv"])


@st.composite
def lists(draw: st.DrawFn) -> list[Row]:
    """People of whom some share a telephone, as lists of two offices may have it."""
    return [
        Row(
            number=n,
            reference=f"p{n}",
            addresses=(Address("phone", f"+62812{draw(st.integers(0, 9)):08}"),),
            language=draw(languages),
            groups=draw(groups),
            regions=draw(regions),
        )
        for n in range(draw(st.integers(0, 12)))
    ]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "ledger.db"
    open_at(path).close()
    return path


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(people=lists(), wanted=groups, where=regions, size=st.integers(1, 5))
def test_everybody_of_the_audience_is_planned_once_in_their_language(
    template: Path, people: list[Row], wanted: tuple[str, ...], where: tuple[str, ...], size: int
) -> None:
    audience = Audience(groups=wanted, regions=where)
    with tempfile.TemporaryDirectory(prefix="kentongan-") as name:
        folder = Path(name)
        (folder / "ledger.db").write_bytes(template.read_bytes())
        keys = StateKeys.open(folder / "state")
        with open_at(folder / "ledger.db") as ledger:
            ledger.write(lambda write: register.import_people(write, people, keys=keys))
            ledger.write(lambda write: put_dispatch(write, [direct("sms", later(), audience)]))
            expand_all(ledger, "alert1", size=size)
            planned = ledger.read(
                lambda read: read.sql("SELECT unique_by, language FROM delivery WHERE alert_id = 'alert1'").all()
            )
            counted = ledger.read(lambda read: register.count_people(read, family="phone", audience=audience))
    expected: dict[str, set[str]] = {}
    for row in people:
        if matches(audience, row.groups, row.regions):
            key = keys.address_hash("phone", row.addresses[0].value)
            expected.setdefault(key, set()).add(choose_language(row.language, ("id", "en")))
    assert sorted(row.unique_by for row in planned) == sorted(expected)
    assert counted == len(expected)
    for row in planned:
        assert row.language in expected[row.unique_by]


def test_two_channels_of_one_family_write_to_nobody_twice(ledger: Ledger, keys: StateKeys) -> None:
    rows = [Row(n, f"p{n}", (Address("phone", f"+6281200000{n:03}"),), None, (), ()) for n in range(5)]
    ledger.write(lambda write: register.import_people(write, rows, keys=keys))
    ledger.write(lambda write: put_dispatch(write, [direct("sms-a", later()), direct("sms-b", later())]))
    expand_all(ledger, "alert1", size=2)
    assert {d.instance for d in ledger.read(lambda read: views.deliveries(read, "alert1"))} == {"sms-a"}
    assert len(ledger.read(lambda read: views.deliveries(read, "alert1"))) == 5


def test_no_channel_waits_until_another_has_all_its_people(ledger: Ledger, keys: StateKeys) -> None:
    rows = [
        Row(n, f"p{n}", (Address("phone", f"+6281200000{n:03}"), Address("email", f"p{n}@x.example")), None, (), ())
        for n in range(6)
    ]
    ledger.write(lambda write: register.import_people(write, rows, keys=keys))
    plan = [direct("sms", later()), direct("mail", later()).model_copy(update={"family": "email"})]
    ledger.write(lambda write: put_dispatch(write, plan))
    found = ledger.read(lambda read: dispatches.get(read, "alert1"))
    assert found is not None
    for _ in range(2):
        assert ledger.write(lambda write: planning.expand(write, "alert1", found.plan, 2))
    begun = [each.instance for each in ledger.read(lambda read: views.deliveries(read, "alert1"))]
    assert sorted(begun) == ["mail", "mail", "sms", "sms"]
    expand_all(ledger, "alert1", size=2)
    assert len(ledger.read(lambda read: views.deliveries(read, "alert1"))) == 12


def test_public_deliveries_are_there_with_the_dispatch_itself(ledger: Ledger) -> None:
    ledger.write(lambda write: put_dispatch(write, [public("toots", later()), public("feed", later(), ("mul",))]))
    found = ledger.read(lambda read: views.deliveries(read, "alert1"))
    assert [(d.instance, d.language, d.word) for d in found] == [
        ("toots", "id", "planned"),
        ("toots", "en", "planned"),
        ("feed", "mul", "planned"),
    ]
    assert len({d.key for d in found}) == 3


def test_expansion_goes_on_where_it_was_left(ledger: Ledger, keys: StateKeys) -> None:
    rows = [Row(n, f"p{n}", (Address("phone", f"+6281200000{n:03}"),), None, (), ()) for n in range(7)]
    ledger.write(lambda write: register.import_people(write, rows, keys=keys))
    ledger.write(lambda write: put_dispatch(write, [direct("sms", later())]))
    dispatched = ledger.read(lambda read: dispatches.get(read, "alert1"))
    assert dispatched is not None
    numbers = []
    more = True
    while more:
        # Each time as if another process took over: nothing is kept but what is in the ledger.
        more = ledger.write(lambda write: planning.expand(write, "alert1", dispatched.plan, 3))
        numbers.append(len(ledger.read(lambda read: views.deliveries(read, "alert1"))))
    assert numbers == [3, 6, 7, 7]
    assert not ledger.write(lambda write: planning.expand(write, "alert1", dispatched.plan, 3))
    after = ledger.read(lambda read: dispatches.get(read, "alert1"))
    assert after is not None
    assert after.expanded


def test_who_has_left_the_list_is_not_written_to(ledger: Ledger, keys: StateKeys) -> None:
    def row(number: int, phone: str) -> Row:
        return Row(number, f"p{number}", (Address("phone", phone),), None, (), ())

    ledger.write(lambda write: register.import_people(write, [row(1, "+62811"), row(2, "+62812")], keys=keys))
    ledger.write(lambda write: register.import_people(write, [row(1, "+62813")], keys=keys))
    ledger.write(lambda write: write.sql("UPDATE person SET key = NULL WHERE id IN (SELECT max(id) FROM person)"))
    ledger.write(lambda write: put_dispatch(write, [direct("sms", later())]))
    expand_all(ledger, "alert1")
    hashes = set(ledger.read(lambda read: read.sql("SELECT unique_by FROM delivery").scalars().all()))
    current = (
        f"SELECT a.hash FROM address a JOIN person p ON p.id = a.person_id WHERE p.key IS NOT NULL AND {listed('a')}"
    )
    left = ledger.read(lambda read: read.sql(current).scalars().all())
    assert hashes == set(left)
    assert keys.address_hash("phone", "+62811") not in hashes


def test_an_alert_ends_when_it_has_expired_and_nothing_is_left(ledger: Ledger) -> None:
    instance: PlannedInstance = public("toots", later(), ("id",))
    ledger.write(lambda write: put_dispatch(write, [instance]))
    ledger.write(lambda write: write.sql("UPDATE alert SET expires_at = :at", {"at": later(-1)}))
    assert ledger.write(dispatches.end_expired) == 0
    expand_all(ledger, "alert1")
    ledger.write(lambda write: write.sql("UPDATE delivery SET deliver_by = :at", {"at": later(-1)}))
    assert ledger.write(lambda write: outcomes.close_overdue(write, "alert1", "toots")) == 1
    assert ledger.write(dispatches.end_expired) == 1
    assert ledger.read(lambda read: alerts.get(read, "alert1")).state == "ended"
