"""What a sender is told of a dispatch that somebody has changed behind the officers' backs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kentongan.desk import releases, verdicts
from tests.kentongan.desk.scenes import Scene, login


def _vouch(desk: Scene, alert_id: str) -> str | None:
    return desk.ledger.read(lambda read: verdicts.vouch(read, alert_id, policy=desk.desk.settings.policy))


def _dispatched(desk: Scene) -> tuple[str, dict[str, Any]]:
    stored = desk.approved()
    released = releases.dispatch(desk.desk, stored.code, login("siti"))
    return stored.id, json.loads(released.plan.model_dump_json())


def test_what_was_approved_and_sent_is_vouched_for(desk: Scene) -> None:
    alert_id, _ = _dispatched(desk)
    assert _vouch(desk, alert_id) is None


@pytest.mark.parametrize("change", ["audience", "predecessor"])
def test_a_changed_plan_is_not_vouched_for(desk: Scene, change: str) -> None:
    alert_id, plan = _dispatched(desk)
    if change == "predecessor":
        plan["predecessor"] = "another"
    else:
        next(i for i in plan["instances"] if i["audience"])["audience"] = {"groups": [], "regions": ["99"]}
    desk.change("UPDATE dispatch SET plan = :plan", {"plan": json.dumps(plan)})
    assert _vouch(desk, alert_id) is not None
