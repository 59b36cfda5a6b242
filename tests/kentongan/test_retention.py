"""What policy does not let be kept is erased, once nothing needs it any more, and the record holds."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from console.service.retention import Retention
from kentongan import retention
from kentongan.answers import Meaning, Vocabulary
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger, answers, editions
from kentongan.ledger import people as register
from kentongan.ledger.filling import fill, reference_of
from kentongan.ledger.verification import signed_head, verify
from kentongan.people import Row
from kentongan.retention import Kept
from kentongan.seam import Address, Inbound
from kentongan.settings import Policy
from tests.kentongan.ledger.scenes import StandingClock, direct, expand_all, later, put_dispatch

DAY = 86_400_000
POLICY = Policy(people_kept_days=30, answers_kept_days=10)


def row(number: int, phone: int = 0) -> Row:
    return Row(number, f"p{number}", (Address("phone", f"+62812000000{phone or number}"),), "id", (), ())


def import_(ledger: Ledger, keys: StateKeys, *rows: Row) -> None:
    ledger.write(lambda write: register.import_people(write, rows, keys=keys))


def with_key(ledger: Ledger, keys: StateKeys) -> set[int]:
    """The numbers of the people who are not erased."""
    known = {keys.address_hash("reference", f"p{n}"): n for n in range(10)}
    found = ledger.read(lambda read: read.sql("SELECT reference FROM person WHERE key IS NOT NULL").scalars().all())
    return {known[each] for each in found}


def leave(ledger: Ledger, *numbers: int) -> None:
    """Takes people off the list, by the order in which they came onto it."""
    number = ledger.write(lambda write: editions.begin(write, owner=""))
    rows = [{"number": number, "id": each} for each in numbers]
    ledger.write(lambda write: write.sql("UPDATE address SET until = :number WHERE id = :id", rows))
    ledger.write(lambda write: editions.switch(write, number or 0))


def test_who_left_the_list_long_ago_is_erased_and_nobody_else(
    ledger: Ledger, keys: StateKeys, clock: StandingClock
) -> None:
    import_(ledger, keys, row(1), row(2), row(3), row(4), row(5))
    ledger.write(lambda write: put_dispatch(write, [direct("sms", later(24 * 90))]))
    expand_all(ledger, "alert1")
    # 2, 3 and 4 leave now, 5 a month later; 3 is on a list that is just being imported, 4 on the way of an alert.
    leave(ledger, 2, 3, 4)
    clock.pass_by(31 * DAY)
    leave(ledger, 5)
    again = row(3, 9)
    number = ledger.write(lambda write: editions.begin(write, owner="here"))
    assert number is not None
    ledger.write(
        lambda write: fill(
            write, [(reference_of(again, keys), again)], edition=number, began_at=clock.wall(), keys=keys
        )
    )
    ledger.write(lambda write: write.sql("UPDATE delivery SET person_id = NULL WHERE id IN (2, 3)"))
    assert ledger.read(lambda read: retention.overdue(read, POLICY)) == Kept(1, 0)
    ledger.write(lambda write: editions.switch(write, number))
    assert retention.retain(ledger, POLICY, by="policy") == Kept(1, 0)
    assert with_key(ledger, keys) == {1, 3, 4, 5}
    ledger.write(lambda write: write.sql("UPDATE alert SET state = 'ended'"))
    assert retention.retain(ledger, POLICY, by="policy") == Kept(1, 0)
    assert with_key(ledger, keys) == {1, 3, 5}
    assert retention.retain(ledger, POLICY, by="policy") == Kept(0, 0)
    assert retention.retain(ledger, Policy(), by="policy") == Kept(0, 0)


def test_old_words_are_erased_and_what_they_meant_stays(ledger: Ledger, keys: StateKeys, clock: StandingClock) -> None:
    import_(ledger, keys, row(1))

    def says(address: int) -> str:
        inbound = Inbound(family="phone", address=f"+62812000000{address}", text="rumah saya terendam")
        act: Any = lambda write: answers.record(  # noqa: E731
            write, instance="sms", inbound=[inbound], keys=keys, words=Vocabulary({})
        )
        return cast(str, ledger.write(act)[0].id)

    old, strangers = says(1), says(7)
    clock.pass_by(11 * DAY)
    new = says(1)
    assert retention.retain(ledger, POLICY, by="policy") == Kept(0, 2)
    assert set(ledger.read(lambda read: answers.words(read, [old, strangers, new], keys))) == {new}
    assert ledger.read(lambda read: answers.summary(read, None)).counts[Meaning.UNREAD] == 3
    head = ledger.read(lambda read: signed_head(read, keys))
    assert ledger.read(lambda read: verify(read, head=head, public_key=keys.head_public_key)).differences == []


def test_the_service_erases_only_while_no_alert_is_on_its_way(
    ledger: Ledger, keys: StateKeys, clock: StandingClock
) -> None:
    import_(ledger, keys, row(1), row(2))
    leave(ledger, 2)
    clock.pass_by(31 * DAY)
    service = Retention(cast(Any, SimpleNamespace(ledger=ledger, settings=SimpleNamespace(policy=POLICY))))
    ledger.write(lambda write: put_dispatch(write, [direct("sms", later())]))
    assert not service.retain()
    assert with_key(ledger, keys) == {1, 2}
    ledger.write(lambda write: write.sql("UPDATE dispatch SET expanded = 1"))
    assert service.retain()
    assert with_key(ledger, keys) == {1}
