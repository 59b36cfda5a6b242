"""A command that meets a full disk where nothing waits for one: one sentence with the remedy, and no trace."""

from __future__ import annotations

from pathlib import Path

import pytest

from kentongan.ledger import ballast


@pytest.mark.parametrize("wrapped", [False, True])
def test_it_says_in_one_sentence_where_to_make_room(
    refused, surroundings: Path, monkeypatch: pytest.MonkeyPatch, wrapped: bool
) -> None:
    def onto_a_full_disk(*_: object) -> None:
        try:
            with Path("/dev/full").open("w") as disk:
                disk.write("x")
        except OSError as error:
            if wrapped:
                raise RuntimeError from error
            raise

    monkeypatch.setattr(ballast, "used_at", onto_a_full_disk)
    told = refused("status")
    assert "no room is left" in told
    assert f"df -h {surroundings / 'state'} " in told
