"""Messages made of templates that a provider has approved: what officers read is what citizens will read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kentongan.alert import Draft, Kind
from kentongan.approved import ApprovedTemplate
from kentongan.cap.model import Status
from kentongan.ledger.renderings import rendered_from_json, rendered_to_json
from kentongan.seam import Limits, Mode, slots
from kentongan.words import following
from kentongan.words.late import at_widest
from kentongan.words.library import HazardLibrary
from kentongan.words.rendering import Earlier, Renderings, Target

LIVE = "Peringatan resmi BPBD: {{1}}. {{2}} Info {{3}} Kode {{4}}. Tetap tenang."
DRILL = f"[LATIHAN] {LIVE} [LATIHAN]"
PARAMETERS = ("headline", "message", "link", "code")
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Co")), max_size=30)


def approved(body: str = LIVE, kind: Kind = Kind.ALERT, **changes: Any) -> ApprovedTemplate:
    fields: dict[str, Any] = {"kind": kind, "language": "id", "name": "warning", "code": "id", "body": body}
    return ApprovedTemplate.model_validate({**fields, "parameters": PARAMETERS, **changes})


def target(templates: Sequence[ApprovedTemplate], mode: Mode = Mode.LIVE, length: int = 1024) -> Target:
    return Target(
        instance="wa",
        kind="whatsapp",
        mode=mode,
        sandbox=False,
        limits=Limits("characters", length, rate=1, concurrency=1, deadline=10, deliver_within=3600),
        public=False,
        languages=("id",),
        approved=templates,
    )


@pytest.fixture
def drilled(quake: Draft) -> Callable[[Status], Draft]:
    return lambda status: quake.model_copy(update={"cap": quake.cap.model_copy(update={"status": status})})


def test_the_text_is_the_approved_body_with_its_places_filled(
    quake: Draft, rendered: Callable[..., Renderings]
) -> None:
    made = rendered(quake, to=[target([approved()])])
    own = [problem for problem in made.problems if problem.language == "id"]
    assert own == []
    (message,) = made.messages
    template = message.template
    assert template is not None
    assert (template.name, template.language) == ("warning", "id")
    assert message.text == approved().said(template.parameters)
    headline, words, link, code = template.parameters
    assert headline == message.title
    assert "magnitudo 5,6" in words
    assert link == message.link
    assert code == "K7Q4-ID"


def test_no_parameter_holds_what_the_provider_refuses(quake: Draft, rendered: Callable[..., Renderings]) -> None:
    (message,) = rendered(quake, to=[target([approved()])]).messages
    assert message.template is not None
    for parameter in message.template.parameters:
        assert parameter == " ".join(parameter.split())
        assert parameter


def test_late_facts_are_filled_in_the_text_and_in_the_parameters_alike(
    quake: Draft, rendered: Callable[..., Renderings]
) -> None:
    (message,) = rendered(quake, to=[target([approved()])]).messages
    assert message.template is not None
    assert slots(message.text) == frozenset({"sent"})
    whole = message.filled({"sent": "21 Nov 2026 14.20 WIB"})
    assert whole.template is not None
    assert approved().said(whole.template.parameters) == whole.text
    assert not any(slots(parameter) for parameter in whole.template.parameters)
    with pytest.raises(KeyError):
        message.filled({})


@pytest.mark.parametrize("length", [1024, 700, 500, 400])
def test_the_fullest_form_that_fits_with_its_widest_facts_is_taken(
    quake: Draft, rendered: Callable[..., Renderings], library: HazardLibrary, length: int
) -> None:
    (message,) = rendered(quake, to=[target([approved()], length=length)]).messages
    widest = at_widest(message.text, library.languages["id"], library.languages, ZoneInfo("Asia/Jakarta"))
    assert len(widest) <= length


def test_a_template_that_is_too_long_by_itself_renders_nothing(
    quake: Draft, rendered: Callable[..., Renderings]
) -> None:
    made = rendered(quake, to=[target([approved(f"{'x' * 1000} {LIVE}")])])
    assert made.messages == ()
    assert "only 1024 fit" in made.problems[0].sentence


@pytest.mark.parametrize(
    ("status", "body"), [(Status.EXERCISE, DRILL), (Status.TEST, DRILL.replace("LATIHAN", "UJI COBA"))]
)
def test_a_drill_takes_the_template_that_carries_its_own_mark(
    drilled: Callable[[Status], Draft], rendered: Callable[..., Renderings], status: Status, body: str
) -> None:
    templates = [
        approved(LIVE, name="live"),
        approved(DRILL, name="exercise"),
        approved(DRILL.replace("LATIHAN", "UJI COBA"), name="test"),
    ]
    (message,) = rendered(drilled(status), to=[target(templates, Mode.DRILL)]).messages
    assert message.template is not None
    assert message.template.name == status.value.lower()
    assert message.text == approved(body).said(message.template.parameters)
    assert message.text.startswith(message.mark)
    assert message.text.endswith(message.mark)


@pytest.mark.parametrize("body", [LIVE, f"[LATIHAN] {LIVE}", f"{LIVE} [LATIHAN]", f"(LATIHAN) {LIVE} (LATIHAN)"])
def test_a_drill_finds_no_template_without_its_mark_first_and_last(
    drilled: Callable[[Status], Draft], rendered: Callable[..., Renderings], body: str
) -> None:
    made = rendered(drilled(Status.EXERCISE), to=[target([approved(body)], Mode.DRILL)])
    assert made.messages == ()
    assert "begins and ends with [LATIHAN] is approved" in made.problems[0].sentence


@pytest.mark.parametrize("mark", ["[LATIHAN]", "[UJI COBA]", "[EXERCISE]"])
def test_a_live_alert_never_takes_a_template_that_bears_a_mark(
    quake: Draft, rendered: Callable[..., Renderings], mark: str
) -> None:
    made = rendered(quake, to=[target([approved(f"{mark} {LIVE} {mark}")])])
    assert made.messages == ()
    assert "without a drill mark is approved" in made.problems[0].sentence


@pytest.mark.parametrize("changes", [{"kind": Kind.CORRECTION}, {"language": "en"}])
def test_a_template_for_another_kind_or_language_is_not_used(
    quake: Draft, rendered: Callable[..., Renderings], changes: dict[str, Any]
) -> None:
    made = rendered(quake, to=[target([approved(**changes)])])
    assert made.messages == ()
    assert "no template for alert in id" in made.problems[0].sentence
    assert "channels.yaml" in made.problems[0].remedy


def test_a_template_that_asks_for_what_the_layout_lacks_says_so(
    quake: Draft, rendered: Callable[..., Renderings]
) -> None:
    made = rendered(
        quake, to=[target([approved("A {{1}} {{2}} {{3}} {{4}} b", parameters=(*PARAMETERS[:3], "colour"))])]
    )
    assert made.messages == ()
    assert "has no block colour" in made.problems[0].sentence


def test_a_template_without_the_alert_code_is_refused(quake: Draft, rendered: Callable[..., Renderings]) -> None:
    made = rendered(quake, to=[target([approved("A {{1}} b", parameters=("headline",))])])
    assert made.messages == ()
    assert "alert code" in made.problems[0].sentence


def test_a_correction_has_a_template_of_its_own(
    quake: Draft, rendered: Callable[..., Renderings], now: datetime
) -> None:
    draft = following.correction(quake, identifier="K-2", now=now)
    own = approved("Ralat resmi: {{1}} Kode {{2}}.", Kind.CORRECTION, name="withdrawn", parameters=("message", "code"))
    made = rendered(draft, kind=Kind.CORRECTION, code="W9MN", earlier=Earlier("K7Q4"), to=[target([approved(), own])])
    (message,) = made.messages
    assert message.template is not None
    assert message.template.name == "withdrawn"
    assert "reason" in slots(message.template.parameters[0])


def test_the_ledger_keeps_a_template_as_it_was(quake: Draft, rendered: Callable[..., Renderings]) -> None:
    (message,) = rendered(quake, to=[target([approved()])]).messages
    assert rendered_from_json(rendered_to_json(message)) == message
    assert message.template is not None
    other = replace(message, template=replace(message.template, name="other"))
    assert rendered_to_json(other) != rendered_to_json(message), "what officers sign covers the template"
    assert rendered_from_json(rendered_to_json(replace(message, template=None))).template is None


@given(st.lists(WORDS, min_size=2, max_size=2))
def test_what_stands_in_a_parameter_is_never_taken_for_a_place(words: list[str]) -> None:
    template = approved("a {{2}} b {{1}} c", parameters=("message", "code"))
    assert template.said(words) == f"a {words[1]} b {words[0]} c"
    assert template.said(["{{2}}", "{{1}}"]) == "a {{1}} b {{2}} c"


@pytest.mark.parametrize(
    ("body", "parameters"),
    [("a", ("message",)), ("a {{1}} {{2}}", ("message",)), ("a {{2}}", ("message",)), ("a {{0}}", ("message",))],
)
def test_places_and_parameters_must_agree(body: str, parameters: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError, match="numbered places"):
        approved(body, parameters=parameters)
