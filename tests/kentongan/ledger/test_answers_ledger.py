"""Answers are taken once, find their person and their alert, and can be forgotten with the person."""

from __future__ import annotations

from typing import Any

import pytest

from kentongan.answers import Meaning, Vocabulary
from kentongan.data import data_path
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger, answers, opt_outs, views
from kentongan.ledger import people as register
from kentongan.people import Row
from kentongan.seam import Address, Inbound
from kentongan.words.languages import read_languages, spoken
from tests.kentongan.ledger.scenes import direct, expand_all, later, put_dispatch


@pytest.fixture(scope="module")
def words() -> Vocabulary:
    return spoken(read_languages(data_path("templates") / "languages"))


@pytest.fixture
def sent(ledger: Ledger, keys: StateKeys) -> str:
    """An alert that two of three people got by SMS, the third not yet."""
    rows = [
        Row(n, f"p{n}", (Address("phone", f"+62812000000{n}"), Address("telegram", f"700{n}")), None, (), ("33.05",))
        for n in range(3)
    ]
    ledger.write(lambda write: register.import_people(write, rows, keys=keys))
    ledger.write(lambda write: put_dispatch(write, [direct("sms", later())]))
    expand_all(ledger, "alert1")
    got(ledger, "alert1", 2)
    return "alert1"


def got(ledger: Ledger, alert_id: str, number: int) -> None:
    ids = [d.id for d in ledger.read(lambda read: views.deliveries(read, alert_id))][:number]
    for id in ids:
        ledger.write(
            lambda write, id=id: write.sql(  # type: ignore[misc]
                "UPDATE delivery SET result = 'accepted', stage = 'done', attempt = 1, provider_id = :p WHERE id = :id",
                {"id": id, "p": f"wa-{id}"},
            )
        )
        ledger.write(
            lambda write, id=id: write.sql(  # type: ignore[misc]
                "INSERT INTO attempt (delivery_id, number, sender, phase, intent_at, evidence)"
                " VALUES (:id, 1, 's', 'irreversible', 1, 'accepted')",
                {"id": id},
            )
        )


def says(
    ledger: Ledger, keys: StateKeys, words: Vocabulary, text: str, *, person: int = 0, **more: Any
) -> list[answers.Taken]:
    """Somebody answers by SMS; gateways leave the + of a number away."""
    inbound = Inbound("phone", f"62812000000{person}", text, **more)
    return ledger.write(lambda write: answers.record(write, instance="sms", inbound=[inbound], keys=keys, words=words))


def summed(ledger: Ledger, alert_id: str | None = "alert1") -> answers.Summary:
    return ledger.read(lambda read: answers.summary(read, alert_id))


def test_an_answer_finds_its_person_and_the_newest_alert_they_got(
    ledger: Ledger, keys: StateKeys, words: Vocabulary, sent: str
) -> None:
    ledger.write(lambda write: put_dispatch(write, [direct("sms", later())], id="alert2", code="W9MN"))
    expand_all(ledger, "alert2")
    (taken,) = says(ledger, keys, words, "1")
    assert (taken.alert_id, taken.meaning) == ("alert1", Meaning.READ)
    got(ledger, "alert2", 1)
    (taken,) = says(ledger, keys, words, "1")
    assert taken.alert_id == "alert2"


def test_a_code_in_the_text_names_the_alert(ledger: Ledger, keys: StateKeys, words: Vocabulary, sent: str) -> None:
    ledger.write(lambda write: put_dispatch(write, [direct("sms", later())], id="alert2", code="W9MN"))
    expand_all(ledger, "alert2")
    got(ledger, "alert2", 3)
    assert says(ledger, keys, words, "k7q4 aman")[0].alert_id == "alert1"
    assert says(ledger, keys, words, "A2B3 aman")[0].alert_id == "alert2"  # no such code


def test_a_reply_names_the_message(ledger: Ledger, keys: StateKeys, words: Vocabulary, sent: str) -> None:
    first = ledger.read(lambda read: views.deliveries(read, "alert1"))[0]
    ledger.write(lambda write: put_dispatch(write, [direct("sms", later())], id="alert2", code="W9MN"))
    expand_all(ledger, "alert2")
    got(ledger, "alert2", 3)
    assert says(ledger, keys, words, "1", in_reply_to=f"wa-{first.id}")[0].alert_id == "alert1"
    # A reply to somebody else's message is no proof of anything: the newest counts.
    assert says(ledger, keys, words, "1", person=1, in_reply_to=f"wa-{first.id}")[0].alert_id == "alert2"


def test_an_answer_is_proof_that_the_message_was_read(
    ledger: Ledger, keys: StateKeys, words: Vocabulary, sent: str
) -> None:
    says(ledger, keys, words, "halo?")
    assert {d.word for d in ledger.read(lambda read: views.deliveries(read, sent))} == {"accepted", "planned"}
    says(ledger, keys, words, "1")
    said = [d.word for d in ledger.read(lambda read: views.deliveries(read, sent))]
    assert said == ["read", "accepted", "planned"]


