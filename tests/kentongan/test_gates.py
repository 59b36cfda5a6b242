"""The gates, each as its whole truth table, and the one property that matters: nothing crosses the line of its mode."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kentongan import gates
from kentongan.alert import Draft
from kentongan.cap import Alert, Area, Info, NamedValue
from kentongan.cap.model import Category, Certainty, MsgType, ResponseType, Scope, Severity, Status, Urgency
from kentongan.errors import Refused
from kentongan.gates import Finding, Weight
from kentongan.seam import Mode
from kentongan.settings import InstanceSettings

NOW = datetime(2030, 1, 31, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
PLACE = Area(area_desc="Pesisir Selatan")


def info(**changes: object) -> Info:
    whole = Info(
        language="id",
        categories=(Category.GEO,),
        event="Gempa bumi",
        urgency=Urgency.IMMEDIATE,
        severity=Severity.SEVERE,
        certainty=Certainty.OBSERVED,
        expires=NOW + HOUR,
        instruction="Jauhi pantai.",
        areas=(PLACE,),
    )
    return whole.model_copy(update=changes)


def draft(
    *infos: Info, status: Status = Status.ACTUAL, scope: Scope = Scope.PUBLIC, facts: Mapping[str, float] | None = None
) -> Draft:
    alert = Alert(
        identifier="K1",
        sender="posko@example.id",
        sent=NOW,
        status=status,
        msg_type=MsgType.ALERT,
        scope=scope,
        infos=infos or (info(),),
    )
    return Draft(hazard="general", cap=alert, facts=facts or {}, languages=("id",))


def instance(mode: Mode = Mode.LIVE, *, public: bool = True, kind: str = "mastodon") -> InstanceSettings:
    return InstanceSettings(kind=kind, mode=mode, audience=None if public else "everyone")


def rules(findings: list[Finding], weight: Weight) -> list[str]:
    return [finding.rule for finding in findings if finding.severity is weight]


@pytest.mark.parametrize(
    ("status", "public_exercise", "passes"),
    [
        (Status.ACTUAL, False, Mode.LIVE),
        (Status.EXERCISE, False, Mode.DRILL),
        (Status.TEST, False, Mode.DRILL),
        (Status.SYSTEM, False, None),
        (Status.DRAFT, False, None),
        (Status.ACTUAL, True, None),
        (Status.EXERCISE, True, Mode.EXERCISE),
        (Status.TEST, True, None),
        (Status.SYSTEM, True, None),
        (Status.DRAFT, True, None),
    ],
)
def test_the_mode_gate_lets_each_status_to_its_own_instances_only(
    status: Status, public_exercise: bool, passes: Mode | None
) -> None:
    for mode in Mode:
        assert (gates.mode(status, mode, public_exercise=public_exercise) == []) is (mode is passes)


@pytest.mark.parametrize(
    ("scope", "public", "passes"),
    [
        (Scope.PUBLIC, True, True),
        (Scope.PUBLIC, False, True),
        (Scope.RESTRICTED, True, False),
        (Scope.RESTRICTED, False, True),
        (Scope.PRIVATE, True, False),
        (Scope.PRIVATE, False, True),
    ],
)
def test_the_scope_gate_keeps_what_is_not_public_from_public_channels(scope: Scope, public: bool, passes: bool) -> None:
    assert (gates.scope(scope, public=public) == []) is passes


@pytest.mark.parametrize("ahead", [timedelta(minutes=-60), timedelta(), timedelta(minutes=5), timedelta(minutes=6)])
@pytest.mark.parametrize("expires", [timedelta(hours=-1), timedelta(), timedelta(hours=1)])
@pytest.mark.parametrize("offset", [None, 0.0, 60.0, -60.0, 60.1, -61.0])
@pytest.mark.parametrize("override", [None, " ", "the satellite clock is ours"])
def test_the_time_gate_blocks_the_future_and_the_ended_unless_a_doubtful_clock_is_overridden(
    ahead: timedelta, expires: timedelta, offset: float | None, override: str | None
) -> None:
    findings = gates.time(
        draft(info(expires=NOW + expires)),
        observed={"origin_time": NOW + ahead},
        now=NOW,
        clock_offset=offset,
        override=override,
    )
    trusted = offset is not None and abs(offset) <= 60
    excused = not trusted and override is not None and override.strip() != ""
    wrong = ["observed"] * (ahead > timedelta(minutes=5)) + ["expired"] * (expires <= timedelta())
    clock = [] if trusted else ["clock"]
    assert rules(findings, Weight.BLOCK) == ([] if excused else wrong)
    assert rules(findings, Weight.WARN) == clock + (wrong if excused else [])


def test_a_doubtful_clock_tells_how_to_go_on_and_keeps_the_reason() -> None:
    asked = gates.time(draft(), observed={}, now=NOW, clock_offset=None)
    assert "--clock-override" in asked[0].sentence
    given_one = gates.time(draft(), observed={}, now=NOW, clock_offset=90.0, override="radio\nclock")
    assert "overridden: radio clock" in given_one[0].sentence


def test_onset_may_lie_ahead() -> None:
    alert = draft(info(onset=NOW + 20 * HOUR, expires=NOW + 30 * HOUR))
    assert gates.time(alert, observed={}, now=NOW, clock_offset=0.0) == []


def test_an_info_that_ended_before_the_others_is_warned_of() -> None:
    alert = draft(info(), info(language="en", expires=NOW - HOUR))
    findings = gates.time(alert, observed={}, now=NOW, clock_offset=0.0)
    assert [finding.severity for finding in findings] == [Weight.WARN]
    assert "en" in findings[0].sentence


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"event": " "}, "hazard"),
        ({"areas": (Area(area_desc="", circles=((1.0, 2.0, 3.0),)),)}, "place"),
        ({"areas": ()}, "place"),
        ({"instruction": None}, "action"),
        ({"instruction": " ", "response_types": (ResponseType.NONE,)}, "action"),
        ({"expires": None}, "time"),
    ],
)
def test_the_completeness_gate_names_what_is_missing(changes: dict[str, object], word: str) -> None:
    findings = gates.completeness(draft(info(), info(language="en", **changes)))
    assert [finding.severity for finding in findings] == [Weight.BLOCK]
    assert f"the {word}" in findings[0].sentence
    assert "en" in findings[0].sentence


def test_a_missing_place_is_one_sentence_that_says_what_to_type() -> None:
    lost = draft(info(areas=()), info(language="en", areas=()), facts={"magnitude": 5.0})
    (finding,) = gates.at_submit(lost, instances={"a": instance()}, observed={}, now=NOW, clock_offset=0.0)
    assert "--set area=NAME" in finding.sentence
    relayed = draft(info(areas=()), info(language="en", areas=()))
    (finding,) = gates.at_submit(relayed, instances={"a": instance()}, observed={}, now=NOW, clock_offset=0.0)
    assert "language id and en" in finding.sentence


def test_a_whole_alert_is_complete() -> None:
    assert gates.completeness(draft()) == []


def test_the_completeness_gate_wants_a_source() -> None:
    nameless = draft()
    nameless = nameless.model_copy(update={"cap": nameless.cap.model_copy(update={"sender": ""})})
    (finding,) = gates.completeness(nameless)
    assert "source" in finding.sentence


def test_an_alert_without_info_has_nothing_to_tell() -> None:
    empty = draft()
    empty = empty.model_copy(update={"cap": empty.cap.model_copy(update={"infos": ()})})
    assert rules(gates.completeness(empty), Weight.BLOCK) == ["completeness"]
    assert rules(gates.area(empty.cap), Weight.BLOCK) == ["area"]


def test_a_template_of_the_hazard_supplies_the_action() -> None:
    bare = info(instruction=None)
    assert gates.completeness(draft(bare, facts={"magnitude": 5.0})) == []
    assert gates.completeness(draft(bare), action_rendered=True) == []
    assert rules(gates.completeness(draft(bare)), Weight.BLOCK) == ["completeness"]


def test_a_response_type_alone_and_a_missing_end_are_warnings() -> None:
    thin = info(instruction=None, response_types=(ResponseType.EVACUATE,), expires=None, onset=NOW)
    findings = gates.completeness(draft(thin))
    assert rules(findings, Weight.WARN) == ["completeness", "completeness"]
    assert rules(findings, Weight.BLOCK) == []


@pytest.mark.parametrize(
    ("areas", "passes"),
    [
        ((), False),
        ((Area(area_desc=" "),), False),
        ((Area(area_desc="Pesisir"),), True),
        ((Area(area_desc="", polygons=(((0.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.0, 0.0)),)),), True),
        ((Area(area_desc="", circles=((0.0, 0.0, 5.0),)),), True),
        ((Area(area_desc="", geocodes=(NamedValue(value_name="kemendagri", value="13.01"),)),), True),
        ((Area(area_desc=""), Area(area_desc="Pesisir")), True),
    ],
)
def test_the_area_gate_is_closed_unless_something_says_where(areas: tuple[Area, ...], passes: bool) -> None:
    assert (gates.area(draft(info(areas=areas)).cap) == []) is passes
    assert (gates.area(draft(info(), info(language="en", areas=areas)).cap) == []) is passes


statuses, scopes, modes = st.sampled_from(Status), st.sampled_from(Scope), st.sampled_from(Mode)
instances = st.dictionaries(
    st.text("abcdef", min_size=1, max_size=6),
    st.builds(
        instance, modes, public=st.booleans(), kind=st.sampled_from(["mastodon", "telegram", "kannel", "cap_feed"])
    ),
    max_size=8,
)


@settings(deadline=None)
@given(statuses, scopes, instances, st.booleans())
def test_no_drill_on_live_no_live_on_drill_no_private_text_in_public(
    status: Status, scope: Scope, configured: dict[str, InstanceSettings], public_exercise: bool
) -> None:
    alert = draft(status=status, scope=scope).model_copy(update={"public_exercise": public_exercise})
    routed = gates.route(alert, configured)
    for name in routed:
        assert status in (Status.ACTUAL, Status.EXERCISE, Status.TEST)
        assert (configured[name].mode is Mode.LIVE) is (status is Status.ACTUAL)
        assert (configured[name].mode is Mode.EXERCISE) is (public_exercise and status is Status.EXERCISE)
        assert scope is Scope.PUBLIC or configured[name].audience is not None
    for name, one in configured.items():
        finding = gates.fits(alert, one)
        assert (name in routed) is (finding is None)
        assert finding is None or finding.severity is Weight.BLOCK


@settings(deadline=None)
@given(statuses, scopes, instances, st.booleans())
def test_every_instance_that_may_carry_an_alert_carries_it(
    status: Status, scope: Scope, configured: dict[str, InstanceSettings], public_exercise: bool
) -> None:
    wanted = {Status.ACTUAL: Mode.LIVE, Status.EXERCISE: Mode.DRILL, Status.TEST: Mode.DRILL}.get(status)
    if public_exercise:
        wanted = Mode.EXERCISE if status is Status.EXERCISE else None
    alert = draft(status=status, scope=scope).model_copy(update={"public_exercise": public_exercise})
    routed = gates.route(alert, configured)
    assert routed == tuple(
        name
        for name, one in configured.items()
        if one.mode is wanted and (scope is Scope.PUBLIC or one.audience is not None)
    )


@settings(deadline=None)
@given(statuses, scopes, instances)
def test_an_alert_that_goes_nowhere_is_refused_at_submit(
    status: Status, scope: Scope, configured: dict[str, InstanceSettings]
) -> None:
    alert = draft(status=status, scope=scope)
    findings = gates.at_submit(alert, instances=configured, observed={}, now=NOW, clock_offset=0.0)
    blocked = bool(rules(findings, Weight.BLOCK))
    assert blocked is (gates.route(alert, configured) == ())


@pytest.mark.parametrize(
    ("status", "scope", "public_exercise", "wanted"),
    [
        (Status.ACTUAL, Scope.PUBLIC, False, "mode live"),
        (Status.EXERCISE, Scope.PUBLIC, False, "mode drill"),
        (Status.EXERCISE, Scope.PUBLIC, True, "mode exercise"),
        (Status.ACTUAL, Scope.RESTRICTED, False, "mode live and with an audience"),
    ],
)
def test_an_alert_that_goes_nowhere_is_told_which_channel_it_needs(
    status: Status, scope: Scope, public_exercise: bool, wanted: str
) -> None:
    alert = draft(status=status, scope=scope).model_copy(update={"public_exercise": public_exercise})
    # What reaches the gate has been chosen by mode before, so nothing is left where only other modes are configured.
    (finding,) = (
        found
        for found in gates.at_submit(alert, instances={}, observed={}, now=NOW, clock_offset=0.0)
        if found.rule == "route"
    )
    assert finding.sentence.endswith(f"; add one of {wanted} to channels.yaml")


def test_a_public_exercise_that_is_a_test_is_told_so() -> None:
    alert = draft(status=Status.TEST).model_copy(update={"public_exercise": True})
    findings = gates.at_submit(alert, instances={}, observed={}, now=NOW, clock_offset=0.0)
    assert rules(findings, Weight.BLOCK) == ["mode"]


def test_at_submit_gathers_every_gate_with_the_blocks_first() -> None:
    alert = draft(info(event="", areas=(), expires=NOW - HOUR), scope=Scope.PRIVATE)
    findings = gates.at_submit(
        alert, instances={"a": instance()}, observed={"origin_time": NOW + HOUR}, now=NOW, clock_offset=None
    )
    assert set(rules(findings, Weight.BLOCK)) == {"observed", "expired", "completeness", "route"}
    assert findings[-1].rule == "clock"


@pytest.mark.parametrize("status", [Status.SYSTEM, Status.DRAFT])
def test_what_never_leaves_is_told_so_by_the_mode_gate(status: Status) -> None:
    findings = gates.at_submit(
        draft(status=status), instances={"a": instance()}, observed={}, now=NOW, clock_offset=0.0
    )
    assert rules(findings, Weight.BLOCK) == ["mode"]
    assert "never leaves" in findings[0].sentence


def test_refusing_names_all_that_blocks() -> None:
    with pytest.raises(Refused, match=r"^one\. Also: two$") as caught:
        gates.refuse([Finding("x", "a warning", Weight.WARN), *(Finding(r, r, Weight.BLOCK) for r in ("one", "two"))])
    assert caught.value.rule == "one"
    gates.refuse([Finding("x", "a warning", Weight.WARN)])
