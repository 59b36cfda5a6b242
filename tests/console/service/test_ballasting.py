"""The service lays ballast beside the ledger when it starts, and again once there is room."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.service.ballasting import Ballasting
from kentongan.ledger import ballast
from tests.console.service.serving import scene, until
from tests.installation import install
from tests.kentongan.safekeeping.installations import disk

MEGABYTE = 1_000_000


async def test_it_is_made_again_when_there_is_room(tmp_path: Path) -> None:
    installation = install(tmp_path, {})
    (installation.config / "service.yaml").write_text("ballast: 1\n")
    with disk(installation.state, "8m") as state, installation.open() as house:
        ballasting = Ballasting(house)
        await ballasting.look()
        assert (state / "ledger.db.ballast").stat().st_size == MEGABYTE
        filling = state / "filling"
        filling.write_bytes(bytes(5 * MEGABYTE))
        assert house.ledger.ballast.release()
        house.ledger.write(ballast.note_used)
        await ballasting.look()
        assert not house.ledger.ballast.there
        assert house.ledger.read(ballast.used_at) is not None
        filling.unlink()
        await ballasting.look()
        assert house.ledger.ballast.there
        assert house.ledger.read(ballast.used_at) is None


@pytest.mark.slow
async def test_a_service_that_starts_makes_it_and_leaves_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_PASSWORD", "sandbox-kannel-password")
    async with scene(tmp_path, 1) as there:
        (there.installation.config / "service.yaml").write_text("ballast: 1\n")
        async with there.serving() as service:
            await until(lambda: there.events("ballast.made"))
            assert await service.end() == 0
        assert (there.installation.state / "ledger.db.ballast").stat().st_size == MEGABYTE
