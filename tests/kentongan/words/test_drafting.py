from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kentongan import cap
from kentongan.alert import Draft
from kentongan.cap.model import Category, Certainty, MsgType, ResponseType, Scope, Severity, Status, Urgency
from kentongan.errors import BadInput, Refused
from kentongan.settings import Agency
from kentongan.words.drafting import from_facts, lowered, relay
from kentongan.words.following import correction
from kentongan.words.library import HazardLibrary

NEEDED = {"magnitude": 5.6, "origin_time": "2026-11-21T14:05:00+07:00", "place": "28 km barat laut Manna"}


def test_facts_become_one_info_a_language(quake: Draft, agency: Agency, now: datetime) -> None:
    assert quake.languages == ("id", "en")
    assert [info.language for info in quake.cap.infos] == ["id", "en"]
    assert [info.event for info in quake.cap.infos] == ["Gempa bumi", "Earthquake"]
    assert [info.sender_name for info in quake.cap.infos] == ["BPBD Bengkulu Selatan", "South Bengkulu Disaster Agency"]
    assert quake.cap.sent == now
    assert quake.cap.source == "BMKG"
    assert quake.expires == now + timedelta(hours=6)
    assert quake.cap.infos[0].areas == (cap.Area(area_desc="Manna; Kota Bengkulu", circles=((-4.46, 102.9, 100.0),)),)


@pytest.mark.parametrize(
    ("tsunami", "expected"),
    [("possible", ResponseType.EVACUATE), ("none", ResponseType.AVOID), ("unknown", ResponseType.AVOID)],
)
def test_the_response_follows_from_the_facts(
    library: HazardLibrary, agency: Agency, now: datetime, tsunami: str, expected: ResponseType
) -> None:
    facts = {**NEEDED, "tsunami": tsunami, "severity": "Severe", "expires": "2026-11-22 01:00"}
    draft = from_facts(library.get("earthquake"), facts, agency=agency, status=Status.ACTUAL, identifier="K", now=now)
    info = draft.cap.infos[0]
    assert info.response_types[0] is expected
    assert info.severity is Severity.SEVERE
    assert info.urgency is Urgency.IMMEDIATE
    assert info.expires is not None
    assert info.expires.isoformat() == "2026-11-22T01:00:00+07:00"
    assert info.areas == ()


def test_an_area_without_a_name_is_named_by_its_coordinates(
    library: HazardLibrary, agency: Agency, now: datetime
) -> None:
    facts = {"headline": "Tanggul jebol", "instruction": "Pindah.", "polygon": "-4,102 -4,103 -5,103"}
    draft = from_facts(library.get("general"), facts, agency=agency, status=Status.ACTUAL, identifier="K", now=now)
    area = draft.cap.infos[0].areas[0]
    assert area.area_desc == "-4,102 -4,103 -5,103"
    assert area.polygons[0][0] == area.polygons[0][-1]


def test_free_words_speak_only_the_languages_they_are_given_in(
    library: HazardLibrary, agency: Agency, now: datetime
) -> None:
    general = library.get("general")
    facts = {"headline": "Tanggul jebol", "instruction": "Pindah ke lantai atas.", "hazard": "Banjir"}
    draft = from_facts(general, facts, agency=agency, status=Status.ACTUAL, identifier="K", now=now)
    assert draft.languages == ("id",)
    assert draft.cap.infos[0].event == "Banjir"

    both = {**facts, "headline.en": "Levee broken", "instruction.en": "Go upstairs.", "hazard.en": "Flood"}
    draft = from_facts(general, both, agency=agency, status=Status.ACTUAL, identifier="K", now=now)
    assert draft.languages == ("id", "en")
    assert draft.cap.infos[1].headline == "Levee broken"
    assert draft.cap.infos[1].event == "Flood"


def test_a_hazard_that_speaks_none_of_our_languages_says_so(
    library: HazardLibrary, agency: Agency, now: datetime
) -> None:
    swedish = agency.model_copy(update={"languages": ("sv",)})
    with pytest.raises(BadInput, match=r"no words in sv.*add templates/hazards/earthquake/alert\.sv\.j2"):
        from_facts(library.get("earthquake"), NEEDED, agency=swedish, status=Status.ACTUAL, identifier="K", now=now)


def test_a_relay_has_our_name_and_keeps_the_origin(agency: Agency, now: datetime) -> None:
    info = cap.Info(
        language="en-US",
        categories=(Category.MET,),
        event="Storm",
        urgency=Urgency.EXPECTED,
        severity=Severity.SEVERE,
        certainty=Certainty.LIKELY,
        sender_name="Met Office",
    )
    theirs = cap.Alert(
        identifier="theirs-1",
        sender="met@example",
        sent=now - timedelta(hours=1),
        status=Status.ACTUAL,
        msg_type=MsgType.UPDATE,
        scope=Scope.PUBLIC,
        infos=(info, info.model_copy(update={"language": "sv-SE"})),
        references=(cap.Reference(sender="met@example", identifier="theirs-0", sent=now),),
    )
    draft = relay(theirs, agency=agency, identifier="ours-1", now=now)
    assert (draft.cap.sender, draft.cap.identifier, draft.cap.sent) == (agency.sender, "ours-1", now)
    assert draft.origin is not None
    assert (draft.origin.sender, draft.origin.sender_name, draft.origin.identifier) == (
        "met@example",
        "Met Office",
        "theirs-1",
    )
    assert draft.languages == ("en", "sv")
    assert draft.cap.infos == theirs.infos
    assert draft.cap.references == theirs.references
    bare = relay(theirs.model_copy(update={"infos": ()}), agency=agency, identifier="ours-2", now=now)
    assert bare.languages == ("id", "en")
    assert bare.origin is not None
    assert bare.origin.sender_name == "met@example"


@given(st.sampled_from(Status), st.sampled_from(Status))
def test_status_is_only_ever_lowered(quake: Draft, current: Status, wanted: Status) -> None:
    draft = quake.model_copy(update={"cap": quake.cap.model_copy(update={"status": current})})
    if wanted is current or wanted in (Status.EXERCISE, Status.TEST):
        assert lowered(draft, wanted).cap.status is wanted
    else:
        with pytest.raises(Refused) as error:
            lowered(draft, wanted)
        assert error.value.rule == "mode"


def test_a_correction_is_a_cancel_that_references_and_never_ends(quake: Draft, now: datetime) -> None:
    withdrawal = correction(quake, identifier="K-2", now=now)
    assert withdrawal.cap.msg_type is MsgType.CANCEL
    assert withdrawal.cap.references == (cap.Reference(sender=quake.cap.sender, identifier="K-1", sent=quake.cap.sent),)
    assert withdrawal.cap.identifier == "K-2"
    assert withdrawal.cap.status is quake.cap.status
    assert withdrawal.expires is None
    assert all(info.response_types == () for info in withdrawal.cap.infos)
    assert withdrawal.facts == quake.facts
