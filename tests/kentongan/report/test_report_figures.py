"""Every figure of a report is the ledger's: counted here another way, row by row."""

from __future__ import annotations

import csv
import io
from collections import Counter

import pytest

from kentongan import report
from kentongan.answers import Meaning
from kentongan.delivery import REACHED
from kentongan.ledger import views
from kentongan.ledger.views import Delivery, Event
from kentongan.report import Part, Report
from kentongan.report.results import resolved
from kentongan.report.shapes import Resolved
from kentongan.seam import slots
from tests.kentongan.desk.scenes import Scene
from tests.kentongan.report.nights import Night, broken_glass


def deliveries(scene: Scene, part: Part) -> list[Delivery]:
    return scene.ledger.read(lambda read: views.deliveries(read, part.standing.alert.id))


def first(told: Report) -> Part:
    return told.parts[0]


def test_the_thread_is_told_from_its_first_message_whichever_is_named(
    played: tuple[Scene, Night], told: Report
) -> None:
    scene, night = played
    expected = [night.first.id, night.update.id, night.correction.id]
    assert [part.standing.alert.id for part in told.parts] == expected
    assert told.asked == night.update.code
    for id in expected:
        other = scene.ledger.read(lambda read, id=id: report.read(read, id))
        assert [part.code for part in other.parts] == [part.code for part in told.parts]
    assert [(each.kind, each.state) for each in told.unsent] == [("correction", "prepared")]


def test_states_are_counted_as_the_deliveries_stand(played: tuple[Scene, Night], told: Report) -> None:
    for part in told.parts:
        found = deliveries(played[0], part)
        assert part.totals == Counter(each.word for each in found)
        for channel in part.standing.channels:
            assert channel.words == Counter(each.word for each in found if each.instance == channel.name)
            assert channel.total == sum(channel.words.values())
    assert {"accepted", "delivered", "read", "in_doubt", "rejected", "unreachable", "expired"} <= first(
        told
    ).totals.keys()


def test_people_are_counted_once_over_the_thread(played: tuple[Scene, Night], told: Report) -> None:
    reached = {
        each.person_id
        for part in told.parts
        for each in deliveries(played[0], part)
        if each.person_id is not None and each.word in REACHED
    }
    assert told.persons == len(reached)


def test_acceptances_are_measured_from_the_press(played: tuple[Scene, Night], told: Report) -> None:
    for part in told.parts:
        assert part.standing.dispatch is not None
        pressed = part.standing.dispatch.at
        for span in part.spans:
            times = [
                each.accepted_at - pressed
                for each in deliveries(played[0], part)
                if each.instance == span.channel and each.accepted_at is not None
            ]
            assert (span.first, span.last) == (min(times), max(times))
            assert span.begun is not None
            assert span.begun <= min(times)


def test_retries_are_the_attempts_that_were_not_the_last(played: tuple[Scene, Night], told: Report) -> None:
    part = first(told)
    found = {each.id: each for each in deliveries(played[0], part)}
    attempts = played[0].ledger.read(lambda read: views.attempts_of(read, part.standing.alert.id))
    expected = Counter(
        (found[each.delivery].instance, each.reason) for each in attempts if each.number < found[each.delivery].attempt
    )
    assert {(each.channel, each.reason): each.count for each in part.retries} == expected
    assert sum(expected.values()) == sum(channel.retries for channel in part.standing.channels) > 0


def test_every_failure_is_counted_once_with_a_remedy(played: tuple[Scene, Night], told: Report) -> None:
    part = first(told)
    lost = ("rejected", "unreachable", "in_doubt", "expired", "cancelled")
    failed = [each for each in deliveries(played[0], part) if each.word in lost]
    assert sum(failure.count for failure in part.failures) == len(failed)
    named = {failure.remedy.name: failure.count for failure in part.failures}
    assert named == {
        "OFFICER": sum(each.word == "in_doubt" for each in failed),
        "ADDRESS": sum(each.word == "rejected" for each in failed),
        "UNREACHABLE": sum(each.word == "unreachable" for each in failed),
        "CONNECTION": sum(each.word == "expired" for each in failed),
    }
    assert next(iter(named)) == "OFFICER"


def test_every_doubt_says_how_it_was_resolved(played: tuple[Scene, Night], told: Report) -> None:
    part = first(told)
    doubted = played[0].ledger.read(
        lambda read: read.sql(
            "SELECT count(*) FROM delivery WHERE doubted = 1 AND alert_id = :id", {"id": part.standing.alert.id}
        ).scalar_one()
    )
    assert sum(each.count for each in part.doubts) == doubted > 0
    how = Counter[str]()
    for each in part.doubts:
        how[each.how] += each.count
    assert how["an officer settled it"] == sum(len(each.deliveries) for each in part.resolved) == 1
    assert how["not resolved"] == part.totals["in_doubt"]
    assert how["sent once more, marked as a possible duplicate"] == sum(
        channel.duplicates for channel in part.standing.channels
    )
    assert how["found on our own account"] == 1
    assert how["a receipt settled it"] > 0
    assert part.resolved[0].who == "budi"


