"""Follows docs/adding-a-hazard.md to the letter."""

from __future__ import annotations

import re
import shutil
from datetime import datetime
from pathlib import Path

import pytest

from console.words_table import outlets, widest_agency
from kentongan.alert import Kind
from kentongan.data import data_path
from kentongan.words import fields, hazards
from kentongan.words.languages import BLOCKS
from kentongan.words.library import HazardLibrary
from kentongan.words.library import library as read_library
from kentongan.words.measuring import rows

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "adding-a-hazard.md").read_text("utf-8")
STEP = re.compile(r"`templates/(?P<path>hazards/[\w./-]+)`\n\n```\w+\n(?P<text>.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> HazardLibrary:
    """The templates after every step of the page that writes a file."""
    root = tmp_path_factory.mktemp("followed") / "templates"
    shutil.copytree(data_path("templates"), root)
    for step in STEP.finditer(PAGE):
        path = root / step["path"]
        path.parent.mkdir(exist_ok=True)
        path.write_text(step["text"], "utf-8")
    return read_library(root)


def test_three_files_make_a_hazard_of_every_kind_without_a_fault(followed: HazardLibrary, now: datetime) -> None:
    heat = followed.get("heat")
    assert sorted(path.name for path in heat.folder.iterdir()) == ["about.id.j2", "alert.id.j2", "hazard.yaml"]
    found = list(rows(followed, heat, outlets(), agency=widest_agency(["id"]), now=now))
    assert [(row.kind, row.language) for row in found] == [(kind, "id") for kind in Kind]
    for row in found:
        assert row.faults == {}, row.kind
        assert all(fit.length is not None for fit in row.fits)


def test_the_page_names_every_field_type_block_line_and_name_that_there_is(followed: HazardLibrary) -> None:
    code = set(re.findall(r"`(\w+)", PAGE))
    typed = set(fields.Type.__args__) - {"end", "polygons", "circles", "geocodes"}  # type: ignore[attr-defined]
    assert typed <= code
    assert set(BLOCKS) <= code
    lines = re.findall(r"{% block (\w+) %}", (followed.root / "kinds/about.id.j2").read_text("utf-8"))
    assert set(lines) <= code
    known = code | set(re.findall(r"\b(\w+)\(", PAGE)) | set(re.findall(r"{{ (\w+)", PAGE))
    # `language` and `events` are for the general hazard alone.
    assert hazards.RESERVED - {"language", "events"} <= known
