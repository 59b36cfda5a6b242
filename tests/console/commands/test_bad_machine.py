"""Whatever is wrong with the machine or with us: one sentence with place and remedy, nothing lost, no trace."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.console.commands.documents import BMKG, CAP

REPOSITORY = Path(__file__).resolve().parents[3]


def test_a_locked_ledger_is_said_and_nothing_is_lost(run, refused, surroundings: Path) -> None:
    code = run("draft", "--bmkg", "-", "--json", stdin=BMKG).json["code"]
    holder = sqlite3.connect(surroundings / "state" / "ledger.db", isolation_level=None)
    try:
        holder.execute("BEGIN IMMEDIATE")
        assert "is locked by another program" in refused("draft", "--bmkg", "-", stdin=BMKG)
    finally:
        holder.close()
    assert [each["code"] for each in run("status", "--json").json["alerts"]] == [code]


def test_a_file_that_is_no_ledger_is_said(refused, surroundings: Path) -> None:
    (surroundings / "state").mkdir(mode=0o700)
    (surroundings / "state" / "ledger.db").write_bytes(b"no ledger " * 1000)
    ran = refused("stop", "0000")
    assert "is damaged or no ledger" in ran


def _big(surroundings: Path) -> Path:
    document = surroundings / "big.xml"
    info = (
        "<info><category>Geo</category><event>e</event><urgency>Past</urgency><severity>Minor</severity>"
        f"<certainty>Observed</certainty><description>{'word ' * 200_000}</description></info>"
    )
    document.write_text(CAP.format(status="Actual", info=info))
    return document


@pytest.fixture
def tiny_disk(surroundings: Path) -> Iterator[None]:
    """A state directory on a disk of two megabytes, of which an empty ledger takes one while it is made."""
    state = surroundings / "state"
    state.mkdir(mode=0o700)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs", str(state)], check=False)
    if mounted.returncode:
        pytest.skip("no disk can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(state)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a disk")
@pytest.mark.usefixtures("tiny_disk")
def test_a_full_disk_is_said_and_nothing_is_lost(run, refused, surroundings: Path) -> None:
    code = run("draft", "--bmkg", "-", "--json", stdin=BMKG).json["code"]
    assert "the disk is full" in refused("draft", "--cap", _big(surroundings))
    assert [each["code"] for each in run("status", "--json").json["alerts"]] == [code]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a disk")
@pytest.mark.usefixtures("tiny_disk")
def test_a_disk_without_a_byte_left_is_said_to_be_full(run, refused, surroundings: Path) -> None:
    code = run("draft", "--bmkg", "-", "--json", stdin=BMKG).json["code"]
    filling = surroundings / "state" / "filling"
    with contextlib.suppress(OSError), filling.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    assert "the disk is full" in refused("status")
    filling.unlink()
    assert [each["code"] for each in run("status", "--json").json["alerts"]] == [code]


def test_a_ledger_that_may_not_grow_is_said_and_nothing_is_lost(run, surroundings: Path) -> None:
    code = run("draft", "--bmkg", "-", "--json", stdin=BMKG).json["code"]
    document = _big(surroundings)
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000)); "
    program = f"{limit}import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    program += f"from console.main import main; raise SystemExit(main(['draft', '--cap', {str(document)!r}]))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, cwd=REPOSITORY)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("kentongan: ledger ")
    assert [each["code"] for each in run("status", "--json").json["alerts"]] == [code]


def test_a_state_directory_that_others_can_change_is_refused(refused, surroundings: Path) -> None:
    state = surroundings / "state"
    state.mkdir()
    (state / "file").touch()
    state.chmod(0o777)
    assert "chmod 700" in refused("status")


def test_a_port_in_use_is_said(refused, config: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert str(port) in refused("sandbox", "--port", port)
        assert str(port) in refused("serve", "--receipts", f"127.0.0.1:{port}")


@pytest.mark.parametrize("name", ["channels", "flows"])
def test_a_foreign_package_is_named(start, surroundings: Path, name: str) -> None:
    foreign = surroundings / "site" / name
    foreign.mkdir(parents=True)
    (foreign / "__init__.py").write_text("raise RuntimeError('imported')")
    program = f"import sys; sys.path[:0] = [{str(foreign.parent)!r}]; from console.main import main; "
    program += "raise SystemExit(main(['status']))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=surroundings,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert f"package {name} in {foreign} is not Kentongan's" in done.stderr


def test_a_missing_template_is_said(run, config: Path, monkeypatch: pytest.MonkeyPatch, surroundings: Path) -> None:
    import shutil

    from kentongan import data

    templates = surroundings / "templates"
    shutil.copytree(data.data_path("templates"), templates)
    shutil.rmtree(templates / "hazards" / "general")
    monkeypatch.setattr(data, "data_path", lambda name: templates if name == "templates" else config)
    ran = run("check")
    assert ran.code == 2
    assert "general" in ran.out
    assert "Traceback" not in ran.err


def test_a_mistake_of_ours_is_one_sentence_with_the_place_of_its_trace(run, monkeypatch: pytest.MonkeyPatch) -> None:
    from kentongan.ledger import alerts

    address = f"+62{8123456789}"

    def broken(read: object) -> None:
        raise ZeroDivisionError(address)

    monkeypatch.setattr(alerts, "listing", broken)
    ran = run("status")
    assert ran.code == 1
    assert "(ZeroDivisionError)" in ran.err
    trace = Path(re.search(r"its trace is in (\S+);", ran.err).group(1))
    assert "broken" in trace.read_text()
    assert address not in trace.read_text() + ran.err
    assert trace.stat().st_mode & 0o077 == 0


def test_whoever_stops_reading_ends_nothing_with_a_trace(start) -> None:
    listing = start("--help", stdout=subprocess.PIPE)
    listing.stdout.close()
    assert listing.wait(30) == 0
    assert "Traceback" not in listing.stderr.read()
