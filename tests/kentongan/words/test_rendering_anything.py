"""Whatever facts officers type and whatever other agencies send: every message keeps the rules."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kentongan import cap
from kentongan.alert import Kind
from kentongan.cap.model import MsgType, Status
from kentongan.errors import BadInput
from kentongan.settings import Agency
from kentongan.words.drafting import from_facts, relay
from kentongan.words.library import HazardLibrary
from kentongan.words.rendering import Earlier, Renderings, Target
from kentongan.words.specimens import of_kind
from tests.kentongan.words.foreign import imported
from tests.kentongan.words.leaving import check

Render = Callable[..., Renderings]
Targets = Callable[..., tuple[Target, ...]]


hostile = st.sampled_from(
    [
        "<script>alert(1)</script>",
        "{{ 7 * 7 }}",
        "{% raw %}",
        "</b>",
        "&amp;",
        "[LATIHAN]",
        "[EXERCISE] THIS IS ONLY AN EXERCISE, NOT A REAL EVENT",
        "\u202eturned",
        "\ue000sent\ue001",
        "\x00\x1b",
        "\n\n",
        "K7Q4",
        "A, B; C",
        "x" * 300,
        "NO END " * 100,
        "😀" * 30,
        "\u0641\u064a\u0636\u0627\u0646",
        "\u5927\u96e8\u7279\u5831" * 40,
        "https://elsewhere.example/a?b=c",
        "@someone@else.example",
    ]
)
lines = st.one_of(hostile, st.text(st.characters(codec="utf-8"), max_size=60))
texts = st.lists(lines, min_size=1, max_size=4).map(" ".join)
statuses = st.sampled_from([Status.ACTUAL, Status.EXERCISE, Status.TEST])
thorough = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@thorough
@given(
    place=texts, source=texts, felt=st.lists(texts, max_size=4), area=st.lists(texts, max_size=30),
    tsunami=st.sampled_from(["none", "possible", "unknown"]), status=statuses, kind=st.sampled_from(Kind),
)  # fmt: skip
def test_whatever_the_facts_say_every_message_keeps_the_rules(
    library: HazardLibrary, agency: Agency, rendered: Render, now: datetime,
    place: str, source: str, felt: list[str], area: list[str], tsunami: str, status: Status, kind: Kind,
) -> None:  # fmt: skip
    facts: dict[str, Any] = {"magnitude": 5.6, "origin_time": "2026-11-21 14:05", "place": place, "source": source}
    facts["tsunami"] = tsunami
    facts |= {name: value for name, value in (("felt", felt), ("area", area)) if value}
    try:
        draft = from_facts(
            library.get("earthquake"), facts,
            agency=agency, status=status, identifier="K", now=now,
        )  # fmt: skip
    except BadInput:
        return
    draft = of_kind(draft, kind, now=now)
    result = rendered(draft, kind=kind, earlier=Earlier("M2X8"))
    assert len(result.messages) == 7
    assert all(problem.fallen_back for problem in result.problems)
    for message in result.messages:
        check(message, library, draft, "K7Q4", now)


@thorough
@given(
    event=texts, headline=st.none() | texts, description=st.none() | texts, instruction=st.none() | texts,
    sender_name=st.none() | texts, areas=st.lists(texts, max_size=8), status=statuses, kind=st.sampled_from(Kind),
    infos=st.integers(0, 2), ends=st.booleans(), msg_type=st.sampled_from(MsgType),
)  # fmt: skip
def test_any_imported_alert_renders_and_keeps_the_rules(
    library: HazardLibrary, agency: Agency, rendered: Render, now: datetime, event: str, headline: str | None,
    description: str | None, instruction: str | None, sender_name: str | None, areas: list[str], status: Status,
    kind: Kind, infos: int, ends: bool, msg_type: MsgType,
) -> None:  # fmt: skip
    theirs = imported(
        now, ("id", "en")[:infos], event=event, headline=headline, description=description, instruction=instruction,
        sender_name=sender_name, expires=now if ends else None, areas=tuple(cap.Area(area_desc=area) for area in areas),
    )  # fmt: skip
    draft = relay(
        theirs.model_copy(update={"status": status, "msg_type": msg_type}), agency=agency, identifier="R", now=now
    )
    draft = of_kind(draft, kind, now=now)
    result = rendered(draft, kind=kind, earlier=Earlier("M2X8"))
    assert len(result.messages) == {0: 7, 1: 4, 2: 7}[infos]
    for message in result.messages:
        check(message, library, draft, "K7Q4", now)
