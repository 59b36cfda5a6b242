"""An upgrade by the command line: refused under an alert, told what there is to do, done once nobody sends."""

from __future__ import annotations

from pathlib import Path

import pytest

from kentongan.clock import SystemClock
from kentongan.keys import StateKeys
from kentongan.ledger import opening
from tests.kentongan.ledger.later_version import VERSION, Install, install
from tests.kentongan.ledger.scenes import open_at, public, put_dispatch

__all__ = ["install"]


@pytest.fixture
def sending(surroundings: Path) -> None:
    """A state directory with an alert that is on its way, which nobody sends."""
    state = surroundings / "state"
    state.mkdir(mode=0o700)
    StateKeys.open(state)
    with open_at(state / "ledger.db", clock=SystemClock()) as ledger:
        instance = public("toots", ledger.clock.wall() + 3_600_000, ("id",))
        ledger.write(lambda write: put_dispatch(write, [instance]))


@pytest.mark.usefixtures("sending")
def test_no_command_upgrades_under_an_alert_but_a_stop_goes_through(run, install: Install) -> None:
    before = opening.HEAD
    install()
    for command in (("status",), ("upgrade",)):
        refused = run(*command)
        assert refused.code == 3
        assert "alert K7Q4 is on its way" in refused.err
        assert "`kentongan upgrade --now`" in refused.err
    assert run("stop", "K7Q4", "--json").json["cancelled"] == 1
    done = run("upgrade", "--json").json
    assert (done["before"], done["version"]) == (before, VERSION)
    assert run("upgrade").out == f"The ledger is of version {VERSION} already.\n"


@pytest.mark.usefixtures("sending")
def test_what_nobody_sends_is_upgraded_when_told_to(run, install: Install) -> None:
    install()
    assert run("upgrade", "--now").out.startswith(f"The ledger is of version {VERSION} now, and was of ")
    assert "K7Q4" in run("status").out


def test_there_must_be_a_ledger(run, surroundings: Path) -> None:
    (surroundings / "state").mkdir(mode=0o700, exist_ok=True)
    told = run("upgrade")
    assert (told.code, "there is no ledger" in told.err) == (2, True)
