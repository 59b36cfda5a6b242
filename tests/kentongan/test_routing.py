"""Routes choose only among what fits, in order, and what is wrong with them is found before an alert is."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from kentongan import route_faults, routing
from kentongan.alert import Kind
from kentongan.cap.model import Scope, Severity
from kentongan.route_faults import never_matched
from kentongan.routes import Following, Routes, When
from kentongan.routing import Facts, choose, matches

FITTING = ("toots", "bot", "sms", "voice")


def facts(**changes: Any) -> Facts:
    known: dict[str, Any] = {
        "severity": Severity.SEVERE,
        "hazard": "flood",
        "scope": Scope.PUBLIC,
        "kind": Kind.ALERT,
        "regions": frozenset({"33.05"}),
    }
    return Facts(**{**known, **changes})


def routes(*rules: Mapping[str, Any], **more: Any) -> Routes:
    return Routes.model_validate({"routes": list(rules), **more})


severities = st.lists(st.sampled_from(Severity), max_size=2, unique=True)
hazards = st.lists(st.sampled_from(["flood", "tsunami"]), max_size=2, unique=True)
areas = st.lists(st.sampled_from(["33", "33.05", "33.05.01", "34", "17.01"]), max_size=2, unique=True)
scopes = st.lists(st.sampled_from(Scope), max_size=1)
kinds = st.lists(st.sampled_from([Kind.ALERT, Kind.UPDATE]), max_size=1)
conditions = st.fixed_dictionaries(
    {"severity": severities, "hazard": hazards, "area": areas, "scope": scopes, "kind": kinds}
)
names = st.lists(st.sampled_from([*FITTING, "written"]), min_size=1, max_size=3, unique=True)
rules = st.lists(
    st.fixed_dictionaries(
        {"when": conditions, "continue": st.booleans()},
        optional={"to": names, "without": names},
    ),
    max_size=4,
).map(lambda found: [{**each, "name": f"rule{number}"} for number, each in enumerate(found)])
alerts = st.builds(
    Facts,
    severity=st.sampled_from(Severity),
    hazard=st.sampled_from(["flood", "tsunami", "quake"]),
    scope=st.sampled_from(Scope),
    kind=st.sampled_from([Kind.ALERT, Kind.UPDATE, Kind.CANCEL, Kind.ALL_CLEAR]),
    regions=st.frozensets(st.sampled_from(["33", "33.05", "33.06", "33.05.01.2001", "34.01", "17"]), max_size=2),
)
GROUPS = {"written": ("bot", "sms")}


# --- The truth table of one rule ---


@pytest.mark.parametrize(
    ("when", "of", "expected"),
    [
        ({}, {}, True),
        ({"severity": ["Severe", "Extreme"]}, {}, True),
        ({"severity": ["Extreme"]}, {}, False),
        ({"hazard": ["flood"]}, {}, True),
        ({"hazard": ["tsunami"]}, {}, False),
        ({"scope": ["Private"]}, {}, False),
        ({"scope": ["Private"]}, {"scope": Scope.PRIVATE}, True),
        ({"kind": ["update"]}, {}, False),
        ({"kind": ["update"]}, {"kind": Kind.UPDATE}, True),
        ({"area": ["33"]}, {}, True),
        ({"area": ["33.05"]}, {}, True),
        ({"area": ["33.05.01"]}, {}, True),
        ({"area": ["33.0"]}, {}, False),
        ({"area": ["3"]}, {}, False),
        ({"area": ["34", "33.06"]}, {}, False),
        ({"area": ["34"]}, {"regions": frozenset({"33.05", "34.02"})}, True),
        ({"area": ["33"]}, {"regions": frozenset()}, False),
        ({"severity": ["Severe"], "hazard": ["tsunami"]}, {}, False),
    ],
)
def test_a_rule_matches_what_it_asks_for(when: Any, of: Any, expected: bool) -> None:
    assert matches(When.model_validate(when), facts(**of)) is expected


# --- What is chosen ---


def test_without_routes_all_that_fits_is_chosen() -> None:
    assert choose(Routes(), facts(), FITTING).instances == FITTING


@given(found=rules, of=alerts, fitting=st.lists(st.sampled_from(FITTING), unique=True))
def test_no_rule_chooses_what_did_not_pass_the_gates(found: Any, of: Facts, fitting: list[str]) -> None:
    choice = choose(routes(*found, groups=GROUPS), of, fitting)
    assert set(choice.instances) <= set(fitting)
    assert list(choice.instances) == [name for name in fitting if name in choice.instances]
    assert set(choice.rules) == set(choice.instances)


@given(found=rules, of=alerts)
def test_the_first_rule_that_matches_decides(found: Any, of: Facts) -> None:
    first = [{**each, "continue": False} for each in found]
    configured = routes(*first, groups=GROUPS)
    choice = choose(configured, of, FITTING)
    matching = next((rule for rule in configured.routes if matches(rule.when, of)), None)
    if matching is None:
        assert choice.instances == FITTING
        assert choice.matched == ()
    else:
        wanted = set(FITTING) if matching.to is None else configured.members(matching.to)
        assert set(choice.instances) == wanted - configured.members(matching.without)
        assert choice.matched == (matching.name,)
        assert set(choice.rules.values()) <= {matching.name}


def test_a_rule_that_goes_on_is_completed_by_those_below() -> None:
    configured = routes(
        {"name": "loud", "when": {"severity": ["Severe"]}, "to": ["sms"], "continue": True},
        {"name": "south", "when": {"area": ["33"]}, "to": ["bot", "voice"], "without": ["voice"]},
        {"name": "rest", "to": ["toots"]},
    )
    choice = choose(configured, facts(), FITTING)
    assert choice.rules == {"bot": "south", "sms": "loud"}
    assert choice.matched == ("loud", "south")


def test_a_rule_may_only_leave_out() -> None:
    configured = routes({"name": "quiet", "when": {"severity": ["Minor"]}, "without": ["written"]}, groups=GROUPS)
    assert choose(configured, facts(severity=Severity.MINOR), FITTING).instances == ("toots", "voice")
    assert choose(configured, facts(), FITTING).instances == FITTING


# --- Rules that can never match ---


@settings(max_examples=30, deadline=None)
@given(found=rules, of=st.lists(alerts, min_size=1, max_size=20))
def test_what_is_said_never_to_match_never_does(found: Any, of: Sequence[Facts]) -> None:
    configured = routes(*found, groups=GROUPS)
    dead = {rule.name for rule in never_matched(configured.routes)}
    for each in of:
        assert not dead & set(choose(configured, each, FITTING).matched)


@settings(max_examples=30, deadline=None)
@given(found=rules)
def test_whatever_can_match_is_not_said_to_be_dead(found: Any) -> None:
    configured = routes(*found, groups=GROUPS)
    dead = {rule.name for rule in never_matched(configured.routes)}
    places = ["33", "33.05", "33.05.01", "33.05.01.2001", "33.05.02", "33.06", "34", "34.01", "17", "17.01", "17.01.02"]
    places += ["17.02", "99"]
    regions = [frozenset[str](), *(frozenset({code}) for code in places)]
    possible = itertools.product(Severity, ["flood", "tsunami", "quake"], Scope, list(Kind)[:4], regions)
    met = {
        name
        for severity, hazard, scope, kind, where in possible
        for name in choose(configured, Facts(severity, hazard, scope, kind, where), FITTING).matched
    }
    assert not dead & met
    assert dead | met == {rule.name for rule in configured.routes}


def test_several_rules_together_may_leave_nothing_for_one_below() -> None:
    low = [severity.value for severity in Severity if severity not in (Severity.EXTREME, Severity.SEVERE)]
    configured = routes(
        {"name": "high", "when": {"severity": ["Extreme", "Severe"]}},
        {"name": "low", "when": {"severity": low}},
        {"name": "floods", "when": {"hazard": ["flood"]}},
    )
    assert [rule.name for rule in never_matched(configured.routes)] == ["floods"]


def test_no_rule_decides_on_a_correction() -> None:
    configured = routes({"name": "sorry", "when": {"kind": ["correction"]}, "to": ["toots"]})
    assert [rule.name for rule in never_matched(configured.routes)] == ["sorry"]


# --- What is wrong with a config ---

PUBLIC = {"toots": True, "bot": False, "sms": False, "voice": False}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"groups": {"sms": ["bot"]}}, "groups.sms: is the name of a channel"),
        ({"groups": {"all": ["fax"]}}, "groups.all: 'fax' is no channel"),
        ({"groups": {"all": []}}, "groups.all: is empty"),
        ({"routes": [{"name": "a", "to": ["fax"]}]}, "routes.a: 'fax' is no channel"),
        ({"routes": [{"name": "a", "without": ["fax"]}]}, "routes.a: 'fax' is no channel"),
        ({"routes": [{"name": "a", "to": []}]}, "routes.a.to: names no channel"),
        ({"fallback": {"after": "5m", "on": ["sms"], "to": ["fax"]}}, "fallback.0: 'fax' is no channel"),
        ({"fallback": {"after": "5m", "on": ["sms"], "to": ["toots"]}}, "fallback.0: toots publishes to everybody"),
        ({"fallback": {"after": "5m", "on": ["sms"], "to": ["sms"]}}, "fallback.0: sms stands under `on` too"),
        (
            {
                "fallback": [
                    {"after": 60, "on": ["sms"], "to": ["bot"]},
                    {"after": 60, "on": ["bot"], "to": ["voice"]},
                ]
            },
            "fallback.0: bot stands under `on` too",
        ),
        (
            {"escalation": {"after": "5m", "on": ["toots"], "groups": ["a", "b"]}},
            "escalation.0: toots publishes to everybody",
        ),
    ],
)
def test_a_fault_is_named_with_its_place(content: Any, told: str) -> None:
    found = route_faults.faults(Routes.model_validate(content), PUBLIC)
    assert any(fault.startswith(told) for fault in found), found


@pytest.mark.parametrize(
    "content",
    [
        {"routes": [{"name": "a"}, {"name": "a"}]},
        {"routes": [{"name": "a", "when": {"area": [33.1]}}]},
        {"routes": [{"name": "a", "when": {"severity": ["Awful"]}}]},
        {"routes": [{"name": "a b"}]},
        {"fallback": {"after": "soon", "on": ["sms"], "to": ["bot"]}},
        {"fallback": {"after": "0s", "on": ["sms"], "to": ["bot"]}},
        {"fallback": {"after": ".inf", "on": ["sms"], "to": ["bot"]}},
        {"escalation": {"after": "5m", "on": ["sms"], "groups": ["a", "A "]}},
        {"escalation": {"after": "5m", "on": ["sms"], "groups": ["a"]}},
    ],
)
def test_what_cannot_be_meant_is_refused(content: Any) -> None:
    with pytest.raises(ValidationError):
        Routes.model_validate(content)


def test_what_is_odd_is_remarked() -> None:
    configured = Routes.model_validate(
        {
            "routes": [
                {"name": "first", "to": ["sms"]},
                {"name": "second", "when": {"hazard": ["fllod"]}},
            ],
            "escalation": {"after": "10m", "on": ["sms"], "groups": ["duty", "nobody"]},
        }
    )
    told = route_faults.remarks(configured, {"sms": "live", "sms-drill": "drill"}, ["flood"], ["duty"])
    assert any("routes.second: can never match" in each for each in told)
    assert any("no hazard is called 'fllod'" in each for each in told)
    assert any("names no drill channel" in each for each in told)
    assert any("nobody is in the group 'nobody'" in each for each in told)


@pytest.mark.parametrize(("written", "seconds"), [("30s", 30), ("5m", 300), ("1.5h", 5400), (90, 90)])
def test_times_are_read_as_people_write_them(written: Any, seconds: float) -> None:
    configured = Routes.model_validate({"fallback": {"after": written, "on": ["sms"], "to": ["bot"]}})
    assert configured.fallback[0].after == seconds


# --- Who is tried next ---


def test_a_fallback_holds_among_the_channels_that_are_there() -> None:
    configured = Routes.model_validate(
        {
            "groups": {"texts": ["sms", "sms-drill"], "chats": ["bot", "bot-drill"]},
            "fallback": {"after": "5m", "on": ["texts"], "to": ["chats", "voice"]},
        }
    )
    (found,) = routing.following(configured, facts(), ["voice", "bot-drill", "sms-drill"]).fallbacks
    assert (found.on, found.to) == (("sms-drill",), ("bot-drill", "voice"))
    assert routing.following(configured, facts(), ["bot", "voice"]) == Following()
    assert routing.following(configured, facts(), ["bot"], ["sms"]) == Following()
    spare = routing.following(configured, facts(), ["sms", "bot"], ["voice", "fax"])
    assert (spare.fallbacks[0].to, spare.spare) == (("bot", "voice"), ("voice",))
    assert spare.among(["sms", "voice"]).fallbacks[0].to == ("voice",)
    assert spare.among(["bot", "voice"]) == Following(spare=("voice",))
    assert spare.waits_for("bot") == {"sms"}
    assert spare.waits_for("sms") == frozenset()


def test_a_fallback_is_for_the_alerts_that_it_asks_for() -> None:
    configured = Routes.model_validate(
        {"fallback": {"after": 60, "on": ["sms"], "to": ["bot"], "when": {"severity": ["Extreme"]}}}
    )
    assert routing.following(configured, facts(), FITTING) == Following()
    assert len(routing.following(configured, facts(severity=Severity.EXTREME), FITTING).fallbacks) == 1
