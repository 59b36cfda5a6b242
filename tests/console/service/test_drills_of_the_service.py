"""The service's drills by a clock that a test moves: begun at their hour, corrected, scored, pre-empted."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml
from pydantic import SecretStr

from console.service.service import Service
from flows import house as houses
from flows.house import House
from kentongan.cap.model import Status
from kentongan.clock import SystemClock, to_datetime, to_milliseconds
from kentongan.desk import Desk, approvals, drafts, drill_schedules, membership, releases, submitting
from kentongan.drill_schedules import LASTS, read_recurrence
from kentongan.ledger import alerts, views
from kentongan.ledger import drills as register
from kentongan.ledger.drills import State, StoredDrill
from kentongan.login import Login, LoginFile
from sandbox.server import Sandbox
from tests.console.service.serving import until
from tests.installation import Installation, install, sms

pytestmark = pytest.mark.slow

SCENARIO = {
    "hazard": "earthquake",
    "facts": {"magnitude": 6.4, "origin_time": "now-3min", "place": "Manna", "area": "Manna", "severity": "Severe"},
    "correct_after": "5m",
    "settle": "1s",
}


@dataclass
class MovedClock(SystemClock):
    """The machine's clock, put ahead."""

    ahead: int = 0

    def wall(self) -> int:
        return super().wall() + self.ahead


@dataclass
class Running:
    """A service in this process, with two officers' schedule for the 26th at ten."""

    house: House
    desk: Desk
    service: Service
    sandbox: Sandbox
    clock: MovedClock
    officers: tuple[Login, Login]

    def move_to(self, moment: datetime) -> None:
        self.clock.ahead += to_milliseconds(moment) - self.clock.wall()

    @property
    def slot(self) -> datetime:
        stored = drill_schedules.scheduled(self.desk, "quake")
        recurrence = read_recurrence(stored.schedule.every)
        zone = ZoneInfo(stored.schedule.zone)
        return next(recurrence.after(to_datetime(self.clock.wall()), zone))

    def runs(self) -> list[StoredDrill]:
        return self.house.ledger.read(lambda read: register.history(read, "quake"))

    def accepted(self, alert_id: str) -> bool:
        summaries = self.house.ledger.read(lambda read: views.summaries(read, alert_id))
        return bool(summaries) and all(set(each.words) == {"accepted"} for each in summaries)


def officers(desk: Desk, installation: Installation) -> tuple[Login, Login]:
    words = {name: SecretStr(f"correct horse battery {name}") for name in ("siti", "budi")}
    membership.add(desk, "siti", words["siti"], [])
    membership.add(desk, "budi", words["budi"], [membership.unsealed(desk, "siti", words["siti"])])
    made = []
    for name, secret in words.items():
        place = installation.root / "login" / name
        place.parent.mkdir(mode=0o700, exist_ok=True)
        file = LoginFile.find(installation.state, {"KENTONGAN_LOGIN": str(place)})
        made.append(membership.log_in(desk, name, secret, file))
    return made[0], made[1]


@contextlib.asynccontextmanager
async def running(root: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    monkeypatch.setenv("TEST_PASSWORD", "sandbox-kannel-password")
    clock = MovedClock()
    monkeypatch.setattr(houses, "SystemClock", lambda: clock)
    async with Sandbox() as sandbox:
        channels = {"drill": sms(sandbox), "live": sms(sandbox, mode="live")}
        installation = install(root, channels)
        (installation.config / "drills.yaml").write_text(yaml.safe_dump({"scenarios": {"quake": SCENARIO}}))
        with House.open(installation.config, installation.state, role="service") as house:
            desk = house.desk()
            siti, budi = await asyncio.to_thread(officers, desk, installation)
            installation.subscribe(house, 3)
            drill_schedules.schedule(desk, "quake", "monthly-26th 10:00", siti)
            drill_schedules.approve(desk, "quake", budi)
            service = Service(house, None, prefect=False)
            await service.start()
            try:
                yield Running(house, desk, service, sandbox, clock, (siti, budi))
            finally:
                await service.stop()


async def test_the_service_begins_a_drill_at_its_hour_corrects_it_and_scores_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path, monkeypatch) as there:
        there.move_to(there.slot + timedelta(seconds=1))
        await until(lambda: [run.state for run in there.runs()] == [State.RUNNING])
        (run,) = there.runs()
        assert run.alert_id is not None
        alert_id = run.alert_id
        await until(lambda: there.accepted(alert_id))
        there.clock.ahead += 300_000
        await until(lambda: there.runs()[0].state is State.DONE)
        (run,) = there.runs()
        assert run.result is not None
        assert (run.result.accepted, run.result.corrected, run.score) == (3, 3, 100)


async def test_a_live_alert_pre_empts_the_drill_that_the_service_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path, monkeypatch) as there:
        there.move_to(there.slot)
        await until(lambda: [run.state for run in there.runs()] == [State.RUNNING])
        (run,) = there.runs()
        assert run.alert_id is not None
        drill = run.alert_id
        await until(lambda: there.accepted(drill))
        observed = (datetime.fromtimestamp(there.clock.wall() / 1000, UTC) - timedelta(minutes=2)).isoformat()
        facts = {**SCENARIO["facts"], "origin_time": observed}  # type: ignore[dict-item]
        warning = drafts.from_fields(there.desk, "earthquake", facts, status=Status.ACTUAL, by="siti").alert
        siti, budi = there.officers
        login = Login(siti.key, siti.since, siti.until + timedelta(days=60))
        second = Login(budi.key, budi.since, budi.until + timedelta(days=60))
        submitting.submit(there.desk, warning.id, login)
        approvals.approve(there.desk, warning.code, second)
        released = releases.dispatch(there.desk, warning.code, login)
        await there.service.dispatcher.nudge(warning.id)
        (end,) = released.ends
        await until(lambda: there.accepted(warning.id) and there.accepted(end))
        (run,) = there.runs()
        assert (run.state, run.why) == (State.STOPPED, f"live alert {warning.code} was sent")
        stopped = there.house.ledger.read(lambda read: alerts.get(read, drill))
        assert stopped.state == "stopped"
        # The next hour comes while the live alert is young: nothing begins.
        assert [each.state for each in there.runs()] == [State.STOPPED]


async def test_the_service_drops_a_late_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(tmp_path, monkeypatch) as there:
        there.move_to(there.slot + timedelta(minutes=16))
        await until(lambda: [run.state for run in there.runs()] == [State.DROPPED])
        assert there.runs()[0].why == "late: not begun within 15 min"
        assert there.house.ledger.read(alerts.listing) == []


async def test_the_service_begins_nothing_by_a_schedule_that_has_lapsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path, monkeypatch) as there:
        there.move_to(to_datetime(there.clock.wall()) + LASTS + timedelta(seconds=1))

        def ended() -> list[str]:
            return [
                event.data["why"]
                for event in there.house.ledger.read(lambda r: views.events(r, types=("schedule.ended",)))
            ]

        await until(lambda: ended() == ["lapsed"])
        assert there.house.ledger.read(alerts.listing) == []
        there.move_to(to_datetime(there.clock.wall()) + timedelta(days=31))
        # What was looked at after the move shows in no run: the loop has come round once more.
        await there.service._drills.look()
        assert there.runs() == []
