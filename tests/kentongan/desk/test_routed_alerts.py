"""From routes.yaml to the dispatch: what officers approve is what is frozen, and what the senders are held to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from kentongan.cap.model import Scope, Status
from kentongan.desk import approvals, composing, drafts, releases, submitting, verdicts
from kentongan.errors import BadConfig, Refused
from kentongan.ledger import dispatches, opt_outs, planning, submissions, views
from kentongan.ledger.opt_outs import Named
from kentongan.settings import Policy
from tests.kentongan.desk.scenes import CHANNELS, Scene, document, login, scene

ROUTES: Mapping[str, Any] = {
    "groups": {
        "texts": ["sms-live", "sms-drill"],
        "chats": ["bot-live", "bot-drill"],
        "feeds": ["feed-live", "feed-drill"],
    },
    "routes": [
        {"name": "grave", "when": {"severity": ["Extreme", "Severe"]}, "to": ["texts", "feeds"]},
        {"name": "rest", "to": ["feeds"]},
    ],
    "fallback": {"after": "5m", "on": ["texts"], "to": ["chats"]},
}
Desk = Callable[..., Scene]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    opened: list[Scene] = []

    def open_(routes: Mapping[str, Any] | None = None, **config: Any) -> Scene:
        (tmp_path / "config").mkdir(parents=True)
        if routes is not None:
            (tmp_path / "config" / "routes.yaml").write_text(yaml.safe_dump(dict(routes)))
        opened.append(scene(tmp_path, **config))
        made = opened[-1]
        object.__setattr__(made.desk, "identify", made.keys.address_hash)
        return made

    yield open_
    for each in opened:
        each.ledger.close()


def expand(of: Scene, alert_id: str) -> list[views.Delivery]:
    dispatched = of.ledger.read(lambda read: dispatches.get(read, alert_id))
    assert dispatched is not None
    while of.ledger.write(lambda write: planning.expand(write, alert_id, dispatched.plan, 100)):
        pass
    return of.ledger.read(lambda read: views.deliveries(read, alert_id))


def test_an_alert_goes_where_its_rule_says_and_the_fallback_waits(desk: Desk) -> None:
    of = desk(ROUTES)
    stored = of.approved()
    plan = releases.dispatch(of.desk, stored.code, login("budi")).plan
    assert [each.name for each in plan.instances] == ["bot-drill", "feed-drill", "sms-drill"]
    (fallback,) = plan.following.fallbacks
    assert (fallback.on, fallback.to, fallback.after) == (("sms-drill",), ("bot-drill",), 300)
    assert plan.following.spare == ("bot-drill",)
    assert {each.instance for each in expand(of, stored.id)} == {"sms-drill", "feed-drill"}
    assert of.ledger.read(lambda read: verdicts.vouch(read, stored.id, policy=Policy())) is None


def test_without_routes_it_goes_everywhere(desk: Desk) -> None:
    of = desk()
    plan = releases.dispatch(of.desk, of.approved().code, login("budi")).plan
    assert [each.name for each in plan.instances] == ["bot-drill", "feed-drill", "sms-drill", "toots-drill"]


def test_another_rule_takes_a_lesser_alert(desk: Desk) -> None:
    of = desk(ROUTES)
    stored = of.drafted({"severity": "Minor"})
    composed = composing.compose(of.desk, stored, correction_code="W9MN")
    assert set(composed.instances) == {"feed-drill"}
    assert composed.choice.rules == {"feed-drill": "rest"}


def test_a_rule_that_leaves_nothing_is_named(desk: Desk) -> None:
    of = desk({"routes": [{"name": "live-only", "to": ["sms-live"]}]})
    with pytest.raises(Refused, match="live-only"):
        of.submitted()


def test_no_rule_lets_a_restricted_alert_out_in_public(desk: Desk) -> None:
    of = desk({"routes": [{"name": "all", "to": sorted(CHANNELS)}]})
    stored = drafts.from_cap(
        of.desk, [drafts.Document("a.xml", document(Status.EXERCISE, Scope.RESTRICTED))], by="siti"
    ).alert
    composed = composing.compose(of.desk, stored, correction_code="W9MN")
    assert set(composed.instances) == {"bot-drill", "sms-drill"}


def test_officers_approve_what_follows_too(desk: Desk) -> None:
    of = desk(ROUTES)
    stored = of.approved()
    submission = of.ledger.read(lambda read: submissions.latest(read, stored.id))
    assert submission is not None
    subject = json.loads(json.dumps(submission.subject))
    subject["subject"]["following"]["fallbacks"][0]["after"] = 1.0
    of.change("UPDATE submission SET subject = :s WHERE alert_id = :id", {"s": json.dumps(subject), "id": stored.id})
    with pytest.raises(Refused):
        releases.dispatch(of.desk, stored.code, login("budi"))


def test_a_dispatch_with_other_fallbacks_is_not_sent(desk: Desk) -> None:
    of = desk(ROUTES)
    stored = of.approved()
    releases.dispatch(of.desk, stored.code, login("budi"))
    plan = json.loads(str(of.ledger.read(lambda read: read.sql("SELECT plan FROM dispatch").scalar_one())))
    plan["following"]["spare"] = []
    of.change("UPDATE dispatch SET plan = :plan", {"plan": json.dumps(plan)})
    told = of.ledger.read(lambda read: verdicts.vouch(read, stored.id, policy=Policy()))
    assert told is not None
    assert "fallbacks" in told


def test_a_fallback_without_its_channel_is_left_out_at_send(desk: Desk) -> None:
    of = desk(ROUTES)
    stored = of.approved()
    plan = releases.dispatch(of.desk, stored.code, login("budi"), without=["sms-drill"]).plan
    assert plan.following.fallbacks == ()
    assert {each.instance for each in expand(of, stored.id)} == {"feed-drill"}


def test_a_change_of_routes_after_approval_changes_nothing(desk: Desk, tmp_path: Path) -> None:
    of = desk(ROUTES)
    stored = of.approved()
    (tmp_path / "config" / "routes.yaml").write_text(yaml.safe_dump({"routes": [{"name": "x", "to": ["toots-drill"]}]}))
    of.reconfigure()
    plan = releases.dispatch(of.desk, stored.code, login("budi")).plan
    assert {each.name for each in plan.instances} == {"bot-drill", "sms-drill", "feed-drill"}
    assert len(plan.following.fallbacks) == 1


def test_an_unknown_channel_in_the_routes_is_a_fault_of_the_config(desk: Desk) -> None:
    with pytest.raises(BadConfig, match=r"routes.yaml: routes.a: 'fax' is no channel"):
        desk({"routes": [{"name": "a", "to": ["fax"]}]})


def test_a_fault_deep_in_the_routes_names_the_fields_there_are(desk: Desk) -> None:
    with pytest.raises(BadConfig, match=r"routes\.0\.when\.hazzard: no such field; known are severity, hazard"):
        desk({"routes": [{"name": "a", "when": {"hazzard": ["flood"]}}]})


# --- Whom it may be sent to ---


def private(of: Scene, *addresses: str, status: Status = Status.EXERCISE) -> Any:
    made = document(status, Scope.PRIVATE).replace(b"petugas@bpbd.example", " ".join(addresses).encode())
    return drafts.from_cap(of.desk, [drafts.Document("a.xml", made)], by="siti").alert


def test_a_private_alert_is_for_those_it_names(desk: Desk) -> None:
    of = desk()
    stored = private(of, "tel:+6281200000001", "p2", "+62899999")
    stored = submitting.submit(of.desk, stored.id, login("siti")).alert
    approvals.approve(of.desk, stored.code, login("budi"))
    ahead = releases.prospect(of.desk, stored.code)
    assert ahead.people.total == 2
    releases.dispatch(of.desk, stored.code, login("budi"))
    found = expand(of, stored.id)
    assert len({each.person_id for each in found}) == 2
    assert {each.instance for each in found} == {"bot-drill", "sms-drill"}


def test_a_private_alert_that_names_none_of_ours_is_refused(desk: Desk) -> None:
    of = desk()
    with pytest.raises(Refused, match="Private"):
        submitting.submit(of.desk, private(of, "somebody@else.example").id, login("siti"))


def test_a_private_dispatch_that_names_nobody_is_not_sent(desk: Desk) -> None:
    of = desk()
    stored = submitting.submit(of.desk, private(of, "p1").id, login("siti")).alert
    approvals.approve(of.desk, stored.code, login("budi"))
    releases.dispatch(of.desk, stored.code, login("budi"))
    plan = json.loads(str(of.ledger.read(lambda read: read.sql("SELECT plan FROM dispatch").scalar_one())))
    plan["reach"]["addressees"] = None
    of.change("UPDATE dispatch SET plan = :plan", {"plan": json.dumps(plan)})
    assert "names nobody" in str(of.ledger.read(lambda read: verdicts.vouch(read, stored.id, policy=Policy())))


@pytest.mark.parametrize(
    ("fields", "status", "policy", "reached"),
    [
        ({"severity": "Extreme"}, Status.ACTUAL, {}, True),
        ({"severity": "Severe"}, Status.ACTUAL, {}, False),
        ({"severity": "Severe"}, Status.ACTUAL, {"opt_out_exception": ["Extreme", "Severe"]}, True),
        ({"severity": "Extreme"}, Status.ACTUAL, {"opt_out_exception": []}, False),
        ({"severity": "Extreme"}, Status.EXERCISE, {}, False),
    ],
)
def test_opt_outs_hold_but_where_life_is_at_stake(
    desk: Desk, fields: Any, status: Status, policy: Any, reached: bool
) -> None:
    of = desk(policy=policy)
    named = Named("phone", of.keys.address_hash("phone", "+6281200000001"))
    of.ledger.write(lambda write: opt_outs.opt_out(write, [named], family=None, by="siti"))
    composed = composing.compose(of.desk, of.drafted(fields, status=status), correction_code="W9MN")
    assert composed.people.total == (4 if reached else 3)
    assert any(finding.rule == "opt-out" for finding in composed.findings) is reached
