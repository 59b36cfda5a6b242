"""One tsunami is one thread: BMKG's PD-1 to PD-4 as alert, update, update and all-clear."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from kentongan.alert import Draft, Kind
from kentongan.cap.model import MsgType, ResponseType, Severity, Status
from kentongan.errors import BadInput
from kentongan.seam import Mode, fill, slots
from kentongan.settings import Agency
from kentongan.words import following
from kentongan.words.cleaning import clean
from kentongan.words.codes import codes_in
from kentongan.words.counting import count
from kentongan.words.drafting import from_facts
from kentongan.words.late import at_widest, late_values
from kentongan.words.library import HazardLibrary
from kentongan.words.rendering import Earlier, Renderings, Target
from kentongan.words.specimens import of_kind

Render = Callable[..., Renderings]
Targets = Callable[..., tuple[Target, ...]]
ZONE = ZoneInfo("Asia/Jakarta")
PD_1: Mapping[str, JsonValue] = {
    "levels": "Awas: Kab. Pacitan; Siaga: Kab. Cilacap",
    "bulletin": "PD-1",
    "origin_time": "2026-11-21 14:05",
    "magnitude": "7.6",
    "place": "210 km selatan Pacitan",
    "source": "BMKG",
}
PD_2 = {**PD_1, "bulletin": "PD-2", "magnitude": "7.8", "arrivals": "Kab. Pacitan=2026-11-21 14:41"}
PD_3 = {
    **PD_2,
    "bulletin": "PD-3",
    "heights": "Kab. Pacitan=1.3",
    "levels": "Siaga: Kab. Pacitan; Waspada: Kab. Cilacap, Kab. Bantul",
}


@pytest.fixture
def drafted(library: HazardLibrary, agency: Agency, now: datetime) -> Callable[[Mapping[str, JsonValue], str], Draft]:
    def draft(facts: Mapping[str, JsonValue], identifier: str) -> Draft:
        hazard = library.get("tsunami")
        return from_facts(hazard, facts, agency=agency, status=Status.ACTUAL, identifier=identifier, now=now)

    return draft


def test_the_bulletins_make_a_thread_in_which_each_says_what_it_is(
    drafted: Callable[[Mapping[str, JsonValue], str], Draft],
    rendered: Render,
    targets: Targets,
    library: HazardLibrary,
    now: datetime,
) -> None:
    first = drafted(PD_1, "K-1")
    second = following.update(drafted(PD_2, "K-2"), first)
    third = following.update(drafted(PD_3, "K-3"), second)
    last = following.all_clear(third, identifier="K-4", now=now, lasts=timedelta(hours=6), evidence="PD-4 of BMKG")
    thread = [(first, Kind.ALERT), (second, Kind.UPDATE), (third, Kind.UPDATE), (last, Kind.ALL_CLEAR)]
    assert [draft.cap.msg_type for draft, _ in thread] == [MsgType.ALERT, *[MsgType.UPDATE] * 3]
    assert [draft.cap.infos[0].severity for draft, _ in thread] == [
        Severity.EXTREME,
        Severity.EXTREME,
        Severity.SEVERE,
        Severity.MINOR,
    ]
    assert last.cap.infos[0].response_types == (ResponseType.ALL_CLEAR,)

    def text(step: int, block_channel: str, language: str) -> str:
        draft, kind = thread[step]
        earlier = None if kind is Kind.ALERT else Earlier("M2X8", now)
        made = rendered(draft, kind=kind, earlier=earlier, to=targets(Mode.LIVE, (block_channel,), (language,)))
        assert made.problems == ()
        (message,) = made.messages
        values = late_values(slots(message.text), language=language, languages=library.languages, zone=ZONE, sent=now)
        return fill(message.text, values)

    for channel in ("kannel", "telegram"):
        pd_1, pd_2, pd_3, pd_4 = (text(step, channel, "id") for step in range(4))
        assert "Pembaruan" not in pd_1
        for later in (pd_2, pd_3):
            assert "Pembaruan" in later
            assert "pesan kami" in later
            assert "21 Nov 2026 14.20 WIB" in later
        assert "14.41 WIB" in pd_2
        for word in ("Awas", "Siaga"):
            assert word in pd_1
        assert "Kab. Bantul" in pd_3
        assert "Awas: " not in pd_3
        assert "telah berakhir" in pd_4
        assert "menurut BMKG" in pd_4 or "berasal dari BMKG" in pd_4
        for place in ("Kab. Pacitan", "Kab. Cilacap", "Kab. Bantul"):
            assert place in pd_4
        assert not any("telah berakhir" in earlier for earlier in (pd_1, pd_2, pd_3))
    assert "1,3 m" in text(2, "telegram", "id")
    assert "PD-3" in text(2, "telegram", "en")


@pytest.mark.parametrize("status", [Status.ACTUAL, Status.EXERCISE])
def test_the_shortest_update_says_the_level_that_it_is_about(
    library: HazardLibrary, agency: Agency, rendered: Render, targets: Targets, now: datetime, status: Status
) -> None:
    hazard = library.get("tsunami")
    first, second = (
        from_facts(hazard, facts, agency=agency, status=status, identifier=facts["bulletin"], now=now)  # type: ignore[arg-type]
        for facts in (PD_1, PD_3)
    )
    mode = Mode.LIVE if status is Status.ACTUAL else Mode.DRILL
    (target,) = targets(mode, ("mastodon",), ("id", "en"))
    post = replace(target, instance="x", kind="x", limits=replace(target.limits, counting="x", length=280))
    made = rendered(following.update(second, first), kind=Kind.UPDATE, earlier=Earlier("M2X8", now), to=(post,))
    for message, update in zip(made.messages, ("Pembaruan", "Update"), strict=True):
        assert update in message.text
        assert "Siaga" in message.text
        assert "Kab. Pacitan" in message.text


def test_an_update_whose_alert_is_not_out_names_no_earlier_message(
    drafted: Callable[[Mapping[str, JsonValue], str], Draft], rendered: Render
) -> None:
    update = following.update(drafted(PD_2, "K-2"), drafted(PD_1, "K-1"))
    for message in rendered(update, kind=Kind.UPDATE, earlier=None).messages:
        assert not any(name.startswith("earlier_sent") for name in slots(message.text))
        assert "pesan kami" not in message.text.split("Peringatan tsunami")[0]


def test_a_sea_that_rises_without_a_known_cause_is_said_as_such(
    drafted: Callable[[Mapping[str, JsonValue], str], Draft], rendered: Render, targets: Targets
) -> None:
    draft = drafted({"levels": "Siaga: Kab. Pandeglang"}, "K-1")
    (telegram,) = rendered(draft, to=targets(Mode.LIVE, ("telegram",), ("id",))).messages
    assert "Penyebabnya sedang diperiksa" in telegram.text
    assert "Gempa" not in telegram.text
    assert "jauhi pantai" in telegram.text


names = (
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)
    | st.sampled_from(
        ["<b>", "{{ 7 }}", "[LATIHAN]", "M2X8-ID", "\ue000sent\ue001", "x" * 120, "\u6d25\u6ce2", "A:B", "a=b"]
    )
).filter(clean)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    places=st.lists(names, min_size=1, max_size=40, unique_by=lambda name: clean(name).casefold()),
    graded=st.lists(st.sampled_from(["waspada", "siaga", "awas"]), min_size=40, max_size=40),
    with_arrivals=st.booleans(),
    kind=st.sampled_from(Kind),
    status=st.sampled_from([Status.ACTUAL, Status.EXERCISE]),
)
def test_whatever_places_a_warning_names_every_channel_gets_a_message_that_keeps_the_rules(
    library: HazardLibrary, agency: Agency, rendered: Render, now: datetime,
    places: list[str], graded: list[str], with_arrivals: bool, kind: Kind, status: Status,
) -> None:  # fmt: skip
    named = list(zip(places, graded, strict=False))
    levels = {level: [place for place, own in named if own == level] for _, level in named}
    facts: dict[str, Any] = {"levels": levels}
    if with_arrivals:
        facts["arrivals"] = dict.fromkeys(places, "2026-11-21 14:41")
    speaking = agency.model_copy(update={"languages": ("jv", "id", "en")})
    try:
        draft = from_facts(library.get("tsunami"), facts, agency=speaking, status=status, identifier="K", now=now)
    except BadInput:
        return
    earlier = None if kind is Kind.ALERT else Earlier("M2X8")
    result = rendered(of_kind(draft, kind, now=now), kind=kind, earlier=earlier, by=speaking)
    forged = any("M2X8-ID" in name for name in places)
    reached = {message.instance for message in result.messages}
    assert len(reached) == 4 or forged
    limits = {"mastodon": ("mastodon", 500), "telegram": ("telegram", 4096), "kannel": ("sms", 3)}
    for message in result.messages:
        assert codes_in(message.text) == {"K7Q4"}
        if message.kind in limits:
            rule, most = limits[message.kind]
            own = library.languages[message.language]
            assert count(at_widest(message.text, own, library.languages, ZONE), rule) <= most
