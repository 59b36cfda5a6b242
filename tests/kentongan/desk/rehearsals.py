"""What the tests of drills begin with: a config with scenarios, a schedule with two officers' word, live alerts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from kentongan.cap.model import Status
from kentongan.clock import to_milliseconds
from kentongan.desk import approvals, drill_schedules, drills, due_drills, releases
from kentongan.desk.due_drills import Begun
from kentongan.desk.plans import Released
from kentongan.drill_schedules import Standing
from kentongan.ledger import alerts, views
from kentongan.ledger import drills as register
from kentongan.ledger.alerts import StoredAlert
from kentongan.ledger.drills import StoredDrill
from tests.kentongan.desk.scenes import CHANNELS, QUAKE, Scene, instance, login, scene, send_all

FACTS: Mapping[str, Any] = {**QUAKE, "origin_time": "now-3min"}
SCENARIOS: Mapping[str, Any] = {
    "quake": {"hazard": "earthquake", "facts": FACTS, "correct_after": "5m", "settle": "1m"},
    "short": {"hazard": "earthquake", "facts": FACTS, "settle": "30s"},
    "open": {
        "hazard": "earthquake",
        "facts": FACTS,
        "public": True,
        "notice": {"what": "gempa bumi", "what.en": "earthquake", "place": "Kota Bengkulu", "area": "Kota Bengkulu"},
    },
}
ALL_CHANNELS: Mapping[str, Any] = {
    **CHANNELS,
    "toots-exercise": instance("mastodon", "exercise", public=True),
    "sms-exercise": instance("kannel", "exercise", public=False),
}


def rehearsing(folder: Path, **config: Any) -> Scene:
    """A desk whose agency rehearses."""
    return scene(folder, **{"instances": ALL_CHANNELS, "drills": {"scenarios": dict(SCENARIOS)}, **config})


def scheduled(desk: Scene, name: str = "quake", every: str = "monthly-26th 10:00") -> None:
    """A schedule with two officers' word."""
    drill_schedules.schedule(desk.desk, name, every, login("siti"))
    _, found = drill_schedules.approve(desk.desk, name, login("budi"))
    assert isinstance(found, Standing)


def move_to(desk: Scene, moment: datetime) -> None:
    """Lets the clock come to this moment."""
    desk.clock.pass_by(to_milliseconds(moment) - desk.clock.wall())


def start_due(desk: Scene) -> list[Begun]:
    return due_drills.start_due(desk.desk)


def begun(desk: Scene, name: str = "quake") -> Released:
    """A drill that two officers approved, begun by hand."""
    made = drills.prepare(desk.desk, name, login("siti"))
    approvals.approve(desk.desk, made.alert.code, login("budi"))
    return drills.begin(desk.desk, made.alert.code, login("siti"))


def approved_live(desk: Scene) -> StoredAlert:
    """A live alert that two officers have approved."""
    observed = desk.desk.now - timedelta(minutes=2)
    return desk.approved({"origin_time": observed.isoformat()}, status=Status.ACTUAL)


def live(desk: Scene) -> Released:
    """A live alert, dispatched."""
    return releases.dispatch(desk.desk, approved_live(desk).code, login("siti"))


def run_of(desk: Scene, alert_id: str) -> StoredDrill:
    found = desk.ledger.read(lambda read: register.of_alert(read, alert_id))
    assert found is not None
    return found


def history(desk: Scene, name: str = "quake") -> list[StoredDrill]:
    return desk.ledger.read(lambda read: register.history(read, name))


def state(desk: Scene, alert_id: str) -> str:
    return desk.ledger.read(lambda read: alerts.get(read, alert_id)).state


def sent(desk: Scene, alert_id: str) -> list[views.Delivery]:
    """Plays a sender that gets everything accepted; returns the deliveries."""
    send_all(desk, alert_id)
    return desk.ledger.read(lambda read: views.deliveries(read, alert_id))


def events(desk: Scene, *types: str) -> list[views.Event]:
    return desk.ledger.read(lambda read: views.events(read, types=types))
