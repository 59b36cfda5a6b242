"""Officers see what a message leaves out for want of room wherever they read it before it leaves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kentongan.ledger.renderings import rendered_from_json, rendered_to_json
from kentongan.seam import Mode, Rendered, Shortened
from tests.console.commands.conftest import AsOfficer, Ran, quake
from tests.console.commands.test_routes_shown import SMS

NAMES = [f"Kecamatan {first} {last}" for first in ("Air", "Batu", "Muara", "Tanjung") for last in ("Besi", "Kuning")]
MANY = "; ".join(f"{name} {side}" for name in NAMES for side in ("Barat", "Timur", "Utara", "Selatan"))


@pytest.fixture
def by_sms(config: Path, monkeypatch: pytest.MonkeyPatch, run: Callable[..., Ran], as_officer: AsOfficer) -> None:
    as_officer("siti")
    monkeypatch.setenv("A_SECRET", "gateway")
    (config / "channels.yaml").write_text((config / "channels.yaml").read_text() + SMS.format(mode="live"))
    (config / "audiences.yaml").write_text("audiences: {all: {}}\n")
    assert run("people", "import", "-", stdin="phone\n+6281200000001\n").code == 0


@pytest.mark.usefixtures("by_sms")
def test_what_is_left_out_stands_beside_the_message_before_and_after_it_is_submitted(
    run: Callable[..., Ran], as_officer: AsOfficer
) -> None:
    code = str(run(*quake("--set", f"area={MANY}"), "--json").json["code"])
    submitted = run("preview", code), run("submit", code), run("preview", code)
    as_officer("budi")
    for shown in (submitted[0].out, submitted[2].out, run("approve", code).out):
        told = shown.replace("\n    ", " ")
        assert "SHORTENED to fit" in told
        assert "Kecamatan Tanjung Kuning Utara dan Kecamatan Tanjung Kuning Selatan" in told
    assert "warning: shortened to fit: sms-live:id, sms-live:en; `kentongan preview" in submitted[1].err
    messages = run("preview", code, "--json").json["messages"]
    assert {each["channel"] for each in messages if each["shortened"] is None} == {"feed-live"}
    for each in messages:
        if each["channel"] == "sms-live":
            assert each["shortened"]["form"] is None
            assert each["shortened"]["full_length"] > each["limit"] >= each["length"]
            assert all("Kecamatan" in gone or "Gempa" in gone for gone in each["shortened"]["missing"])


@pytest.mark.usefixtures("by_sms")
def test_of_a_message_that_says_it_all_nothing_is_said(run: Callable[..., Ran]) -> None:
    code = str(run(*quake(), "--json").json["code"])
    assert "SHORTENED" not in run("preview", code).out
    assert run("submit", code, "--json").json["shortened"] == []


def test_what_is_left_out_is_on_record_and_a_whole_message_is_kept_as_before() -> None:
    whole = Rendered("a", "sms", "id", "kannel", Mode.DRILL, "K7Q4-ID", "[LATIHAN]", "Gempa", "[LATIHAN] Gempa")
    assert "shortened" not in rendered_to_json(whole)
    assert rendered_from_json(rendered_to_json(whole)) == whole
    for gone in (Shortened("brief", 4, ("Jauhi pantai.", "... Kaur")), Shortened("general", None, ())):
        short = Rendered(
            "a", "sms", "id", "kannel", Mode.DRILL, "K7Q4-ID", "", "Gempa", "Gempa K7Q4-ID", shortened=gone
        )
        assert rendered_from_json(rendered_to_json(short)) == short
