from __future__ import annotations

import re

from kentongan.alert import Kind
from kentongan.data import data_path
from kentongan.words.library import library

LIBRARY = library(data_path("templates"))


def test_all_hazards_are_listed_with_what_they_need(run) -> None:
    listed = run("hazards")
    assert listed.code == 0
    assert all(re.search(rf"^{name}\b", listed.out, re.MULTILINE) for name in LIBRARY.names)
    assert "levels" in listed.out
    assert [each["hazard"] for each in run("hazards", "--json").json["hazards"]] == list(LIBRARY.names)


def test_one_hazard_is_shown_with_fields_levels_kinds_and_languages(run) -> None:
    shown = run("hazards", "tsunami").out
    for word in ("levels *", "Waspada (advisory) (yellow)", "Awas (major warning) (red)", "after 2h at least"):
        assert word in shown, word
    assert "all-clear: en, id, jv, su" in shown
    assert "jv needs a native reader" in shown
    told = run("hazards", "tsunami", "--json").json
    assert set(told["kinds"]) == set(Kind)
    assert told["languages"]["jv"] == ["short", "spoken"]
    assert [level["level"] for level in told["levels"]["tsunami"]] == ["waspada", "siaga", "awas"]
    assert told["fields"]["levels"]["required"]
    assert not told["fields"]["expires"]["own"]


def test_what_it_says_to_type_next_makes_a_draft_that_can_be_submitted(run, as_officer, config) -> None:
    as_officer("siti")
    for name in LIBRARY.names:
        line = next(line for line in run("hazards", name).out.splitlines() if line.startswith("Next: "))
        options = re.findall(r'--set (\w+)="([^"]*)"', line)
        arguments = [part for field, value in options for part in ("--set", f"{field}={value}")]
        drafted = run("draft", "--hazard", name, *arguments, "--json")
        assert drafted.code == 0, (name, drafted.err)
        shown = run("preview", drafted.json["code"], "--json").json
        assert shown["messages"], name
        # WhatsApp takes only templates that were approved beforehand.
        others = [problem for problem in shown["problems"] if not problem["channel"].startswith("whatsapp")]
        assert all(problem["fallen_back"] for problem in others), (name, others)
        submitted = run("submit", drafted.json["code"])
        assert submitted.code == 0, (name, submitted.err)


def test_an_unknown_hazard_is_refused_with_the_nearest(run) -> None:
    refused = run("hazards", "tsunmai")
    assert refused.code == 2
    assert "did you mean tsunami?" in refused.err
