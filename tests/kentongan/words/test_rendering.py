from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from kentongan.alert import Draft, Kind
from kentongan.cap.model import MsgType, Status
from kentongan.data import data_path
from kentongan.errors import Refused
from kentongan.seam import Mode, Shortened, slots
from kentongan.settings import Agency
from kentongan.words.counting import count, is_gsm7
from kentongan.words.drafting import from_facts, lowered, relay
from kentongan.words.following import correction
from kentongan.words.library import HazardLibrary
from kentongan.words.library import library as read_library
from kentongan.words.rendering import Earlier, Renderings, Target
from kentongan.words.specimens import of_kind
from tests.kentongan.words.foreign import imported
from tests.kentongan.words.leaving import LIMITS, RULES, check, sent

Render = Callable[..., Renderings]
Targets = Callable[..., tuple[Target, ...]]


@pytest.mark.parametrize("status", [Status.ACTUAL, Status.EXERCISE, Status.TEST])
@pytest.mark.parametrize("kind", list(Kind))
def test_every_channel_gets_its_messages_within_its_limits(
    quake: Draft, rendered: Render, library: HazardLibrary, now: datetime, status: Status, kind: Kind
) -> None:
    draft = of_kind(lowered(quake, status), kind, now=now)
    result = rendered(draft, kind=kind, code="M2X8", earlier=Earlier("K7Q4"))
    assert result.problems == ()
    assert [(message.kind, message.language) for message in result.messages] == [
        ("mastodon", "id"),
        ("mastodon", "en"),
        ("telegram", "id"),
        ("telegram", "en"),
        ("kannel", "id"),
        ("kannel", "en"),
        ("cap_feed", "mul"),
    ]
    for message in result.messages:
        check(message, library, draft, "M2X8", now)
        for reason in library.reasons:
            assert count(sent(message, library, now, reason).text, RULES[message.kind]) <= LIMITS[message.kind]
        if message.kind == "kannel":
            assert is_gsm7(sent(message, library, now).text)


def test_exercise_and_test_bear_their_own_marks(quake: Draft, rendered: Render) -> None:
    exercise = rendered(lowered(quake, Status.EXERCISE)).messages
    test = rendered(lowered(quake, Status.TEST)).messages
    assert [m.mark for m in exercise if m.kind == "kannel"] == ["[LATIHAN]", "[EXERCISE]"]
    assert [m.mark for m in test if m.kind == "kannel"] == ["[UJI COBA]", "[TEST]"]
    assert exercise[-1].mark.startswith("[LATIHAN]")
    assert "/ [EXERCISE]" in exercise[-1].mark
    assert all(m.title.startswith("[") for m in exercise)


def test_long_place_lists_are_shortened_with_a_link_and_whole_names(
    library: HazardLibrary, agency: Agency, rendered: Render, now: datetime
) -> None:
    names = [f"KECAMATAN {first}{second}WANGI" for first in "BCDFGHJKLM" for second in "AIUEO"]
    facts = {
        "magnitude": 5.6,
        "origin_time": "2026-11-21T14:05:00+07:00",
        "place": "28 km barat laut Manna",
        "area": names,
    }
    draft = from_facts(library.get("earthquake"), facts, agency=agency, status=Status.EXERCISE, identifier="K", now=now)
    result = rendered(draft)
    assert result.problems == ()
    whole = [f"Kecamatan {name.split()[1].capitalize()}" for name in names]
    for message in result.messages:
        check(message, library, draft, "K7Q4", now)
        kept = [name for name in whole if name in message.text]
        if message.kind in ("kannel", "mastodon"):
            rest = len(whole) - len(kept)
            phrase = f"dan {rest} lainnya: " if message.language == "id" else f"and {rest} more: "
            assert 0 < len(kept) < len(whole)
            assert phrase + "https://siaga.bengkuluselatan.example/K7Q4" in message.text
            assert message.text.count("https://") == 1
            assert message.text.count("Kecamatan") == len(kept)
            assert message.shortened is not None
            gone = " ".join(message.shortened.missing)
            assert all(name in gone for name in whole if name not in kept)
            assert message.shortened.full is not None
            assert message.shortened.full > LIMITS[message.kind]
        else:
            assert kept == whole
            assert message.shortened is None


def test_one_more_name_would_not_have_fitted(
    library: HazardLibrary, agency: Agency, rendered: Render, targets: Targets, now: datetime
) -> None:
    facts = {"magnitude": 5, "origin_time": "2026-11-21T14:05:00+07:00", "place": "Manna", "tsunami": "none"}

    def shown(count_of_names: int) -> int:
        area = [f"Desa {number:03}" for number in range(count_of_names)]
        draft = from_facts(
            library.get("earthquake"),
            {**facts, "area": area},
            agency=agency,
            status=Status.ACTUAL,
            identifier="K",
            now=now,
        )
        text = rendered(draft, to=targets(Mode.LIVE, ("kannel",), ("id",))).messages[0].text
        return text.count("Desa ")

    fitting = max(number for number in range(1, 60) if shown(number) == number)
    assert fitting > 5
    # With one more, the words "and N more" and the link take the room of a few names.
    assert fitting - 6 <= shown(fitting + 1) <= fitting


