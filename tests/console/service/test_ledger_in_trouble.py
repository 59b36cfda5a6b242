"""The ledger full, gone, or taking nothing while an alert is on its way: nothing is lost, nothing sent again unasked.

`make trouble` runs these, and those of a ledger that was restored or upgraded, and prints what was seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from kentongan.errors import BadConfig
from kentongan.ledger import views
from kentongan.ledger.verification import verify
from kentongan.safekeeping.spare import Spare
from kentongan.state import State
from sandbox.faults import Fault, Rule
from tests.console.service.serving import ROOT, Scene, scene, until
from tests.kentongan.ledger import later_version
from tests.kentongan.safekeeping.installations import disk

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_PASSWORD", "sandbox-kannel-password")


def tell(what: str, **seen: object) -> None:
    print(f"\n{what}: {json.dumps(seen)}")


def differences(there: Scene) -> list[str]:
    found = there.house.ledger.read(
        lambda read: verify(read, head=None, public_key=there.house.keys.head_public_key)
    ).differences
    return [f"{each.place}: {each.sentence}" for each in found]


def marked(there: Scene, alert: str) -> int:
    deliveries = there.house.ledger.read(lambda read: views.deliveries(read, alert))
    return sum(each.possible_duplicate for each in deliveries)


@contextlib.contextmanager
def held_by_another(ledger: Path) -> Iterator[None]:
    """A program of somebody else's that holds the ledger and does not let go."""
    with contextlib.closing(sqlite3.connect(ledger, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextlib.asynccontextmanager
async def command(
    there: Scene, *arguments: str, program: Sequence[str] = ("-m", "console.main"), **environment: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *program,
        *arguments,
        env={**there.installation.environment, "XDG_RUNTIME_DIR": "", **environment},
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def run(
    there: Scene, *arguments: str, program: Sequence[str] = ("-m", "console.main"), **environment: str
) -> tuple[int | None, str, str]:
    async with command(there, *arguments, program=program, **environment) as process:
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_a_ledger_that_is_deleted_under_its_service(tmp_path: Path) -> None:
    people = 90
    async with scene(tmp_path, people, rate=60) as there, there.serving() as service:
        alert = there.dispatch(there.draft())
        await there.nudge(alert)
        await until(lambda: len(there.taken()) >= 30)
        before = len(there.taken())
        for suffix in ("", "-wal", "-shm"):
            (there.installation.state / f"ledger.db{suffix}").unlink()
        await until(lambda: len(there.taken()) == people)
        await until(lambda: not there.is_open(alert))
        assert there.words(alert) == {"accepted": people}
        assert set(there.taken().values()) == {1}
        assert len(there.events("ledger.put_back")) == 1
        assert differences(there) == []
        code, out, _ = await run(there, "status", "--json")
        assert code == 0
        assert alert in out
        assert await service.end() == 0
        tell("gone", sent_before=before, people=people, words=there.words(alert), twice=0, chains="verified")


async def test_a_full_disk_in_mid_alert(tmp_path: Path) -> None:
    """First the ballast, then nothing: outcomes wait, and are recorded when there is room."""
    people = 90
    with disk(tmp_path / "state", "9m") as state:
        async with scene(tmp_path, people, rate=40) as there:
            (there.installation.config / "service.yaml").write_text("ballast: 1\n")
            async with there.serving():
                await until(lambda: there.events("ballast.made"))
                alert = there.dispatch(there.draft())
                await there.nudge(alert)
                await until(lambda: len(there.taken()) >= 20)
                filling = _fill(state)
                await until(lambda: there.events("ballast.used"))
                on_ballast = len(there.taken())
                _fill(state)
                await asyncio.sleep(0.5)
                filling.unlink()
                await until(lambda: not there.is_open(alert))
                assert there.words(alert) == {"accepted": people}
                assert set(there.taken().values()) == {1}
                assert differences(there) == []
                tell("full", sent_at_ballast=on_ballast, people=people, words=there.words(alert), chains="verified")


def _fill(folder: Path) -> Path:
    filling = folder / "filling"
    with filling.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass
    return filling


async def test_what_the_ledger_does_not_take_is_sent_from_the_spare(tmp_path: Path) -> None:
    """The sender is killed in the middle; another goes on from there, and all of it comes into the ledger, marked."""
    people = 45
    spare = {"KENTONGAN_SPARE_DIR": str(tmp_path / "spare")}
    glass = ("--break-glass", "nobody else is awake", "--json")
    async with scene(tmp_path, people, rate=20) as there, there.serving(**spare):
        alert = there.draft()
        ledger = there.installation.state / "ledger.db"
        with held_by_another(ledger):
            async with command(there, "send", alert, *glass, **spare) as sender:
                await until(lambda: len(there.taken()) >= 10)
                sender.send_signal(signal.SIGKILL)
                await sender.wait()
            at_kill = len(there.taken())
            # Meanwhile it goes out of no other place, and can be stopped or gone on with.
            assert at_kill < people
            code, out, err = await run(there, "send", alert, *glass, **spare)
            assert code == 0, err
            assert "It is sent from the spare instead" in err
            assert json.loads(out)["state"] == "dispatched"
            assert "kentongan merge" in err
            assert there.words(alert) == {}
        await until(lambda: there.events("spool.merged"))
        await until(lambda: not there.is_open(alert))
        taken = there.taken()
        assert there.words(alert) == {"accepted": people}
        assert len(taken) == people
        twice = sum(times > 1 for times in taken.values())
        assert max(taken.values()) <= 2
        assert twice <= marked(there, alert)
        assert differences(there) == []
        (event,) = there.events("spool.merged")
        assert event.data["deliveries"] == people
        code, out, _ = await run(there, "merge", "--json", **spare)
        assert (code, json.loads(out)) == (0, {"merged": []})
        assert [each.name.partition("-")[0] for each in (tmp_path / "spare").iterdir() if each.is_dir()] == ["merged"]
        tell("spare", sent_at_kill=at_kill, people=people, twice=twice, marked=marked(there, alert), chains="verified")


async def test_what_is_sent_from_the_spare_can_be_stopped(tmp_path: Path) -> None:
    people = 200
    spare = {"KENTONGAN_SPARE_DIR": str(tmp_path / "spare")}
    async with scene(tmp_path, people, rate=10) as there:
        alert = there.draft()
        with held_by_another(there.installation.state / "ledger.db"):
            async with command(there, "send", alert, "--break-glass", "alone", **spare) as sender:
                await until(lambda: len(there.taken()) >= 3)
                code, out, _ = await run(there, "stop", alert, "--json", **spare)
                assert code == 0
                seen: dict[str, Any] = json.loads(out)
                assert seen["state"] == "stopped"
                await sender.wait()
        left = len(there.taken())
        assert left < people
        code, out, err = await run(there, "merge", "--json", **spare)
        assert code == 0, err
        assert json.loads(out)["merged"][0]["deliveries"] == people
        words = there.words(alert)
        assert words == {"accepted": left, "cancelled": people - left}
        assert differences(there) == []
        tell("stopped in the spare", words=words)


LATER = (
    "import sys; from pathlib import Path; from kentongan.ledger import opening;"
    "opening.MIGRATIONS, opening.HEAD = Path(sys.argv[1]), sys.argv[2];"
    "from console.main import main; sys.exit(main(sys.argv[3:]))"
)
"""A command of the Kentongan that is to come."""


async def test_a_newer_version_comes_while_an_alert_is_on_its_way(tmp_path: Path) -> None:
    """It changes nothing until the alert is out; then the older service begins nothing more, and says why."""
    people, migrations = 200, tmp_path / "migrations"
    later_version.lay_out(migrations)

    async def later(there: Scene, *arguments: str) -> tuple[int | None, str, str]:
        program = ("-c", LATER, str(migrations), later_version.VERSION)
        return await run(there, *arguments, program=program)

    async with scene(tmp_path, people) as there, there.serving() as service:
        there.sandbox.add_faults("kannel", [Rule(Fault.SLOW, times=None, seconds=2.0)])
        alert = there.dispatch(there.draft())
        await there.nudge(alert)
        await until(lambda: len(there.taken()) >= 1)
        (code, _, refused), (other, _, err) = await asyncio.gather(
            later(there, "status"), later(there, "upgrade", "--now")
        )
        assert (code, "is on its way" in refused) == (3, True)
        assert (other, "sent by the Kentongan of before (service)" in err) == (3, True)
        assert len(there.taken()) < people
        there.sandbox.stand_in("kannel").faults.clear()
        await until(lambda: not there.is_open(alert))
        assert there.words(alert) == {"accepted": people}
        assert set(there.taken().values()) == {1}
        code, out, err = await later(there, "upgrade", "--json")
        assert code == 0, err
        assert json.loads(out)["version"] == later_version.VERSION
        async with asyncio.timeout(20):
            ended_as = await service.process.wait()
        assert ended_as != 0
        code, out, _ = await later(there, "status", alert, "--json")
        assert code == 0
        assert len(there.taken()) == people
        assert differences(there) == []
        tell("upgraded", told=refused.strip(), words=there.words(alert), old_service_ended_as=ended_as)


def test_a_spare_is_no_use_in_the_state_directory_or_open_to_others(tmp_path: Path) -> None:
    state = State.find(tmp_path / "state")
    with pytest.raises(BadConfig, match="lies in the state directory"):
        Spare.find(state, {"KENTONGAN_SPARE_DIR": str(state.root / "spare")})
    (tmp_path / "open").mkdir()
    os.chmod(tmp_path / "open", 0o755)
    with pytest.raises(BadConfig, match="chmod 700"):
        Spare.find(state, {"KENTONGAN_SPARE_DIR": str(tmp_path / "open")})
    assert Spare.find(state, {}) is None
