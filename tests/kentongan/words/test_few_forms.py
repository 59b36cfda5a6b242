"""Languages that have only short and spoken words, and details that can be spared."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from pydantic import JsonValue

from kentongan.alert import Draft, Kind
from kentongan.cap.model import Status
from kentongan.data import data_path
from kentongan.errors import BadConfig, BadInput
from kentongan.seam import Mode
from kentongan.settings import Agency
from kentongan.words.drafting import from_facts
from kentongan.words.library import HazardLibrary
from kentongan.words.library import library as read_library
from kentongan.words.rendering import Earlier, Renderings, Target
from kentongan.words.specimens import of_kind

Render = Callable[..., Renderings]
Targets = Callable[..., tuple[Target, ...]]
FACTS: Mapping[str, JsonValue] = {
    "levels": "Awas: Kab. Pacitan, Kab. Trenggalek; Siaga: Kab. Cilacap; Waspada: Kab. Bantul",
    "origin_time": "2026-11-21 14:05",
    "arrivals": "Kab. Pacitan=2026-11-21 14:41; Kab. Cilacap=2026-11-21 14:55",
    "source": "BMKG",
}
LANGUAGES = ("jv", "id", "en")


@pytest.fixture(scope="module")
def javanese(agency: Agency) -> Agency:
    return agency.model_copy(update={"languages": LANGUAGES})


@pytest.fixture(scope="module")
def tsunami(library: HazardLibrary, javanese: Agency, now: datetime) -> Draft:
    hazard = library.get("tsunami")
    return from_facts(hazard, FACTS, agency=javanese, status=Status.ACTUAL, identifier="K-1", now=now)


@pytest.mark.parametrize("kind", list(Kind))
def test_it_speaks_on_short_channels_and_gives_way_to_the_next_elsewhere(
    tsunami: Draft, javanese: Agency, rendered: Render, targets: Targets, now: datetime, kind: Kind
) -> None:
    result = rendered(
        of_kind(tsunami, kind, now=now),
        kind=kind,
        earlier=None if kind is Kind.ALERT else Earlier("M2X8"),
        by=javanese,
        to=targets(Mode.LIVE, languages=LANGUAGES),
    )
    assert [(message.kind, message.language) for message in result.messages] == [
        ("mastodon", "id"),
        ("mastodon", "en"),
        ("telegram", "id"),
        ("telegram", "en"),
        ("kannel", "jv"),
        ("kannel", "id"),
        ("kannel", "en"),
        ("cap_feed", "mul"),
    ]
    assert [(problem.instance, problem.language) for problem in result.problems] == [
        ("mastodon-live", "jv"),
        ("telegram-live", "jv"),
        ("cap_feed-live", "jv"),
    ]
    assert all(problem.other_language and problem.fallen_back for problem in result.problems)
    assert all("get id" in problem.sentence for problem in result.problems)
    page = result.messages[-1].documents[1].text
    assert 'lang="id"' in page
    assert 'lang="jv"' not in page


def test_readers_of_it_alone_get_the_agencys_next_language(
    tsunami: Draft, javanese: Agency, rendered: Render, targets: Targets
) -> None:
    result = rendered(tsunami, by=javanese, to=targets(Mode.LIVE, ("kannel", "mastodon"), ("jv",)))
    assert [(message.kind, message.language) for message in result.messages] == [("kannel", "jv"), ("mastodon", "id")]


def test_where_it_does_not_fit_or_render_the_next_language_speaks_and_not_half_a_text(
    tmp_path: Path, tsunami: Draft, javanese: Agency, rendered: Render, targets: Targets
) -> None:
    (sms,) = targets(Mode.LIVE, ("kannel",), ("jv",))
    root = tmp_path / "templates"
    shutil.copytree(data_path("templates"), root)
    path = root / "hazards/tsunami/alert.jv.j2"
    path.write_text(path.read_text("utf-8").replace("{% block short %}", "{% block short %}{{ nothing }}"), "utf-8")
    result = rendered(tsunami, by=javanese, to=[sms], templates=read_library(root))
    assert [message.language for message in result.messages] == ["id"]
    (problem,) = result.problems
    assert "'nothing' is undefined" in problem.sentence
    assert problem.other_language
    both = rendered(
        tsunami, by=javanese, to=[replace(sms, languages=("jv", "id"))], templates=read_library(root)
    ).messages
    assert [message.language for message in both] == ["id"]


def test_it_says_what_the_others_say_and_has_no_info_block(tsunami: Draft, rendered: Render, javanese: Agency) -> None:
    assert tsunami.languages == LANGUAGES
    assert [info.language for info in tsunami.cap.infos] == ["id", "en"]
    assert all(info.expires for info in tsunami.cap.infos)


def test_a_hazard_without_such_words_is_silent_in_it(
    library: HazardLibrary, javanese: Agency, rendered: Render, targets: Targets, now: datetime
) -> None:
    draft = from_facts(
        library.get("general"),
        {"headline": "Tanggul jebol", "instruction": "Pindah.", "headline.id": "Tanggul", "instruction.id": "Pindah."},
        agency=javanese,
        status=Status.ACTUAL,
        identifier="K",
        now=now,
    )
    assert draft.languages == ("id",)


def test_an_agency_that_speaks_it_alone_is_told_to_add_another(
    library: HazardLibrary, agency: Agency, now: datetime
) -> None:
    alone = agency.model_copy(update={"languages": ("jv",)})
    with pytest.raises(BadInput, match="words for every form in none of jv; add a language"):
        from_facts(library.get("tsunami"), FACTS, agency=alone, status=Status.ACTUAL, identifier="K", now=now)


def test_an_unknown_form_of_a_language_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "templates"
    shutil.copytree(data_path("templates"), root)
    path = root / "languages/jv.yaml"
    path.write_text(path.read_text("utf-8").replace("forms: [short", "forms: [shout"), "utf-8")
    with pytest.raises(BadConfig, match=r"jv\.yaml: forms: 'shout' is no form"):
        read_library(root)


def test_what_can_be_spared_goes_before_a_place_or_an_action(
    tsunami: Draft, javanese: Agency, rendered: Render, targets: Targets
) -> None:
    (target,) = targets(Mode.LIVE, ("mastodon",), ("id",))

    def text(length: int) -> str:
        fitting = replace(target, limits=replace(target.limits, length=length))
        (message,) = rendered(tsunami, by=javanese, to=[fitting]).messages
        return message.text

    every_place = ("Kab. Pacitan", "Kab. Trenggalek", "Kab. Cilacap", "Kab. Bantul")
    assert "Tiba" in text(450) or "tiba" in text(450)
    shorter = next(text(length) for length in range(449, 300, -1) if "iba:" not in text(length))
    assert all(place in shorter for place in every_place)
    assert "Segera jauhi pantai" in shorter
    # What fits nowhere else is said in the brief form, with the place and what to do.
    brief = text(220)
    assert "jauhi pantai" in brief
    assert "Pacitan" in brief


def test_only_the_first_shortened_list_says_where_the_rest_stands(
    library: HazardLibrary, agency: Agency, rendered: Render, targets: Targets, now: datetime
) -> None:
    levels = "; ".join(
        f"{level}: " + ", ".join(f"Kab. {level} {number}" for number in range(20)) for level in ("Awas", "Siaga")
    )
    draft = from_facts(
        library.get("tsunami"), {"levels": levels}, agency=agency, status=Status.ACTUAL, identifier="K", now=now
    )
    (message,) = rendered(draft, to=targets(Mode.LIVE, ("kannel",), ("id",))).messages
    assert message.text.count("https://") == 1
    assert message.text.count(" lainnya") == 2
