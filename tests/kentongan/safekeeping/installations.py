"""A state directory with people and an alert on its way, as backups find it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from kentongan.clock import Clock
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger
from kentongan.ledger.verification import verify
from kentongan.safekeeping import backup, restoring
from kentongan.safekeeping.backup import Backup
from kentongan.safekeeping.restoring import Restored
from kentongan.state import State
from tests.kentongan.ledger.scenes import StandingClock, direct, later, open_at, public, put_dispatch, put_people


def silent(done: int, all_: int) -> None:
    """Progress that nobody watches."""


def begun(root: Path, *, people: int = 5) -> tuple[State, StateKeys]:
    """A state directory whose ledger holds one dispatched alert, nothing of it sent."""
    state = State.find(root)
    keys = StateKeys.open(state.root)
    with open_at(state.ledger) as ledger:
        ledger.write(lambda write: put_people(write, keys, people))
        ledger.write(lambda write: put_dispatch(write, [public("toots", later()), direct("sms", later())]))
    return state, keys


def backed_up(
    state: State, keys: StateKeys, target: Path, *, clock: Clock | None = None, keep: int | None = None
) -> Backup:
    return backup.make(state, target, keys=keys, config=None, clock=clock or StandingClock(), keep=keep, tell=silent)


def differences(ledger: Ledger, keys: StateKeys, head: object = None) -> Sequence[str]:
    found = ledger.read(
        lambda read: verify(read, head=head, public_key=keys.head_public_key)  # type: ignore[arg-type]
    )
    return [f"{each.place}: {each.sentence}" for each in found.differences]


@contextmanager
def disk(folder: Path, size: str = "1m") -> Iterator[Path]:
    """A file system of that size; skips where none can be mounted."""
    folder.mkdir(mode=0o700)
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(folder)]
    if mount is None or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("a full disk can only be made where this user may mount one")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def restore(
    state: State, source: Path, *, keys_from: Path | None = None, over: bool = False, clock: StandingClock | None = None
) -> Restored:
    """Restores as Siti does."""
    return restoring.restore(state, source, keys_from=keys_from, over=over, clock=clock or StandingClock(), by="siti")
