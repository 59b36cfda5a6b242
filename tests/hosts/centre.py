"""What hosts share, in the centre of their network: Postgres, the Prefect server on it, and the stand-in."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.hosts.network import CENTRE, NET, Denied

ROOT = Path(__file__).parents[2]
_WAIT = 60.0


@dataclass(frozen=True)
class Centre:
    """Where it all is. `auth` is Prefect's shared secret."""

    folder: Path
    ledger: str
    prefect_database: str
    auth: str
    provider: str = f"http://{CENTRE}:8800"
    prefect: str = f"http://{CENTRE}:4200/api"

    def environment(self) -> dict[str, str]:
        """What every process of ours is told."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "KENTONGAN_"))}
        return {
            **kept,
            "KENTONGAN_DATABASE_URL": self.ledger,
            "PREFECT_API_URL": self.prefect,
            "PREFECT_API_AUTH_STRING": self.auth,
            "PREFECT_HOME": str(self.folder / "prefect"),
            "DO_NOT_TRACK": "1",
        }


def postgres_binaries() -> Path:
    """Where Debian's Postgres has its programs; raises Denied where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    if not found:
        raise Denied("Debian's Postgres is not installed (`make peers` does it)")
    return found[-1].parent


@contextlib.contextmanager
def running(folder: Path, *, prefect: bool, seconds: float) -> Iterator[Centre]:
    """Postgres, the stand-in and, where wanted, the Prefect server, for as long as the context lasts."""
    password = secrets.token_hex(12)
    centre = Centre(
        folder=folder,
        ledger=f"postgresql://kentongan:{password}@{CENTRE}/kentongan",
        prefect_database=f"postgresql+asyncpg://kentongan:{password}@{CENTRE}/prefect",
        auth=f"kentongan:{secrets.token_hex(12)}",
    )
    (folder / "prefect").mkdir()
    with _postgres(folder, password), contextlib.ExitStack() as stack:
        stand_in = [sys.executable, str(Path(__file__).with_name("stand_in.py")), CENTRE, "8800", str(seconds)]
        stack.enter_context(_process(stand_in, os.environ, folder / "stand-in.log"))
        if prefect:
            stack.enter_context(_prefect(centre))
        yield centre


@contextlib.contextmanager
def _postgres(folder: Path, password: str) -> Iterator[None]:
    binaries = postgres_binaries()
    data = folder / "postgres"
    data.mkdir()
    shutil.chown(data, "postgres", "postgres")
    for place in (folder, *folder.parents[:-1]):
        if place.stat().st_mode & 0o001 == 0:
            place.chmod(place.stat().st_mode | 0o011)
    _as_postgres(str(binaries / "initdb"), "-D", str(data), "-E", "UTF8", "--locale=C.UTF-8", "-A", "trust")
    with (data / "postgresql.conf").open("a") as settings:
        settings.write(f"listen_addresses = '{CENTRE}'\nunix_socket_directories = '{data}'\nfsync = off\n")
    (data / "pg_hba.conf").write_text(f"local all postgres trust\nhost all all {NET}.0/24 scram-sha-256\n")
    command = ["runuser", "-u", "postgres", "--", str(binaries / "postgres"), "-D", str(data)]
    with _process(command, os.environ, folder / "postgres.log"):
        _until(lambda: (data / "postmaster.pid").exists() and _can(binaries, data, "SELECT 1"), "Postgres")
        _can(binaries, data, f"CREATE USER kentongan PASSWORD '{password}'")
        for name in ("kentongan", "prefect"):
            _can(binaries, data, f"CREATE DATABASE {name} OWNER kentongan")
        yield


def _can(binaries: Path, data: Path, statement: str) -> bool:
    command = [str(binaries / "psql"), "-h", str(data), "-X", "-q", "-c", statement, "postgres"]
    done = subprocess.run(["runuser", "-u", "postgres", "--", *command], capture_output=True, text=True, check=False)
    return done.returncode == 0


def _as_postgres(*command: str) -> None:
    subprocess.run(["runuser", "-u", "postgres", "--", *command], check=True, capture_output=True)


@contextlib.contextmanager
def _prefect(centre: Centre) -> Iterator[None]:
    environment = {
        **centre.environment(),
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": centre.prefect_database,
        "PREFECT_SERVER_API_AUTH_STRING": centre.auth,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_UI_ENABLED": "false",
    }
    command = [str(Path(sys.executable).with_name("prefect")), "server", "start", "--host", CENTRE, "--port", "4200"]
    with _process(command, environment, centre.folder / "prefect.log"):
        yield


def wait_for_prefect(centre: Centre) -> None:
    """Returns once the Prefect server answers."""
    _until(lambda: _answers(f"{centre.prefect}/health"), "the Prefect server")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@contextlib.contextmanager
def _process(command: list[str], environment: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process of the centre, ended at the end."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            env=dict(environment),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _until(condition: Callable[[], object], what: str) -> None:
    until = time.monotonic() + _WAIT
    while not condition():
        if time.monotonic() > until:
            raise SystemExit(f"{what} did not come up within {_WAIT:.0f} s")
        time.sleep(0.1)
