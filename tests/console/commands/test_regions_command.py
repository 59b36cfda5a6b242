from __future__ import annotations

import json
from pathlib import Path

import pytest

from kentongan.data import data_path

DEMO = data_path("configs") / "demo"


def test_regions_are_loaded_listed_and_shown(run) -> None:
    assert "No regions are loaded" in run("regions", "list").out
    loaded = run("regions", "import", DEMO / "regions.csv", "--json")
    assert loaded.json == {"added": 18, "updated": 0, "removed": 0, "skipped": [], "notes": []}
    assert run("regions", "import", DEMO / "boundaries.geojson", "--json").json["updated"] == 5
    assert [each["code"] for each in run("regions", "list", "--json").json] == ["99"]
    assert len(run("regions", "list", "99", "--all", "--json").json) == 17
    shown = run("regions", "show", "99.01.03", "--json").json
    assert shown["lies_in"] == ["Kabupaten Tirta Raya", "Provinsi Contoh"]
    assert shown["timezone"] == "Asia/Jakarta"
    assert shown["square_kilometres"] == pytest.approx(306.6)
    assert "taken to reach" in run("regions", "show", "99.01.03.2001").out
    assert "Segara Kidul" in run("regions", "list", "99.01").out


def test_a_list_with_a_bad_row_loads_nothing_and_names_the_line(run) -> None:
    text = "code,name\n33,Jawa Tengah\n33 01,Cilacap\n"
    refused = run("regions", "import", "-", stdin=text)
    assert refused.code == 2
    assert "line 3: code '33 01' is no region code" in refused.err
    assert "nothing was loaded from standard input" in refused.err
    assert run("regions", "list", "--json").json == []
    assert run("regions", "import", "-", "--skip-faulty", stdin=text).code == 0
    assert [each["code"] for each in run("regions", "list", "--json").json] == ["33"]


def test_where_every_row_is_bad_nothing_is_replaced(run) -> None:
    run("regions", "import", "-", stdin="code,name\n33,Jawa Tengah\n")
    refused = run("regions", "import", "-", "--skip-faulty", "--replace", stdin="code,name\n?,Jawa Tengah\n")
    assert refused.code == 2
    assert [each["code"] for each in run("regions", "list", "--json").json] == ["33"]


def test_a_file_that_is_not_there_is_one_sentence(run, surroundings: Path) -> None:
    refused = run("regions", "import", surroundings / "none.csv")
    assert (refused.code, len(refused.sentences)) == (2, 1)
    unknown = run("regions", "show", "77")
    assert (unknown.code, len(unknown.sentences)) == (2, 1)


def test_preview_shows_the_area_and_draws_it(run, config, surroundings: Path) -> None:
    run("regions", "import", DEMO / "regions.csv")
    run("regions", "import", DEMO / "boundaries.geojson")
    fields = {
        "magnitude": "5.6",
        "origin_time": "2026-01-21 07:05",
        "place": "Laut",
        "circle": "-7.93,110.12 3",
        "area": "Muara",
    }
    typed = [part for item in fields.items() for part in ("--set", "=".join(item))]
    drafted = run("draft", "--hazard", "earthquake", "--drill", *typed, "--json")
    assert drafted.code == 0, drafted.err
    code = drafted.json["code"]
    picture = surroundings / "map.svg"
    shown = run("preview", code, "--map", picture)
    assert shown.code == 0, shown.err
    assert "28 km², 3 regions: Segara Kidul" in shown.out
    assert picture.read_text("utf-8").startswith("<svg")
    assert run("preview", code, "--json").json["area"]["regions"] == ["99.01.03"]
    unwritable = run("preview", code, "--map", surroundings / "none" / "map.svg")
    assert (unwritable.code, "--map" in unwritable.err) == (2, True)


def test_a_geojson_file_may_be_piped_in(run) -> None:
    feature = {"type": "Feature", "properties": {"GEOID": "6", "NAME": "California"}, "geometry": None}
    text = json.dumps({"type": "FeatureCollection", "features": [feature]})
    assert run("regions", "import", "-", "--code", "GEOID", "--name", "NAME", stdin=text).code == 0
    assert run("regions", "show", "6", "--json").json["name"] == "California"
