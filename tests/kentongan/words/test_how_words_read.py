"""How messages read to whoever gets them: what is over by whose word, nothing said twice, nothing to trip a reader."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import yaml
from pydantic import JsonValue

from kentongan import cap
from kentongan.alert import Draft, Kind
from kentongan.cap.model import Status
from kentongan.data import data_path
from kentongan.seam import fill, slots
from kentongan.settings import Agency
from kentongan.words import following
from kentongan.words.assessing import Said
from kentongan.words.assessing import say as said_of
from kentongan.words.composing import composer
from kentongan.words.context import Earlier, Telling, context
from kentongan.words.drafting import from_facts, relay
from kentongan.words.late import late_values
from kentongan.words.library import HazardLibrary
from kentongan.words.shortening import Budget, Shortener
from kentongan.words.specimens import Specimen, specimens

LASTS = timedelta(hours=6)
TSUNAMI: Mapping[str, JsonValue] = {
    "levels": "Awas: Kab. Pacitan",
    "source": "BMKG",
    "origin_time": "2026-11-21 14:05",
    "arrivals": "Kab. Pacitan=2026-11-22 00:41",
}


def block(
    draft: Draft, kind: Kind, name: str, language: str, *, library: HazardLibrary, agency: Agency, now: datetime
) -> str:
    """One block of this draft, as a channel without limits would carry it."""
    hazard, spoken, link = library.get(draft.hazard), library.languages[language], "https://siaga.example/K7Q4"
    names = context(
        draft,
        hazard,
        spoken,
        drafted=hazard,
        agency=agency,
        code="",
        link=link,
        earlier=None if kind is Kind.ALERT else Earlier("M2X8"),
        shortener=Shortener(spoken, link, Budget(spare=True)),
        telling=Telling(),
        together=False,
    )
    text = " ".join(composer(library.root).block(hazard.words(kind, language), name, names))
    values = late_values(
        slots(text),
        language=language,
        languages=library.languages,
        zone=ZoneInfo(agency.timezone),
        sent=now,
        earlier_sent=now,
        reason="sent_by_mistake",
    )
    return fill(text, values)


@pytest.fixture
def tsunami(library: HazardLibrary, agency: Agency, now: datetime) -> Draft:
    hazard = library.get("tsunami")
    return from_facts(hazard, TSUNAMI, agency=agency, status=Status.ACTUAL, identifier="K-1", now=now)


@pytest.mark.parametrize(
    ("language", "event", "over", "withdrawn"),
    [
        ("id", "Peringatan Dini Tsunami", "Peringatan Dini Tsunami telah berakhir", "Peringatan Dini Tsunami ditarik"),
        ("id", "Peringatan tsunami", "Peringatan tsunami telah berakhir", "peringatan tsunami ditarik"),
        ("id", "Banjir", "Bahaya banjir telah berakhir", "banjir ditarik"),
        ("en", "Tsunami warning", "The tsunami warning is over", "about the tsunami warning is withdrawn"),
        ("en", "Flood", "The danger from the flood is over", "about the flood is withdrawn"),
        ("en", "Thunderstorms", "The danger from the thunderstorms is over", "about the thunderstorms is withdrawn"),
    ],
)
def test_what_follows_a_relay_is_about_its_hazard_and_not_about_the_name_of_its_warning(
    quake: Draft,
    library: HazardLibrary,
    agency: Agency,
    now: datetime,
    language: str,
    event: str,
    over: str,
    withdrawn: str,
) -> None:
    info = quake.cap.infos[0].model_copy(update={"language": language, "event": event, "headline": event})
    theirs = cap.Alert.model_validate({**quake.cap.model_dump(), "infos": (info.model_dump(),)})
    relayed = relay(theirs, agency=agency, identifier="R-1", now=now)
    end = following.all_clear(relayed, identifier="R-2", now=now, lasts=LASTS, evidence="Seen by officers.")
    taken_back = following.correction(relayed, identifier="R-3", now=now)
    told = {"library": library, "agency": agency, "now": now}
    assert block(end, Kind.ALL_CLEAR, "headline", language, **told) == over
    assert withdrawn in block(taken_back, Kind.CORRECTION, "headline", language, **told)
    for name in ("headline", "short", "standard", "long", "spoken", "brief"):
        assert over.lower() in block(end, Kind.ALL_CLEAR, name, language, **told).lower()


@pytest.mark.parametrize("language", ["id", "en", "jv", "su"])
def test_an_all_clear_names_the_source_only_where_the_source_has_said_so(
    tsunami: Draft, library: HazardLibrary, agency: Agency, now: datetime, language: str
) -> None:
    def short(evidence: str, *, issuers_end: bool = False) -> str:
        end = following.all_clear(tsunami, identifier="K-2", now=now, lasts=LASTS, evidence=evidence)
        end = end.model_copy(update={"issuers_end": issuers_end})
        return block(end, Kind.ALL_CLEAR, "short", language, library=library, agency=agency, now=now)

    assert "BMKG" not in short("The tide gauge at Prigi has shown nothing for two hours.")
    assert "BMKG" in short("PD-4 of bmkg, 16.20 WIB")
    assert "BMKG" in short("their message", issuers_end=True)


@pytest.mark.parametrize(
    ("language", "said", "reason"),
    [
        ("id", "ditarik karena terkirim tanpa sengaja.", "karena"),
        ("en", "is withdrawn because it was sent by mistake.", "because"),
    ],
)
def test_a_correction_gives_its_reason_in_one_sentence_that_says_it_once(
    tsunami: Draft, library: HazardLibrary, agency: Agency, now: datetime, language: str, said: str, reason: str
) -> None:
    taken_back = following.correction(tsunami, identifier="K-2", now=now)
    for name in ("short", "standard", "long", "spoken"):
        text = block(taken_back, Kind.CORRECTION, name, language, library=library, agency=agency, now=now)
        assert said in text
        assert text.count(reason) == 1
        assert text.startswith(("Ralat", "Correction", "Official correction"))


@pytest.mark.parametrize(
    ("language", "month", "county", "time"),
    [
        ("id", "21 November 2026 pukul 14.20 WIB", "Kabupaten Pacitan", "22 November 2026 pukul 00.41 WIB"),
        ("en", "14:20 WIB on 21 November 2026", "Kabupaten Pacitan", "00:41 WIB on 22 November 2026"),
    ],
)
def test_what_is_read_aloud_has_no_abbreviation(
    tsunami: Draft,
    library: HazardLibrary,
    agency: Agency,
    now: datetime,
    language: str,
    month: str,
    county: str,
    time: str,
) -> None:
    told = {"library": library, "agency": agency, "now": now}
    alert = block(tsunami, Kind.ALERT, "spoken", language, **told)
    assert county in alert
    assert time in alert
    end = following.all_clear(tsunami, identifier="K-2", now=now, lasts=LASTS, evidence="PD-4 of BMKG")
    assert month in block(end, Kind.ALL_CLEAR, "spoken", language, **told)
    for text in (alert, block(end, Kind.ALL_CLEAR, "spoken", language, **told)):
        assert not re.search(r"\bNov\b|Kab\.|\bkm\b", text)
    assert "Kab. Pacitan" in block(tsunami, Kind.ALERT, "short", language, **told)


def words(
    library: HazardLibrary, agency: Agency, now: datetime, name: str, language: str, facts: Mapping[str, JsonValue]
) -> Said:
    hazard = library.get(name)
    every = {**next(specimens(hazard)).facts, **facts}
    specimen = Specimen("test", {key: value for key, value in every.items() if value is not None})
    return said_of(library, hazard, specimen, kind=Kind.ALERT, language=language, agency=agency, now=now)


@pytest.mark.parametrize("language", ["id", "en"])
def test_a_number_to_dial_is_read_digit_by_digit(
    library: HazardLibrary, agency: Agency, now: datetime, language: str
) -> None:
    by = agency.model_copy(update={"contact": "112"})
    told = words(library, by, now, "evacuation", language, {"helpline": None})
    assert "1 1 2" in told.text("spoken")
    assert "112" in told.text("short")
    told = words(library, by, now, "evacuation", language, {"helpline": "0811-7777-112"})
    assert "0 8 1 1 7 7 7 7 1 1 2" in told.text("spoken")
    assert "0811-7777-112" in told.text("short")


@pytest.mark.parametrize(("language", "indoors"), [("id", "tetap di dalam rumah"), ("en", "stay indoors")])
def test_advice_on_smoke_fits_its_level(
    library: HazardLibrary, agency: Agency, now: datetime, language: str, indoors: str
) -> None:
    found = {
        level: words(library, agency, now, "smoke", language, {"air_quality": level}).text("standard").lower()
        for level in library.get("smoke").scales["air_quality"].levels
    }
    assert {level for level, text in found.items() if indoors in text} == {"unhealthy", "very-unhealthy"}
    assert all(text.count(indoors) <= 1 for text in found.values())
    shut = "tutup pintu" if language == "id" else "shut doors"
    for level in found:
        told = words(library, agency, now, "smoke", language, {"air_quality": level}).text("long").lower()
        assert (shut in told) == (level not in ("good", "moderate"))


@pytest.mark.parametrize(
    ("language", "known", "unknown"),
    [
        ("id", "tidak berpotensi tsunami", "Keterangan tentang tsunami belum ada"),
        ("en", "No tsunami is expected", "Nothing is known yet about a tsunami"),
    ],
)
def test_an_earthquake_says_aloud_what_is_known_of_a_tsunami(
    library: HazardLibrary, agency: Agency, now: datetime, language: str, known: str, unknown: str
) -> None:
    for stated, wanted in (("none", known), ("unknown", unknown), (None, unknown)):
        text = words(library, agency, now, "earthquake", language, {"tsunami": stated}).text("spoken")
        assert (known in text, unknown in text) == (wanted == known, wanted == unknown)


@pytest.mark.parametrize(("language", "level"), [("id", "Level III (Siaga)"), ("en", "Level III (Siaga)")])
def test_the_briefest_words_say_the_level_and_whether_it_has_happened(
    library: HazardLibrary, agency: Agency, now: datetime, language: str, level: str
) -> None:
    assert level in words(library, agency, now, "volcano", language, {}).text("brief")
    assert "Siaga 2" in words(library, agency, now, "flood", language, {}).text("brief")
    coming = words(library, agency, now, "landslide", language, {"happened_at": None}).text("brief")
    assert re.search("dapat terjadi|may happen", coming)
    said = words(library, agency, now, "general", language, {f"headline.{language}": "Tanggul jebol"}).text("brief")
    assert "Tanggul jebol" in said


@pytest.mark.parametrize(
    ("event", "headline", "said"),
    [
        ("Hujan Lebat dan Petir", "Hujan Lebat disertai Petir di Banten", ": Hujan Lebat disertai Petir di Banten."),
        ("Banjir", "Tanggul jebol", ": Banjir: Tanggul jebol."),
        ("Api", "Gudang terbakar", ": Api: Gudang terbakar."),
        ("Banjir", "BANJIR besar.", ": BANJIR besar."),
    ],
)
def test_a_relay_says_its_event_once_and_ends_each_quoted_sentence(
    quake: Draft, library: HazardLibrary, agency: Agency, now: datetime, event: str, headline: str, said: str
) -> None:
    changes = {"language": "id", "event": event, "headline": headline, "instruction": "Pindah ke lantai atas"}
    info = quake.cap.infos[0].model_copy(update=changes)
    theirs = cap.Alert.model_validate({**quake.cap.model_dump(), "infos": (info.model_dump(),)})
    relayed = relay(theirs, agency=agency, identifier="R-1", now=now)
    for name in ("short", "standard"):
        text = block(relayed, Kind.ALERT, name, "id", library=library, agency=agency, now=now)
        assert said in text
        assert "Pindah ke lantai atas. " in text
        assert ".." not in text
    brief = block(relayed, Kind.ALERT, "brief", "id", library=library, agency=agency, now=now)
    assert said.rstrip(".") in brief
    assert ".," not in brief


@pytest.mark.parametrize(
    ("language", "height", "level"),
    [("id", "1.500 meter", "Awas (merah)"), ("en", "1,500 metres", "Awas (major warning, red)")],
)
def test_thousands_are_set_apart_and_a_colour_opens_no_second_bracket(
    library: HazardLibrary, agency: Agency, now: datetime, language: str, height: str, level: str
) -> None:
    assert height in words(library, agency, now, "volcano", language, {"ash_height_m": 1500}).text("long")
    told = words(library, agency, now, "tsunami", language, {}).text("long")
    assert level in told
    assert ") (" not in told


def test_the_demo_opens_no_whatsapp_message_with_a_word_that_only_a_warning_may_bear() -> None:
    channels = yaml.safe_load((data_path("configs") / "demo/channels.yaml").read_text("utf-8"))
    templates = [template for channel in channels["channels"].values() for template in channel.get("templates", ())]
    opening = {template["body"].partition("{{1}}")[0].strip() for template in templates}
    assert opening == {"[LATIHAN] Pesan resmi.", "[EXERCISE] Official message."}


@pytest.mark.parametrize("language", ["id", "en"])
def test_an_agency_that_is_named_as_the_source_is_not_said_to_quote_itself(
    library: HazardLibrary, agency: Agency, now: datetime, language: str
) -> None:
    told = words(library, agency, now, "earthquake", language, {"source": agency.name})
    own = agency.names.get(language, agency.name)
    for name in ("short", "standard", "long", "spoken", "brief"):
        quoted = rf"(\(data|menurut|berasal dari|bersama|says|come from|with) {re.escape(own)}|{re.escape(own)} data"
        assert not re.search(quoted, told.text(name))
        assert language == "id" or agency.name not in told.text(name)
