"""The Apprise to be held against: its newest version in an environment of its own, and the lock's beside it.

The newest is installed with pip into a folder of the user's cache, outside of the checkout. Where no package index can
be reached, what was installed the last time is used, and its version stands beside the figures.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measures import Cannot, tell

_SIDE = Path(__file__).with_name("apprise_side.py")


@dataclass(frozen=True)
class Apprise:
    """One environment that has Apprise. `name` is what its figures are called by."""

    name: str
    folder: Path
    version: str

    @property
    def command(self) -> str:
        """Its command line."""
        return str(self.folder / "bin" / "apprise")

    def notify(self, base: str, *, targets: int, threads: int, body: str) -> Notified:
        """Lets its async notify fan one notification out to so many targets at a stand-in."""
        told = json.loads(
            _run(
                [str(self.folder / "bin" / "python"), str(_SIDE)],
                *("--base", base.partition("//")[2], "--targets", str(targets), "--threads", str(threads)),
                *("--body", body),
            )
        )
        if not told["taken"]:
            raise SystemExit(f"Apprise {self.version} did not reach all of its targets; nothing is measured by that")
        return Notified(told["seconds"], told["cpu"])


@dataclass(frozen=True)
class Notified:
    """Seconds, and seconds of processor time, of one fan-out."""

    seconds: float
    cpu: float


def newest() -> Apprise:
    """The newest Apprise, installed or brought up to date first; raises Cannot where there is none and no index."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = home / "kentongan" / "benchmarks" / f"apprise-{sys.version_info.major}.{sys.version_info.minor}"
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    try:
        _run([str(python), "-m", "pip", "install"], "--quiet", "--disable-pip-version-check", "--upgrade", "apprise")
    except subprocess.CalledProcessError:
        if not (folder / "bin" / "apprise").exists():
            raise Cannot("Apprise's newest version could not be installed: no package index was reached") from None
        tell("no package index was reached; the Apprise that was installed the last time stands in for the newest")
    return _at("apprise_newest", folder)


def locked() -> Apprise:
    """The Apprise of the lock, in the environment that runs this."""
    return _at("apprise_locked", Path(sys.prefix))


def _at(name: str, folder: Path) -> Apprise:
    if not (folder / "bin" / "apprise").exists():
        raise Cannot(f"there is no Apprise in {folder.name}; run this with the Python of the checkout's environment")
    version = _run([str(folder / "bin" / "python"), "-c"], "import apprise; print(apprise.__version__)").strip()
    return Apprise(name, folder, version)


def _run(command: list[str], *arguments: str) -> str:
    return subprocess.run([*command, *arguments], check=True, capture_output=True, text=True).stdout
