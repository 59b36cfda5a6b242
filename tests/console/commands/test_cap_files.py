"""Every recorded CAP alert can be drafted and exported with no config, no officer and a fresh ledger."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the recorded alerts are not beside this repository")

VALID = sorted((DATA / "cap_valid").glob("*"))
INVALID = sorted((DATA / "cap_invalid").glob("*"))


@pytest.fixture(scope="session")
def schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(DATA / "xsd" / "CAP-v1.2.xsd"))


@pytest.mark.slow
@pytest.mark.timeout(600)  # hundreds of commands, one after the other
def test_every_valid_alert_is_drafted_and_its_export_is_valid_cap_1_2(run, schema) -> None:
    wrong = []
    for file in VALID:
        drafted = run("draft", "--cap", file, "--json")
        if drafted.code != 0:
            wrong.append(f"{file.name}: {drafted.err}")
            continue
        exported = run("alert", "export", drafted.json["code"])
        if exported.code != 0 or not schema.validate(etree.fromstring(exported.out.encode())):
            wrong.append(f"{file.name}: {exported.err or schema.error_log}")
        elif "\ue000" in exported.out:
            wrong.append(f"{file.name}: a late fact was left open")
    assert wrong == []


@pytest.mark.parametrize("file", INVALID, ids=lambda file: file.name)
def test_an_invalid_alert_is_refused_in_one_line(run, file: Path) -> None:
    refused = run("draft", "--cap", file)
    assert refused.code == 2
    assert len(refused.sentences) == 1
    assert file.name in refused.sentences[0]


def test_a_known_document_gives_the_same_draft(run) -> None:
    first, second = (run("draft", "--cap", VALID[0], "--json").json for _ in range(2))
    assert first["code"] == second["code"]
    assert second["known"]


def test_two_languages_of_one_alert_are_one_draft(run) -> None:
    files = sorted((DATA / "bmkg").glob("nowcast_cap_*.xml"))
    drafted = run("draft", *[part for file in files for part in ("--cap", file)], "--json")
    assert drafted.code == 0
    assert sorted(drafted.json["languages"]) == ["en", "id"]


@pytest.mark.parametrize("file", sorted((DATA / "bmkg").glob("*gempa*.json")), ids=lambda file: file.name)
def test_every_recorded_earthquake_is_drafted_and_previewed(run, file: Path) -> None:
    drafted = run("draft", "--bmkg", file, "--drill", "--json")
    assert drafted.code == 0
    shown = run("preview", drafted.json["code"], "--json")
    assert shown.code == 0
    assert {message["language"] for message in shown.json["messages"]} >= {"id", "en"}
    assert all(message["length"] <= message["limit"] for message in shown.json["messages"])
