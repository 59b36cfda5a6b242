from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kentongan.errors import BadConfig
from kentongan.installation import check_packages

ROOT = Path(__file__).resolve().parents[2]


def test_our_own_packages_pass() -> None:
    check_packages()


def test_a_missing_package_is_named() -> None:
    with pytest.raises(BadConfig, match="kentongan_none is missing"):
        check_packages(["kentongan_none"])


def test_a_foreign_package_is_told_what_to_uninstall(tmp_path: Path) -> None:
    foreign = tmp_path / "channels"
    foreign.mkdir()
    (foreign / "__init__.py").write_text("raise SystemExit('imported')\n")
    record = tmp_path / "channels-4.2.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: channels\nVersion: 4.2.0\n")
    (record / "RECORD").write_text("channels/__init__.py,,\n")
    (record / "top_level.txt").write_text("channels\n")
    program = (
        f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]\n"
        "from kentongan.errors import BadConfig\nfrom kentongan.installation import check_packages\n"
        "try:\n    check_packages()\nexcept BadConfig as error:\n    sys.stdout.write(str(error))\n"
    )
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True)
    assert "package channels in" in done.stdout
    assert "uninstall channels" in done.stdout
    assert "\n" not in done.stdout