def test_the_same_answer_brought_twice_counts_once(
    ledger: Ledger, keys: StateKeys, words: Vocabulary, sent: str
) -> None:
    assert len(says(ledger, keys, words, "3", provider_id="mo-1")) == 1
    assert says(ledger, keys, words, "3", provider_id="mo-1") == []
    assert len(ledger.read(lambda read: views.events(read, types=["answer.received"]))) == 1
    assert summed(ledger).answered == 1


def test_what_somebody_last_said_of_themselves_counts(
    ledger: Ledger, keys: StateKeys, words: Vocabulary, sent: str
) -> None:
    says(ledger, keys, words, "tolong")
    assert [each.regions for each in summed(ledger).help] == [("33.05",)]
    says(ledger, keys, words, "aman")
    assert summed(ledger).help == []
    assert summed(ledger).counts[Meaning.SAFE] == 1
    says(ledger, keys, words, "3")
    assert len(summed(ledger).help) == 1


@pytest.mark.parametrize("later_on", ["1", "masih di atap", "STOP"])
def test_a_call_for_help_stands_until_they_say_that_they_are_safe(
    later_on: str, ledger: Ledger, keys: StateKeys, words: Vocabulary, sent: str
) -> None:
    says(ledger, keys, words, "3")
    says(ledger, keys, words, later_on)
    found = summed(ledger)
    assert len(found.help) == 1
    assert (found.asked, found.answered) == (2, 1)


def test_a_person_who_answers_on_two_channels_is_one(
    ledger: Ledger, keys: StateKeys, words: Vocabulary, sent: str
) -> None:
    says(ledger, keys, words, "3")
    inbound = Inbound("telegram", "7000", "aman K7Q4")
    ledger.write(lambda write: answers.record(write, instance="bot", inbound=[inbound], keys=keys, words=words))
    found = summed(ledger)
    assert (found.answered, found.counts[Meaning.SAFE], found.counts[Meaning.HELP]) == (1, 1, 0)


def test_a_strangers_call_for_help_is_kept_too(ledger: Ledger, keys: StateKeys, words: Vocabulary, sent: str) -> None:
    (taken,) = says(ledger, keys, words, "tolong, banjir di sini", person=9)
    assert (taken.alert_id, taken.person_id) == (None, None)
    (call,) = summed(ledger, None).help
    shown = ledger.read(lambda read: answers.words(read, [call.id], keys))[call.id]
    assert (shown.address.value, shown.text) == ("+628120000009", "tolong, banjir di sini")
    assert ledger.read(answers.answered_alerts) == [None]


def test_nothing_that_was_written_can_be_read_without_the_key(
    ledger: Ledger, keys: StateKeys, words: Vocabulary, sent: str
) -> None:
    (taken,) = says(ledger, keys, words, "tolong di rumah biru", provider_id="x")
    for table in ("answer", "event", "receipt"):
        rows = ledger.read(lambda read, t=table: read.sql(f"SELECT * FROM {t}").all())  # type: ignore[misc]
        shown = str([tuple(row) for row in rows])
        assert "biru" not in shown
        assert "812000000" not in shown
    assert "biru" not in repr(ledger.read(lambda read: answers.words(read, [taken.id], keys)))


def test_who_is_erased_takes_their_words_along(ledger: Ledger, keys: StateKeys, words: Vocabulary, sent: str) -> None:
    (taken,) = says(ledger, keys, words, "tolong")
    ledger.write(lambda write: write.sql("UPDATE person SET key = NULL WHERE id = :id", {"id": taken.person_id}))
    assert ledger.read(lambda read: answers.words(read, [taken.id], keys)) == {}
    (again,) = says(ledger, keys, words, "tolong")
    assert again.person_id is None
    assert list(ledger.read(lambda read: answers.words(read, [again.id], keys))) == [again.id]


def test_stop_opts_the_number_out_and_start_in_again(
    ledger: Ledger, keys: StateKeys, words: Vocabulary, sent: str
) -> None:
    says(ledger, keys, words, "STOP")
    assert ledger.read(opt_outs.counted) == {"phone": 1}
    says(ledger, keys, words, "stop")
    assert ledger.read(opt_outs.counted) == {"phone": 1}
    says(ledger, keys, words, "MULAI")
    assert ledger.read(opt_outs.counted) == {}
    assert [e.type for e in ledger.read(lambda read: views.events(read, types=["people.opted_out"]))] == [
        "people.opted_out"
    ] * 2


def test_an_answer_too_long_to_be_one_is_cut(ledger: Ledger, keys: StateKeys, words: Vocabulary, sent: str) -> None:
    (taken,) = says(ledger, keys, words, "tolong " * 5000)
    shown = ledger.read(lambda read: answers.words(read, [taken.id], keys))[taken.id]
    assert len(shown.text) == 2000
