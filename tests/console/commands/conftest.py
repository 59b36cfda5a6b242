"""The command line in this process and in one of its own, over a state directory with two officers in it."""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from console.main import main
from kentongan.clock import SystemClock, to_datetime
from kentongan.desk import membership
from kentongan.login import LoginFile
from kentongan.officers import SigningKey, unseal
from sandbox.server import Sandbox

REPOSITORY = Path(__file__).resolve().parents[3]
DATA = REPOSITORY.parent / "shared" / "data"
SECRETS = {"siti": "siti has many long secrets", "budi": "budi keeps a different one"}


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def sentences(self) -> list[str]:
        """What was said on standard error, without the note on the absent config."""
        return [line for line in self.err.splitlines() if "; times are in UTC" not in line]


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, a state directory of this test's own, nobody logged in, no config."""
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "KENTONGAN_CONFIG", "KENTONGAN_SECRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KENTONGAN_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("KENTONGAN_LOGIN", str(tmp_path / "login"))
    return tmp_path


Run = Callable[..., Ran]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in this process; `stdin` is what it can read."""

    def run_(*arguments: object, stdin: str = "") -> Ran:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8"))
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run_


def arguments_of(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "console.main", *map(str, arguments)]


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a command in a process of its own, which ends with the test."""
    started: list[subprocess.Popen[str]] = []

    def start_(*arguments: object, environment: Mapping[str, str] | None = None, **settings: Any) -> Any:
        settings = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **settings}
        process = subprocess.Popen(
            arguments_of(*arguments), cwd=REPOSITORY, text=True, env={**os.environ, **(environment or {})}, **settings
        )
        started.append(process)
        return process

    yield start_
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def admitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, SigningKey]]:
    """A state directory with two officers, made once, and their keys."""
    from console import unconfigured
    from flows.house import House

    root = tmp_path_factory.mktemp("admitted") / "state"
    keys = {}
    with House.open(None, root) as house:
        desk = house.desk(unconfigured.settings())
        vouching: list[SigningKey] = []
        for name, secret in SECRETS.items():
            officer = membership.add(desk, name, SecretStr(secret), vouching)
            vouching = [keys.setdefault(name, unseal(officer, SecretStr(secret)))]
    return root, keys


AsOfficer = Callable[[str], None]


@pytest.fixture
def as_officer(surroundings: Path, admitted: tuple[Path, dict[str, SigningKey]]) -> AsOfficer:
    """Takes the state directory with its officers over for this test, and logs one in when called."""
    root, keys = admitted
    shutil.copytree(root, surroundings / "state", dirs_exist_ok=True)

    def log_in(name: str) -> None:
        LoginFile.find(surroundings / "state").write(keys[name], now=to_datetime(SystemClock().wall()))

    return log_in


AGENCY = """\
name: BPBD Contoh
sender: siaga@bpbd.example
languages: [id, en]
timezone: Asia/Jakarta
link: https://siaga.example/a
sandbox: true
"""

FEED = """\
  {name}:
    kind: cap_feed
    mode: {mode}
    sandbox: true
    base_url: https://siaga.example/a
    directory: {directory}
    title: Peringatan
    author: BPBD Contoh
"""


@pytest.fixture
def config(surroundings: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config that reaches nobody and needs no network: two feeds, one live and one for drills."""
    folder = surroundings / "config"
    folder.mkdir()
    (folder / "agency.yaml").write_text(AGENCY)
    channels = "channels:\n"
    for mode in ("live", "drill"):
        directory = surroundings / f"feed-{mode}"
        directory.mkdir()
        channels += FEED.format(name=f"feed-{mode}", mode=mode, directory=directory)
    (folder / "channels.yaml").write_text(channels)
    monkeypatch.setenv("KENTONGAN_CONFIG", str(folder))
    return folder


def quake(*more: str) -> list[str]:
    """The line that drafts an earthquake of just now."""
    now = datetime.now(UTC).isoformat(timespec="minutes")
    facts = {"magnitude": "6.1", "place": "28 km barat laut Manna", "area": "Manna; Kota Bengkulu", "origin_time": now}
    sets = [argument for name, value in facts.items() for argument in ("--set", f"{name}={value}")]
    return ["draft", "--hazard", "earthquake", *sets, *more]


@pytest.fixture
def approved(run: Run, as_officer: AsOfficer, config: Path) -> Callable[..., str]:
    """Drafts, submits (siti) and approves (budi) an earthquake; returns its code. budi stays logged in."""

    def approved_(*more: str) -> str:
        as_officer("siti")
        code = str(run(*quake(*more), "--json").json["code"])
        assert run("submit", code).code == 0
        as_officer("budi")
        assert run("approve", code).code == 0
        return code

    return approved_


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """The stand-ins, in a thread of their own."""
    ready, done = threading.Event(), asyncio.Event()
    running: list[tuple[Sandbox, asyncio.AbstractEventLoop]] = []

    async def serve() -> None:
        async with Sandbox() as made:
            running.append((made, asyncio.get_running_loop()))
            ready.set()
            await done.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(10)
    made, loop = running[0]
    yield made
    loop.call_soon_threadsafe(done.set)
    thread.join()


@pytest.fixture
def refused(run) -> Callable[..., str]:
    """Runs a line that must be refused; returns its one sentence."""

    def refused_(*arguments: object, code: int = 2, stdin: str = "") -> str:
        ran = run(*arguments, stdin=stdin)
        assert ran.code == code, ran.err
        assert "Traceback" not in ran.err + ran.out
        assert len(ran.sentences) == 1, ran.err
        assert ran.sentences[0].startswith("kentongan: ")
        return ran.sentences[0]

    return refused_
