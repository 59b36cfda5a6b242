"""Whoever asks to be forgotten is: nothing of theirs can be read again, and the record of what was sent holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from kentongan import retention
from kentongan.answers import Vocabulary
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger, answers, editions, erasing, opt_outs, views, work
from kentongan.ledger import people as register
from kentongan.ledger.filling import fill, reference_of
from kentongan.ledger.opt_outs import REFERENCE, Named
from kentongan.ledger.verification import signed_head, verify
from kentongan.people import Row
from kentongan.seam import Address, Inbound
from kentongan.settings import Audience
from tests.kentongan.ledger.scenes import StandingClock, direct, expand_all, later, put_dispatch

PHONE = "+6281200000001"


def row(number: int, phone: str = PHONE) -> Row:
    return Row(number, f"p{number}", (Address("phone", phone),), "id", ("coast",), ("33.05",))


def named(keys: StateKeys, value: str, family: str = "phone") -> Named:
    return Named(family, keys.address_hash(family, value))


@pytest.fixture
def people(ledger: Ledger, keys: StateKeys) -> None:
    ledger.write(lambda write: register.import_people(write, [row(1), row(2, "+6281200000002")], keys=keys))


@pytest.mark.usefixtures("people")
def test_an_alert_that_is_on_its_way_does_not_reach_who_was_erased(ledger: Ledger, keys: StateKeys) -> None:
    ledger.write(lambda write: put_dispatch(write, [direct("sms", later())]))
    expand_all(ledger, "alert1")
    ids = list(ledger.read(lambda read: read.sql("SELECT address_id FROM delivery ORDER BY id").scalars()))
    done = ledger.write(lambda write: erasing.erase(write, [named(keys, PHONE)], by="siti"))
    assert (len(done.people), done.before, done.unknown) == (1, frozenset(), 0)
    sealed = ledger.read(lambda read: work.sealed_addresses(read, ids))
    assert list(sealed) == ids[1:]
    # Nor where the agency's next list has them again, under another number.
    ledger.write(lambda write: register.import_people(write, [row(1, "+6281200000009")], keys=keys))
    assert list(ledger.read(lambda read: work.sealed_addresses(read, ids))) == ids[1:]
    head = ledger.read(lambda read: signed_head(read, keys))
    assert ledger.read(lambda read: verify(read, head=head, public_key=keys.head_public_key)).differences == []


@pytest.mark.usefixtures("people")
def test_who_is_named_in_several_pieces_is_erased_once(ledger: Ledger, keys: StateKeys) -> None:
    who = [*[named(keys, PHONE)] * 150, *[named(keys, "p1", REFERENCE)] * 150, named(keys, "p2", REFERENCE)]
    done = retention.erase(ledger, who, by="siti")
    assert (len(done.people), done.before, done.unknown) == (2, frozenset(), 0)
    told = ledger.read(lambda read: views.events(read, types=("people.erased",)))
    assert len(told) > 1
    assert sorted(id for event in told for id in event.data["persons"]) == sorted(done.people)


def test_nothing_that_could_be_read_is_left_in_any_file(ledger: Ledger, keys: StateKeys) -> None:
    """Not in the ledger's free pages nor in its journal either."""
    ledger.write(
        lambda write: register.import_people(write, [row(n, f"+62812000000{n:02}") for n in range(40)], keys=keys)
    )
    ledger.write(
        lambda write: answers.record(
            write,
            instance="sms",
            inbound=[Inbound(family="phone", address="+6281200000001", text="tolong", provider_id="x")],
            keys=keys,
            words=Vocabulary({}),
        )
    )
    secret = ledger.read(
        lambda read: read.sql(
            "SELECT p.key, a.ciphertext, w.ciphertext AS words FROM person p JOIN address a ON a.person_id = p.id"
            " JOIN answer w ON w.person_id = p.id"
        ).one()
    )
    assert isinstance(ledger.path, Path)
    files = [ledger.path, ledger.path.with_name(ledger.path.name + "-wal")]

    def found() -> list[bool]:
        content = b"".join(path.read_bytes() for path in files if path.exists())
        return [bytes(each) in content for each in secret]

    assert found() == [True, True, True]
    ledger.write(lambda write: erasing.erase(write, [named(keys, PHONE)], by="siti"))
    assert erasing.clear_journal(ledger)
    assert found() == [False, False, False]


@pytest.mark.usefixtures("people")
def test_to_be_erased_twice_or_without_being_known_is_no_error(ledger: Ledger, keys: StateKeys) -> None:
    who = [named(keys, PHONE), named(keys, "p2", REFERENCE), named(keys, "+6281299999999")]
    first = ledger.write(lambda write: erasing.erase(write, who, by="siti"))
    again = ledger.write(lambda write: erasing.erase(write, who, by="siti"))
    assert len(first.people) == 2
    assert (again.people, again.before) == (first.before, first.people)
    assert (first.unknown, again.unknown) == (1, 1)
    counted = ledger.read(lambda read: register.count_people(read, family="phone", audience=Audience()))
    assert (counted, ledger.read(register.known_groups)) == (0, frozenset())


@pytest.mark.usefixtures("people")
def test_an_opt_out_outlives_the_erasing_and_a_list_that_has_them_again(ledger: Ledger, keys: StateKeys) -> None:
    ledger.write(lambda write: opt_outs.opt_out(write, [named(keys, PHONE)], family=None, by="siti"))
    ledger.write(lambda write: erasing.erase(write, [named(keys, PHONE)], by="siti"))
    ledger.write(lambda write: register.import_people(write, [row(1), row(2, "+6281200000002")], keys=keys))
    ledger.write(lambda write: put_dispatch(write, [direct("sms", later())]))
    expand_all(ledger, "alert1")
    planned = ledger.read(lambda read: read.sql("SELECT unique_by FROM delivery").scalars().all())
    assert planned == [keys.address_hash("phone", "+6281200000002")]


@pytest.mark.parametrize("staged_before", [True, False])
@pytest.mark.usefixtures("people")
def test_whoever_is_erased_while_a_list_that_has_them_is_imported_stays_away(
    ledger: Ledger, keys: StateKeys, clock: StandingClock, staged_before: bool
) -> None:
    number = ledger.write(lambda write: editions.begin(write, owner="import"))
    assert number is not None
    began_at = clock.wall()

    def fill_in() -> None:
        one = row(1, "+6281200000009")
        ledger.write(
            lambda write: fill(write, [(reference_of(one, keys), one)], edition=number, began_at=began_at, keys=keys)
        )

    if staged_before:
        fill_in()
    clock.pass_by(1)
    ledger.write(lambda write: erasing.erase(write, [named(keys, "p1", REFERENCE)], by="siti"))
    if not staged_before:
        fill_in()
    ledger.write(lambda write: editions.switch(write, number))
    assert ledger.read(lambda read: register.count_people(read, family="phone", audience=Audience())) == 1


def test_who_shares_a_telephone_is_named_with_the_others(ledger: Ledger, keys: StateKeys) -> None:
    ledger.write(lambda write: register.import_people(write, [row(1), row(2)], keys=keys))
    assert len(ledger.read(lambda read: erasing.owners(read, named(keys, PHONE)))) == 2
    # Once one of them has another number, it means the other alone.
    ledger.write(lambda write: register.import_people(write, [row(1, "+6281200000007")], keys=keys))
    assert len(ledger.read(lambda read: erasing.owners(read, named(keys, PHONE)))) == 1
