"""The table of all words finds what does not fit, and the words that ship fit everywhere at their widest."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.words_table import main, outlets, table, widest_agency
from kentongan.alert import Kind
from kentongan.data import data_path
from kentongan.settings import Agency
from kentongan.words.fitting import fullest
from kentongan.words.library import HazardLibrary
from kentongan.words.library import library as read_library
from kentongan.words.measuring import Fit, Row, rows
from kentongan.words.shortening import Budget
from kentongan.words.specimens import specimens

LIBRARY = read_library(data_path("templates"))


@pytest.mark.slow
@pytest.mark.parametrize("hazard", LIBRARY.names)
def test_every_message_fits_every_channel_at_its_widest_and_has_no_fault(hazard: str) -> None:
    found = table(LIBRARY, [hazard])
    assert {row.kind for row in found} == set(Kind)
    for row in found:
        assert row.faults == {}, (row.kind, row.language)
        whole = LIBRARY.languages[row.language].whole
        for fit in row.fits:
            assert (fit.length is not None) or not whole, (row.kind, row.language, fit.outlet.kind)
            assert fit.length is None or fit.length <= fit.outlet.limits.length


def test_what_does_not_fit_is_named_with_its_channel_and_specimen(tmp_path: Path, now: datetime) -> None:
    root = tmp_path / "templates"
    shutil.copytree(data_path("templates"), root)
    path = root / "hazards/earthquake/alert.id.j2"
    path.write_text(path.read_text("utf-8").replace("{% block short %}", "{% block short %}" + "kata " * 200), "utf-8")
    brief = root / "kinds/alert.id.j2"
    brief.write_text(
        brief.read_text("utf-8").replace("{% block brief %}", "{% block brief %}" + "kata " * 200), "utf-8"
    )
    read = read_library(root)
    sms = [outlet for outlet in outlets() if outlet.kind == "kannel"]
    (found,) = (
        row
        for row in rows(read, read.get("earthquake"), sms, agency=widest_agency(["id", "en"]), now=now)
        if row.kind is Kind.ALERT and row.language == "id"
    )
    assert any("kannel: earthquake, id: " in fault and "only 3 fit" in fault for fault in found.faults)
    assert any("words, and 32 are the most" in fault for fault in found.faults)
    assert all(names for names in found.faults.values())
    assert found.plainness is not None
    assert found.plainness.longest > 200


def test_specimens_state_every_choice_and_every_level_and_what_is_required(library: HazardLibrary) -> None:
    for name in library.names:
        hazard = library.get(name)
        made = list(specimens(hazard))
        assert set(made[0].facts) >= set(hazard.own_fields)
        required = {field for field, declared in hazard.own_fields.items() if declared.required}
        assert required <= {key.partition(".")[0] for key in made[1].facts} <= {*required, "area"}
        for field, declared in hazard.own_fields.items():
            stated = {str(specimen.facts.get(field)) for specimen in made}
            assert stated >= set(declared.choices), field
            if declared.type == "level":
                assert stated >= set(hazard.scales[field].levels)


def test_the_widest_specimens_are_longer_than_the_examples(library: HazardLibrary, agency: Agency) -> None:
    hazard = library.get("earthquake")
    every, widest = next(specimens(hazard)), next(specimens(hazard, widest=True))
    for name in ("place", "area", "felt", "source"):
        assert len(str(widest.facts[name])) >= len(str(every.facts[name]))
    assert len(str(widest.facts["place"])) > 1.3 * len(str(every.facts["place"]))


def test_the_table_says_by_its_exit_code_whether_all_is_well(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["general"]) == 0
    printed = capsys.readouterr().out
    assert "general  all-clear" in printed
    assert "0 with faults" in printed

    def faulty(read: HazardLibrary, names: object) -> list[Row]:
        fits = tuple(Fit(outlet, None) for outlet in outlets())
        return [
            Row("general", Kind.ALERT, "id", fits, None, {"short: is empty": ("every fact", "required facts only")})
        ]

    monkeypatch.setattr("console.words_table.table", faulty)
    assert main(["general"]) == 1
    assert "general, alert, id: short: is empty (with every fact and 1 more)" in capsys.readouterr().out


class _Made:
    """A message of a form within a budget, whose length is what its parts say."""

    def __init__(self, form: str, budget: Budget, most: int) -> None:
        self.form, self.budget = form, budget
        names = 10 if budget.names is None else min(10, budget.names)
        characters = 200 if budget.characters is None else min(200, budget.characters)
        self.length = {"long": 400, "short": 40}[form] + 5 * names + characters + (50 if budget.spare else 0)
        self.most_names, self.most_characters, self.spared = 10, 200, True
        self.fits = self.length <= most


@given(st.integers(0, 900))
def test_what_can_be_spared_is_said_only_where_all_else_is(most: int) -> None:
    made = fullest(lambda form, budget: _Made(form, budget, most), ("long", "short"))
    if made is None:
        assert most < 40 + 5 + 60
        return
    assert made.length <= most
    whole = made.budget.names is None and made.budget.characters is None
    assert whole or not made.budget.spare
    if not made.budget.spare and whole:
        assert made.length + 50 > most
