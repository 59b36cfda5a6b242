"""A Kentongan that is to come: one more migration than there are, which tests can let be installed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kentongan.ledger import opening

VERSION = "9999"

_MIGRATION = f'''
import sqlalchemy as sa
from alembic import op

revision = "{VERSION}"
down_revision = "{opening.HEAD}"


def upgrade():
    op.create_table("to_come", sa.Column("id", sa.Integer(), primary_key=True))
    op.add_column("alert", sa.Column("to_come", sa.Text()))
'''
BREAKS = "    raise ArithmeticError\n"

Install = Callable[..., None]


def lay_out(folder: Path, end: str = "") -> None:
    """Writes its migrations into a new folder; `end` is the end of the last of them."""
    shutil.copytree(opening.MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / f"{VERSION}_to_come.py").write_text(_MIGRATION + end, "utf-8")


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """From its call on, ledgers are opened by the Kentongan to come; what is given is the end of its migration."""
    folder = tmp_path / "migrations to come"

    def install(end: str = "") -> None:
        lay_out(folder, end)
        monkeypatch.setattr(opening, "MIGRATIONS", folder)
        monkeypatch.setattr(opening, "HEAD", VERSION)

    return install
