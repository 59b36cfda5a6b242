"""What went wrong elsewhere, replayed: each incident with the fault that made it, and what stops that here."""

from __future__ import annotations

import dataclasses
import io
import re
from datetime import UTC, datetime, timedelta

import pytest

import channels
from kentongan.alert import Kind
from kentongan.area.reading import read_regions
from kentongan.area.rows import RegionRow
from kentongan.cap.model import Status
from kentongan.data import data_path
from kentongan.delivery import Evidence
from kentongan.desk import approvals, following, releases, subjects, submitting, withdrawing
from kentongan.errors import Refused
from kentongan.ledger import regions, renderings, reviews, senders, submissions, views
from kentongan.ledger.alerts import StoredAlert
from kentongan.overview import overview
from kentongan.policy import Decision, Reason
from kentongan.seam import Address, Job, Mode, Rejected, Why
from tests.kentongan.desk.scenes import QUAKE, Scene, login, send_all
from tests.kentongan.ledger.scenes import NOW

MINUTE = 60_000


def refusal(caught: pytest.ExceptionInfo[Refused]) -> str:
    return caught.value.rule


def sent(desk: Scene, stored: StoredAlert) -> None:
    releases.dispatch(desk.desk, stored.code, login("siti"))
    send_all(desk, stored.id)


# --- Hawaii, 13 January 2018: a drill went out as real, by one person, and 38 minutes passed to the correction ---


def test_hawaii_one_person_cannot_approve_what_they_submitted(desk: Scene) -> None:
    stored = desk.submitted(status=Status.ACTUAL)
    with pytest.raises(Refused) as caught:
        approvals.approve(desk.desk, stored.code, login("siti"))
    assert refusal(caught) == "approval-second-person"
    with pytest.raises(Refused) as caught:
        releases.dispatch(desk.desk, stored.code, login("siti"))
    assert refusal(caught) == "approval-missing"


def test_hawaii_a_drill_goes_to_drill_channels_alone_and_says_so_first_and_last(desk: Scene) -> None:
    stored = desk.approved(status=Status.EXERCISE)
    plan = releases.dispatch(desk.desk, stored.code, login("siti")).plan
    assert {desk.desk.settings.channels[part.name].mode for part in plan.instances} == {Mode.DRILL}
    for message in desk.ledger.read(lambda read: renderings.of(read, stored.id)):
        assert message.mark
        assert message.text.startswith(message.mark)
        assert message.text.endswith(message.mark)


def test_hawaii_no_template_says_that_it_is_no_drill() -> None:
    for path in data_path("templates").rglob("*.j2"):
        assert not re.search(r"bukan latihan|not a drill", path.read_text("utf-8"), re.IGNORECASE), path


def test_hawaii_every_alert_is_born_with_a_correction_for_every_channel_that_one_officer_releases(desk: Scene) -> None:
    stored = desk.approved(status=Status.ACTUAL)
    correction = desk.ledger.read(lambda read: subjects.prepared_correction(read, stored.id))
    assert correction is not None

    def places(alert_id: str) -> set[tuple[str, str]]:
        return {(m.instance, m.language) for m in desk.ledger.read(lambda read: renderings.of(read, alert_id))}

    assert places(correction.id) == places(stored.id)
    sent(desk, stored)
    desk.clock.pass_by(2 * MINUTE)
    released = withdrawing.release_correction(desk.desk, stored.code, login("made"), reason="sent_by_mistake")
    send_all(desk, released.alert.id)

    def recipients(alert_id: str) -> set[tuple[str, str, int | None]]:
        found = desk.ledger.read(lambda read: views.deliveries(read, alert_id))
        return {(d.instance, d.language, d.address_id) for d in found if d.word == "accepted"}

    # A message of its own to each, which notifies; not only an end to repeats.
    assert recipients(released.alert.id) == recipients(stored.id)


# --- BMKG, 27 May 2021: a test text with no mark, dated eight days ahead, went to the public by SMS ---


def test_bmkg_sms_an_event_in_the_future_is_refused(desk: Scene) -> None:
    ahead = (NOW + timedelta(days=8)).astimezone(UTC)
    stored = desk.drafted({"origin_time": ahead.isoformat()}, status=Status.ACTUAL)
    with pytest.raises(Refused, match="future") as caught:
        submitting.submit(desk.desk, stored.code, login("siti"))
    assert refusal(caught) == "observed"


