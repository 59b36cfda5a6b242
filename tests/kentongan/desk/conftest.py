from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kentongan.desk.scenes import Scene, scene


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Scene]:
    with scene(tmp_path / "desk") as made:
        yield made