@pytest.mark.parametrize(
    ("breakage", "sentence"),
    [
        ("{{ no_such_fact }}", "'no_such_fact' is undefined"),
        ("{% if %}", "line"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ magnitude.__class__.__mro__ }}", "unsafe"),
        ("{{ number('a') }}", "line"),
        ("{{ slot_of_nowhere() }}", "undefined"),
    ],
)
def test_words_that_do_not_render_fall_back_to_the_general_short_form(
    tmp_path: Path, quake: Draft, rendered: Render, library: HazardLibrary, now: datetime, breakage: str, sentence: str
) -> None:
    root = tmp_path / "templates"
    shutil.copytree(data_path("templates"), root)
    path = root / "hazards/earthquake/alert.id.j2"
    path.write_text(path.read_text("utf-8").replace("{% block short %}", "{% block short %}" + breakage), "utf-8")
    draft = lowered(quake, Status.EXERCISE)
    result = rendered(draft, templates=read_library(root))
    sms = {message.language: message for message in result.messages if message.kind == "kannel"}
    assert set(sms) == {"id", "en"}
    assert "Gempa bumi" in sms["id"].text
    assert "Manna" in sms["id"].text
    assert "M5.6" in sms["en"].text
    check(sms["id"], library, draft, "K7Q4", now)
    problem = next(problem for problem in result.problems if problem.instance == "kannel-drill")
    assert problem.fallen_back
    assert problem.language == "id"
    assert problem.sentence.startswith("templates/hazards/earthquake/alert.id.j2")
    assert sentence in problem.sentence
    assert problem.remedy
    assert sms["id"].shortened == Shortened("general", None, ())
    assert sms["en"].shortened is None


def test_missing_words_fall_back_and_a_missing_layout_is_a_problem_without_a_message(
    tmp_path: Path, quake: Draft, rendered: Render
) -> None:
    root = tmp_path / "templates"
    shutil.copytree(data_path("templates"), root)
    (root / "hazards/earthquake/alert.en.j2").unlink()
    (root / "channels/telegram.html.j2").unlink()
    result = rendered(quake, templates=read_library(root))
    assert {message.kind for message in result.messages} == {"mastodon", "kannel", "cap_feed"}
    lost = [problem for problem in result.problems if not problem.fallen_back]
    assert {(problem.instance, problem.language) for problem in lost} == {
        ("telegram-live", "id"),
        ("telegram-live", "en"),
    }
    assert "templates/channels/telegram.txt.j2 is missing" in lost[0].sentence
    fallen = {(problem.instance, problem.language) for problem in result.problems if problem.fallen_back}
    assert fallen == {("mastodon-live", "en"), ("kannel-live", "en"), ("cap_feed-live", "en")}
    page = result.messages[-1].documents[1].text
    assert "Matikan kompor" in page
    assert "Stay alert and follow local officers" in page
    assert "alert.en.j2 is missing" in next(problem for problem in result.problems if problem.fallen_back).sentence


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("{{ mark }}\n\n{{ body }}", "Halo {{ mark }}\n\n{{ body }}", "drill mark"),
        (" {{ code }}", "", "alert code"),
        ('{% set forms = ["standard", "short", "brief"] %}', "", "declares no forms"),
        ('mark_form = "long"', 'mark_form = "huge"', "mark_form is 'huge'"),
        ("{{ body }}", "{{ body }} \ue000weather\ue001", "no late fact"),
        ("{{ body }}", "{{ phrases.nothing }}", "nothing"),
    ],
)
def test_a_layout_that_breaks_a_rule_lets_nothing_out(
    tmp_path: Path, quake: Draft, rendered: Render, targets: Targets, old: str, new: str, sentence: str
) -> None:
    root = tmp_path / "templates"
    shutil.copytree(data_path("templates"), root)
    path = root / "channels/mastodon.txt.j2"
    assert old in path.read_text("utf-8")
    path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")
    result = rendered(lowered(quake, Status.TEST), templates=read_library(root), to=targets(Mode.DRILL, ("mastodon",)))
    assert result.messages == ()
    assert len(result.problems) == 2
    assert all(sentence in problem.sentence and not problem.fallen_back for problem in result.problems)