async def test_bmkg_sms_a_live_channel_refuses_a_test_whatever_led_there(
    desk: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_TOKEN", "not-a-token")
    stored = desk.submitted(status=Status.TEST)
    test = next(m for m in desk.ledger.read(lambda read: renderings.of(read, stored.id)) if m.instance == "sms-drill")
    live = channels.open(desk.desk.settings)["sms-live"]
    try:
        unmarked = dataclasses.replace(test, mode=Mode.LIVE, text=test.text.replace(test.mark, "").strip())
        for message in (test, dataclasses.replace(test, mode=Mode.LIVE), unmarked):
            (answer,) = await live.send(message, [Job("k", Address("phone", "+628120000001"), datetime.now(UTC))], None)
            assert isinstance(answer, Rejected)
            assert answer.why is Why.PAYLOAD
    finally:
        await live.close()


# --- Palu, 28 September 2018: the warning ended after 34 minutes on thin data, and messages did not arrive ---


def test_palu_a_tsunami_warning_cannot_end_after_34_minutes_on_our_own_word(desk: Scene) -> None:
    stored = desk.approved(status=Status.ACTUAL)
    sent(desk, stored)
    desk.clock.pass_by(34 * MINUTE)
    clear = following.all_clear(desk.desk, stored.code, by="siti", evidence="Alat di Mamuju: 6 cm").alert
    with pytest.raises(Refused) as caught:
        submitting.submit(desk.desk, clear.code, login("siti"))
    assert refusal(caught) == "all-clear-time"
    with pytest.raises(Refused) as caught:
        releases.dispatch(desk.desk, clear.code, login("siti"), break_glass="Semua orang menunggu")
    assert refusal(caught) == "break-glass-kind"
    assert desk.desk.library.get("tsunami").all_clear_after >= timedelta(hours=2)


def test_palu_what_did_not_arrive_shows_by_channel(desk: Scene) -> None:
    stored = desk.approved(status=Status.ACTUAL)
    releases.dispatch(desk.desk, stored.code, login("siti"))

    def network_down(item: object) -> Decision:
        family = getattr(item, "address_id", None)
        if family is not None:
            return Decision(Evidence.UNREACHABLE, Reason.ACCEPTED)
        return Decision(Evidence.ACCEPTED, Reason.ACCEPTED)

    send_all(desk, stored.id, network_down)
    seen = desk.ledger.read(lambda read: overview(read, stored.id))
    words = {channel.name: set(channel.words) for channel in seen.channels}
    assert words["sms-live"] == {"unreachable"}
    assert words["toots-live"] == {"accepted"}
    assert {cause.channel for cause in seen.causes} == {"sms-live", "bot-live"}


# --- Sunda Strait, 22 December 2018: no quake, so no warning; and denials that were deleted later ---


def test_sunda_strait_a_warning_needs_no_known_cause(desk: Scene) -> None:
    from kentongan.desk import drafts

    stored = drafts.from_fields(
        desk.desk,
        "general",
        {
            "hazard": "Air laut naik tiba-tiba",
            "headline": "Air laut naik tiba-tiba di Pantai Cemara",
            "description": "Air laut naik tiba-tiba. Penyebabnya sedang diperiksa.",
            "instruction": "Jauhi pantai dan naik ke tempat tinggi sekarang.",
            "hazard.en": "Sudden rise of the sea",
            "headline.en": "The sea rises suddenly at Pantai Cemara",
            "description.en": "The sea has risen suddenly. The cause is being checked.",
            "instruction.en": "Leave the beach and go to high ground now.",
            "area": "Pantai Cemara",
            "severity": "Extreme",
            "urgency": "Immediate",
        },
        by="siti",
    ).alert
    released = releases.dispatch(desk.desk, stored.code, login("siti"), break_glass="Warga melihat air naik")
    assert released.alert.state == "dispatched"
    for message in desk.ledger.read(lambda read: renderings.of(read, stored.id)):
        assert "Pantai Cemara" in message.text


def test_sunda_strait_what_was_wrong_is_corrected_in_public_and_never_only_deleted(desk: Scene) -> None:
    stored = desk.approved(status=Status.ACTUAL)
    sent(desk, stored)
    before = desk.ledger.read(lambda read: views.deliveries(read, stored.id))
    correction = withdrawing.release_correction(desk.desk, stored.code, login("made"), reason="wrong_details")
    send_all(desk, correction.alert.id)
    # The record of what was said stays word for word, and a message of its own says that it was wrong.
    after = desk.ledger.read(lambda read: views.deliveries(read, stored.id))
    assert [(d.id, d.word) for d in after] == [(d.id, d.word) for d in before]
    public = desk.ledger.read(lambda read: views.deliveries(read, correction.alert.id, instance="toots-live"))
    assert {d.word for d in public} == {"accepted"}


# --- Maui, 8 August 2023: one channel silent and nobody noticed; "contained" was taken for over; no record ---


def test_maui_a_channel_that_takes_nothing_is_seen_at_once(desk: Scene) -> None:
    stored = desk.approved(status=Status.ACTUAL)
    releases.dispatch(desk.desk, stored.code, login("siti"))
    desk.ledger.write(lambda write: senders.hold(write, instance="sms-live", reason="the gateway refuses our password"))
    seen = desk.ledger.read(lambda read: overview(read, stored.id))
    silent = next(channel for channel in seen.channels if channel.name == "sms-live")
    assert silent.held == "the gateway refuses our password"
    assert silent.first_accepted is None
    assert seen.open


def test_maui_only_an_all_clear_says_that_it_is_over(desk: Scene) -> None:
    stored = desk.approved(status=Status.ACTUAL)
    sent(desk, stored)
    update = following.update(desk.desk, stored.code, {"magnitude": "5.4"}, by="siti").alert
    for info in update.draft.cap.infos:
        assert "AllClear" not in info.response_types
    assert update.kind is Kind.UPDATE
    assert update.draft.expires is not None


def test_maui_who_did_what_when_is_on_record_without_anybody_writing_it_down(desk: Scene) -> None:
    stored = desk.approved(status=Status.ACTUAL)
    sent(desk, stored)
    events = desk.ledger.read(lambda read: views.events(read, alert_id=stored.id))
    done = {event.type: event.data.get("by") for event in events}
    assert done["alert.drafted"] == "siti"
    assert done["alert.submitted"] == "siti"
    assert done["alert.approved"] == "budi"
    assert done["alert.dispatched"] == "siti"


# --- Valencia, 29 October 2024: a committee debated the wording for an hour and a half ---


def test_valencia_one_officer_sends_an_extreme_warning_alone_and_is_reviewed_afterwards(desk: Scene) -> None:
    stored = desk.drafted({"severity": "Extreme"}, status=Status.ACTUAL)
    released = releases.dispatch(desk.desk, stored.code, login("siti"), break_glass="Komite belum berkumpul")
    assert released.approved.break_glass
    review = desk.ledger.read(lambda read: reviews.of_alert(read, stored.id))
    assert review is not None
    assert (review.officer, review.is_done) == ("siti", False)


def test_valencia_the_words_are_there_before_the_night(desk: Scene) -> None:
    stored = desk.submitted({"severity": "Extreme"}, status=Status.ACTUAL)
    messages = desk.ledger.read(lambda read: renderings.of(read, stored.id))
    assert {(m.instance, m.language) for m in messages} == {
        ("bot-live", "id"),
        ("bot-live", "en"),
        ("sms-live", "id"),
        ("sms-live", "en"),
        ("toots-live", "id"),
        ("toots-live", "en"),
        ("feed-live", "mul"),
    }


# --- Los Angeles, 9 January 2025: the area was lost, ten million people were warned, and the text named no place ---


REGIONS = [
    "code,name,timezone,lat,lon",
    "17,Bengkulu,Asia/Jakarta,-3.8,102.3",
    "17.01,Bengkulu Selatan,Asia/Jakarta,-4.4,102.9",
]


def load_regions(desk: Scene) -> None:
    rows = [
        row for row in read_regions(io.StringIO("\n".join(REGIONS)), place="regions.csv") if isinstance(row, RegionRow)
    ]
    prepared = regions.prepared(rows)
    desk.ledger.write(lambda write: regions.import_regions(write, prepared, source="regions.csv", replace=False))


def test_los_angeles_an_area_that_resolves_to_nothing_reaches_nobody(desk: Scene) -> None:
    load_regions(desk)
    lost = desk.drafted({"area": "Kota Entah", "circle": "34.2,-118.7 5", "place": "Kota Entah"}, status=Status.ACTUAL)
    with pytest.raises(Refused) as caught:
        submitting.submit(desk.desk, lost.code, login("siti"))
    assert refusal(caught) == "area"


def test_los_angeles_the_count_of_people_is_shown_before_it_is_sent_and_signed(desk: Scene) -> None:
    stored = desk.approved(status=Status.ACTUAL)
    assert releases.prospect(desk.desk, stored.code).people.total == 4
    assert all(
        approval["people"] == 4 for approval in desk.ledger.read(lambda read: submissions.approvals(read, stored.id))
    )


def test_los_angeles_every_text_names_the_place_and_the_time(desk: Scene) -> None:
    stored = desk.submitted(status=Status.ACTUAL)
    for message in desk.ledger.read(lambda read: renderings.of(read, stored.id)):
        assert "Manna" in message.text
        assert re.search(r"14[.:]05 WIB", message.text), message.text


# --- United Kingdom, 23 April 2023: a wrong word in one language, and the same alert twice on some phones ---


def test_uk_test_words_are_frozen_at_approval_and_a_changed_one_lapses_it(desk: Scene) -> None:
    stored = desk.approved(status=Status.EXERCISE)
    desk.change(
        "UPDATE rendering SET content = replace(content, 'Gempa', 'Gmepa') WHERE alert_id = :id AND language = 'id'",
        {"id": stored.id},
    )
    with pytest.raises(Refused) as caught:
        releases.dispatch(desk.desk, stored.code, login("siti"))
    assert refusal(caught) == "approval-changed"


def test_uk_test_nobody_has_it_twice_on_one_channel(desk: Scene) -> None:
    stored = desk.approved(status=Status.EXERCISE)
    sent(desk, stored)
    found = desk.ledger.read(lambda read: views.deliveries(read, stored.id))
    direct = [(d.family, d.address_id) for d in found if d.address_id is not None]
    assert len(direct) == len(set(direct)) == 8


def test_uk_test_each_language_speaks_alone_and_whole(desk: Scene) -> None:
    stored = desk.submitted(dict(QUAKE), status=Status.EXERCISE)
    messages = desk.ledger.read(lambda read: renderings.of(read, stored.id))
    english = [m.text for m in messages if m.language == "en"]
    assert english
    assert all("Gempa" not in text and "Earthquake" in text for text in english)
