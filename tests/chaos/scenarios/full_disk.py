"""The ledger's disk is a tmpfs with little to spare: it fills up in the middle of an alert; then room is made."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.chaos.options import Skipped
from tests.chaos.rehearsal import Alert, Rehearsal

WEIGHT = 0
PEOPLE = 3000
DATABASES = ("sqlite",)

_SPARES = ((1_000_000, False), (6_000_000, True))
"""Bytes beside the ledger, and whether the sender is killed on the full disk: the first is full while the alert is yet
to be planned, the second in the middle of its sending."""

_ROOMY = "256m"
_STILL = 2.0
"""Seconds without an acceptance after which the disk is held to be full."""

_PATIENCE = 30.0


def play(rehearsal: Rehearsal) -> None:
    """Once room is made under the sender that waits for it, once after that was killed on the full disk."""
    state = rehearsal.installation.root / "state"
    for spare, killed in _SPARES:
        alert = rehearsal.approve()
        with _small(state, spare) as folder:
            sender = rehearsal.start("send", alert.code)
            fills = _fills_up(rehearsal, alert, sender)
            free = shutil.disk_usage(folder).free
            rehearsal.notes.append(f"{free:,} bytes free after {_sent(rehearsal, alert):,} were accepted")
            if not fills:
                raise Skipped("the disk did not fill up before all was sent; give more --recipients")
            if killed and sender.poll() is None:
                rehearsal.kill(sender, "sender on a full disk", alert, note=False)
            _mount("-o", f"remount,size={_ROOMY}", str(folder))
            with contextlib.suppress(subprocess.TimeoutExpired):
                sender.wait(120)
            if sender.poll() is None:
                rehearsal.hung("a sender, after its disk had room again")
                rehearsal.end(sender)
            rehearsal.finish(alert)


def _sent(rehearsal: Rehearsal, alert: Alert) -> int:
    return rehearsal.stand_in.total() - sum(alert.before.values())


def _fills_up(rehearsal: Rehearsal, alert: Alert, sender: subprocess.Popen[bytes]) -> bool:
    """Waits until the alert goes out, and then until nothing is accepted any more; whether that was before all was."""
    before = seen = rehearsal.stand_in.total()
    since = time.monotonic()
    while sender.poll() is None and (seen == before or time.monotonic() < since + _STILL):
        if time.monotonic() > since + _PATIENCE:
            break
        time.sleep(0.05)
        if (now := rehearsal.stand_in.total()) != seen:
            seen, since = now, time.monotonic()
    return rehearsal.is_open(alert)


@contextlib.contextmanager
def _small(state: Path, spare: int) -> Iterator[Path]:
    """Puts the state folder on a tmpfs that has little room beside it; what it holds at the end is kept."""
    aside = state.with_name("state.aside")
    state.rename(aside)
    state.mkdir(mode=0o700)
    size = sum(file.stat().st_size for file in aside.rglob("*") if file.is_file())
    try:
        _mount("-t", "tmpfs", "-o", f"mode=0700,size={size + spare}", "tmpfs", str(state))
    except Skipped:
        state.rmdir()
        aside.rename(state)
        raise
    try:
        shutil.copytree(aside, state, dirs_exist_ok=True)
        yield state
    finally:
        _mount("-o", f"remount,size={_ROOMY}", str(state))
        shutil.rmtree(aside)
        shutil.copytree(state, aside)
        subprocess.run(["umount", "-l", str(state)], check=True, timeout=30)
        state.rmdir()
        aside.rename(state)


def _mount(*arguments: str) -> None:
    try:
        done = subprocess.run(["mount", *arguments], capture_output=True, text=True, timeout=30, check=False)
    except FileNotFoundError:
        raise Skipped("there is no mount command") from None
    if done.returncode:
        raise Skipped(f"no small disk can be mounted: {done.stderr.strip() or 'mount failed'}")
