from __future__ import annotations

from pathlib import Path

import channels
from channels._reference import page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "channels.md"


def test_the_page_on_channels_is_current() -> None:
    assert PAGE.read_text("utf-8") == page(), "run: python -m channels > docs/channels.md"


def test_every_kind_has_a_row_and_a_section() -> None:
    for kind in channels.kinds():
        assert f"| [{kind}](#{kind}) |" in page()
        assert f"\n## {kind}\n" in page()