def test_a_text_that_carries_another_alerts_code_is_not_let_out(
    library: HazardLibrary, agency: Agency, rendered: Render, now: datetime
) -> None:
    facts = {"headline": "Lihat pesan M2X8-ID", "instruction": "Pindah.", "area": ["Manna"]}
    draft = from_facts(library.get("general"), facts, agency=agency, status=Status.ACTUAL, identifier="K", now=now)
    result = rendered(draft)
    assert result.messages == ()
    assert {problem.instance for problem in result.problems} == {
        "mastodon-live",
        "telegram-live",
        "kannel-live",
        "cap_feed-live",
    }
    assert all("M2X8" in problem.sentence or "says nothing in en" in problem.sentence for problem in result.problems)


def test_a_correction_never_carries_the_earlier_code(quake: Draft, rendered: Render, now: datetime) -> None:
    draft = correction(quake, identifier="K-2", now=now)
    for message in rendered(draft, kind=Kind.CORRECTION, code="M2X8", earlier=Earlier("K7Q4")).messages:
        assert "K7Q4" not in message.text + message.html + "".join(document.text for document in message.documents)


def test_a_released_correction_names_the_time_of_the_earlier_message(
    quake: Draft, rendered: Render, now: datetime
) -> None:
    draft = correction(quake, identifier="K-2", now=now)
    result = rendered(draft, kind=Kind.CORRECTION, code="M2X8", earlier=Earlier("K7Q4", now))
    assert "21 Nov 2026 14.20 WIB" in result.messages[0].text
    assert not any("earlier_sent" in slot for message in result.messages for slot in slots(message.text))


def test_an_instance_of_the_other_mode_gets_nothing(quake: Draft, rendered: Render, targets: Targets) -> None:
    result = rendered(quake, to=targets(Mode.DRILL))
    assert result.messages == ()
    assert all("is drill and this alert is live" in problem.sentence for problem in result.problems)


@pytest.mark.parametrize("status", [Status.SYSTEM, Status.DRAFT])
def test_what_never_leaves_is_not_rendered(quake: Draft, rendered: Render, targets: Targets, status: Status) -> None:
    draft = quake.model_copy(update={"cap": quake.cap.model_copy(update={"status": status})})
    with pytest.raises(Refused):
        rendered(draft, to=targets(Mode.DRILL))


def test_a_limit_that_nothing_fits_is_a_problem_that_says_how_far_off(
    quake: Draft, rendered: Render, targets: Targets
) -> None:
    (target,) = targets(Mode.LIVE, ("mastodon",), ("id",))
    result = rendered(quake, to=[replace(target, limits=replace(target.limits, length=60))])
    assert result.messages == ()
    assert "and only 60 fit" in result.problems[0].sentence


def test_an_imported_alert_speaks_only_its_own_languages(
    agency: Agency, rendered: Render, targets: Targets, now: datetime
) -> None:
    draft = relay(imported(now, ("en-US", "sv-SE")), agency=agency, identifier="R", now=now)
    result = rendered(draft)
    assert {message.language for message in result.messages} == {"en", "mul"}
    assert result.problems == ()
    assert rendered(draft, to=targets(Mode.LIVE, languages=("en", "sv"))) == result
    silent = rendered(relay(imported(now, ("sv-SE",)), agency=agency, identifier="R", now=now))
    assert silent.messages == ()
    assert all("speaks only sv" in problem.sentence for problem in silent.problems)


@pytest.mark.parametrize("msg_type", [MsgType.ALERT, MsgType.UPDATE, MsgType.CANCEL])
def test_a_relay_names_its_source_and_what_the_source_does(
    agency: Agency, rendered: Render, now: datetime, msg_type: MsgType
) -> None:
    theirs = imported(now, ("en",)).model_copy(update={"msg_type": msg_type})
    for message in rendered(relay(theirs, agency=agency, identifier="R", now=now)).messages:
        assert "South Bengkulu Disaster Agency" in message.text
        assert "Met Office" in message.text
        assert ("cancels" in message.text) == (msg_type is MsgType.CANCEL)
        assert ("pdate" in message.text) == (msg_type is MsgType.UPDATE)


def test_letters_given_up_in_a_short_message_are_told_to_the_officer(
    library: HazardLibrary, agency: Agency, rendered: Render, now: datetime
) -> None:
    wordy = agency.model_copy(update={"name": "国家灾害管理局" * 20, "names": {}})
    facts = {
        "headline": "洪水即将到达" * 20,
        "instruction": "请立即前往高处" * 20,
        "area": ["雅加达" * 8],
        "severity": "Severe",
    }
    draft = from_facts(library.get("general"), facts, agency=wordy, status=Status.ACTUAL, identifier="K", now=now)
    result = rendered(draft, by=wordy)
    spoiled = [m for m in result.messages if m.kind == "kannel" and "??" in m.text]
    assert spoiled
    told = [p for p in result.problems if "question marks" in p.sentence]
    assert {p.language for p in told} == {m.language for m in spoiled}
    assert all(p.fallen_back for p in told)
