"""What a user may not read or write is one sentence with the place and the remedy, and is never called whole."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.console.service.serving import ROOT
from tests.installation import Installation, install

# The superuser may do all of it, unless it gives these up.
_MORTAL = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner"] if os.geteuid() == 0 else []
pytestmark = pytest.mark.skipif(bool(_MORTAL) and not shutil.which("setpriv"), reason="root, and no setpriv here")


@pytest.fixture
def there(tmp_path: Path) -> Installation:
    installation = install(tmp_path, {})
    installation.open().close()
    return installation


def said(there: Installation, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        [*_MORTAL, sys.executable, "-m", "console.main", *words],
        env=there.environment,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_state_directory_of_somebody_elses_is_one_sentence(there: Installation) -> None:
    there.state.chmod(0)
    try:
        code, told = said(there, "status")
    finally:
        there.state.chmod(0o700)
    assert code == 2
    assert told.startswith(f"kentongan: state directory {there.state} cannot be read by this user; ")
    assert told.count("\n") == 1


def test_a_ledger_that_can_only_be_read_is_a_fault_to_check(there: Installation) -> None:
    for file in there.state.glob("ledger.db*"):
        file.chmod(0o400)
    code, told = said(there, "check")
    assert code == 2
    assert f"FAULT state: ledger {there.state / 'ledger.db'} cannot be written" in told
    assert "it can be read and written" not in told


def test_a_config_of_somebody_elses_is_one_sentence(there: Installation) -> None:
    there.config.chmod(0)
    try:
        code, told = said(there, "send", "K7Q4")
    finally:
        there.config.chmod(0o700)
    assert code == 2
    assert told.startswith(f"kentongan: {there.config / 'agency.yaml'}: cannot be read: Permission denied; give")
    assert told.count("\n") == 1


def test_a_run_folder_that_cannot_be_written_keeps_the_service_from_starting_in_one_sentence(
    there: Installation,
) -> None:
    (there.state / "run").mkdir(mode=0o500, exist_ok=True)
    (there.state / "run").chmod(0o500)
    code, told = said(there, "serve", "--receipts", "127.0.0.1:0")
    assert code == 2
    assert told.startswith(f"kentongan: {there.state / 'run' / 'service.lock'} cannot be used: Permission denied; ")