def test_what_an_officer_settles_in_bulk_is_one_word_however_many_commits_it_took() -> None:
    def event(at: int, by: str, ids: list[int]) -> Event:
        data = {"by": by, "evidence": "accepted", "deliveries": ids, "each": {}}
        alone = {"by": by, "evidence": "accepted"}
        return (
            Event("c", at, 0, at, "delivery.resolved", "a", None, data)
            if len(ids) > 1
            else Event("c", at, 0, at, "delivery.resolved", "a", ids[0], alone)
        )

    later = 3_600_000
    events = [event(1, "siti", [1, 2]), event(900, "siti", [2, 3]), event(901, "budi", [4]), event(later, "budi", [5])]
    assert list(resolved(events).items()) == [
        (0, Resolved(1, (1, 2, 3), "siti", "accepted")),
        (2, Resolved(901, (4,), "budi", "accepted")),
        (3, Resolved(later, (5,), "budi", "accepted")),
    ]


def test_receipts_and_answers_are_those_that_came(played: tuple[Scene, Night], told: Report) -> None:
    part = first(told)
    said = {(each.channel, each.confirmed): each.count for each in part.receipts}
    rows = played[0].ledger.read(
        lambda read: read.sql("SELECT instance, confirmed FROM receipt WHERE delivery_id IS NOT NULL").all()
    )
    assert said == Counter((row.instance, row.confirmed) for row in rows)
    assert part.answers.answered == 5
    assert {m: n for m, n in part.answers.counts.items() if n} == {
        Meaning.READ: 2,
        Meaning.SAFE: 1,
        Meaning.HELP: 1,
        Meaning.UNREAD: 1,
    }
    assert told.parts[1].answers.answered == 0


def test_decisions_stand_in_order_with_who_made_them(told: Report) -> None:
    assert [(each.who, each.signed) for each in first(told).decisions] == [
        ("siti", None),
        ("siti", True),
        ("budi", True),
        ("siti", True),
        ("budi", True),
        ("siti", True),
    ]
    released = told.parts[2].decisions
    assert ("made", "wrong area") in [(each.who, each.reason) for each in released]
    for part in told.parts:
        assert [each.at for each in part.decisions] == sorted(each.at for each in part.decisions)


def test_words_stand_as_they_were_sent_with_every_late_fact_and_the_mark_first_and_last(told: Report) -> None:
    for part in told.parts:
        assert part.messages
        for message in part.messages:
            assert message.as_sent
            assert not slots(message.text + message.title)
            assert message.text.startswith(message.mark)
            assert message.text.endswith(message.mark)
            assert message.code.startswith(part.code)
            assert part.code in message.text


def test_the_timeline_names_holds_of_its_own_channels_alone(told: Report) -> None:
    held = [[each.channel for each in part.timeline if each.what.startswith("held")] for part in told.parts]
    assert held == [["bot-drill"], [], []]
    assert [each.at for each in first(told).timeline] == sorted(each.at for each in first(told).timeline)


def test_csv_has_one_row_a_delivery_and_names_nobody(played: tuple[Scene, Night], told: Report) -> None:
    scene, _ = played
    text = "".join(report.deliveries_csv(scene.ledger, told))
    rows = list(csv.DictReader(io.StringIO(text)))
    found = [each for part in told.parts for each in deliveries(scene, part)]
    assert [int(row["delivery"]) for row in rows] == [each.id for each in found]
    assert [row["state"] for row in rows] == [each.word for each in found]
    for row, each in zip(rows, found, strict=True):
        if each.person_id is not None:
            assert each.person_id not in row.values()
            assert row["url"] == ""
    assert "+62812" not in text
    assert "62812" not in text


def test_the_sketch_shows_the_regions_that_it_went_to(told: Report) -> None:
    assert "Bengkulu Selatan" in first(told).sketch
    assert first(told).sketch.lstrip().startswith("<svg")


def test_broken_glass_is_a_decision_of_one(desk: Scene) -> None:
    stored = broken_glass(desk, "Gelombang sudah terlihat")
    (part,) = desk.ledger.read(lambda read: report.read(read, stored.id)).parts
    (alone,) = [each for each in part.decisions if each.alone]
    assert (alone.who, alone.reason, alone.signed) == ("siti", "Gelombang sudah terlihat", True)
    assert part.standing.review is not None
    assert not part.standing.review.is_done


def test_a_draft_can_be_reported_before_it_is_sent(desk: Scene) -> None:
    stored = desk.submitted()
    told = desk.ledger.read(lambda read: report.read(read, stored.id))
    (part,) = told.parts
    assert not any(message.as_sent for message in part.messages)
    assert not part.failures
    assert told.persons == 0
    assert "not sent" in report.markdown(told, timezone="UTC")
    assert "Nothing was sent." in report.html(told, timezone="UTC")


def test_an_alert_that_is_none_is_refused(desk: Scene) -> None:
    with pytest.raises(KeyError):
        desk.ledger.read(lambda read: report.read(read, "nothing"))
