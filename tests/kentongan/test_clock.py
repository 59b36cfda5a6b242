from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kentongan import clock
from kentongan.clock import Process, SystemClock, network_offset, to_datetime, to_milliseconds


@given(st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))
def test_a_moment_comes_back_to_the_millisecond(moment: datetime) -> None:
    assert abs((to_datetime(to_milliseconds(moment)) - moment).total_seconds()) <= 0.0005
    assert to_milliseconds(to_datetime(to_milliseconds(moment))) == to_milliseconds(moment)


def test_the_clocks_are_the_machine_s() -> None:
    clock = SystemClock()
    before, after = clock.wall(), clock.boot()
    assert abs(before / 1000 - datetime.now(UTC).timestamp()) < 10
    assert clock.boot() >= after > 0


def test_this_process_is_there() -> None:
    this = Process.current()
    assert this == Process.current()
    assert not this.is_gone()


def test_a_process_that_was_killed_is_gone_before_and_after_it_is_reaped() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    this = Process.current()
    try:
        with open(f"/proc/{child.pid}/stat", encoding="utf-8") as file:
            started = int(file.read().rpartition(")")[2].split()[19])
        there = dataclasses.replace(this, pid=child.pid, started=started)
        assert not there.is_gone()
        # Another process that was given the number of an earlier one.
        assert dataclasses.replace(there, started=started - 1).is_gone()
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert there.is_gone()
    finally:
        child.kill()
        child.wait()
        assert child.stdin is not None
        child.stdin.close()
    assert there.is_gone()


def test_what_cannot_be_told_from_here_is_not_called_gone() -> None:
    this = Process.current()
    assert not dataclasses.replace(this, namespace="pid:[1]", pid=999_999_999).is_gone()
    assert dataclasses.replace(this, boot_id="another start of the machine").is_gone()


@pytest.mark.parametrize("hidden", [FileNotFoundError, PermissionError])
def test_a_process_that_is_hidden_from_here_is_not_called_gone(
    hidden: type[OSError], monkeypatch: pytest.MonkeyPatch
) -> None:
    def started(pid: int) -> int:
        raise hidden

    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    there = dataclasses.replace(Process.current(), pid=child.pid)
    monkeypatch.setattr(clock, "_started", started)
    with child:
        assert not there.is_gone()
        child.kill()
    assert there.is_gone()
    assert dataclasses.replace(there, pid=2**70).is_gone()


def test_the_kernel_tells_an_offset_or_nothing() -> None:
    offset = network_offset()
    assert offset is None or abs(offset) < 3600
