"""The page on Facebook and WhatsApp: its config works, and its table is the adapters' own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import channels
from channels import _graph
from channels._graph import Meaning
from kentongan.config_folder import load
from kentongan.data import data_path
from kentongan.seam import Mode
from kentongan.settings import Settings
from kentongan.words.composing import composer

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "facebook-and-whatsapp.md").read_text("utf-8")
OUTCOMES = {
    "waits": Meaning.THROTTLED,
    "this person": Meaning.ADDRESS,
    "the channel": Meaning.ACCOUNT,
    "the message": Meaning.PAYLOAD,
}


@pytest.fixture
def configured(tmp_path: Path) -> Settings:
    block = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert block is not None
    (tmp_path / "channels.yaml").write_text(block.group(1), "utf-8")
    (tmp_path / "audiences.yaml").write_text("audiences:\n  everyone: {}\n  drill-team: {groups: [drill]}\n", "utf-8")
    (tmp_path / "agency.yaml").write_text(
        "name: BPBD\nsender: bpbd@example.org\nlanguages: [id]\nlink: https://siaga.example\n", "utf-8"
    )
    return load(tmp_path, channels.settings_models())


def test_the_config_on_the_page_is_read(configured: Settings) -> None:
    assert {name: each.mode for name, each in configured.channels.items()} == {
        "page": Mode.LIVE,
        "wa": Mode.LIVE,
        "wa-drill": Mode.DRILL,
    }


def test_the_templates_on_the_page_ask_for_blocks_that_there_are(configured: Settings) -> None:
    words = composer(data_path("templates"))
    names = dict.fromkeys(("headline", "body", "link", "code", "agency", "source", "sent", "mark"), "x")
    asked = {p for each in configured.channels.values() for t in each.approved_templates() or () for p in t.parameters}
    listed = re.search(r"blocks of\n  `[^`]+` \(([^)]*)\)", PAGE)
    assert listed is not None
    for block in {*asked, *re.findall(r"`(\w+)`", listed.group(1))}:
        assert words.block("channels/whatsapp.txt.j2", block, names) == ("x",)


def test_the_table_of_codes_is_the_one_in_use() -> None:
    told: dict[int, Meaning] = {}
    for codes, outcome in re.findall(r"^\| ([0-9][^|]*) \| ([^|]*) \|$", PAGE, re.MULTILINE):
        meaning = next((m for begins, m in OUTCOMES.items() if outcome.startswith(begins)), None)
        for code in re.findall(r"(\d+) to (\d+)|(?<!/)\b(\d+)\b(?!/)", codes):
            first, last = (code[0], code[1]) if code[0] else (code[2], code[2])
            for number in range(int(first), int(last) + 1):
                if meaning is None:
                    meaning_of = Meaning.DUPLICATE if number == 506 else Meaning.UNKNOWN
                    told[number] = meaning_of
                else:
                    told[number] = meaning
    in_use = {code: m for code, m in _graph.MEANINGS.items() if m not in (Meaning.LINK, Meaning.PICTURE)}
    assert told == in_use
