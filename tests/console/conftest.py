"""What holds for all tests of what people touch."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import pytest

from kentongan import officers
from kentongan.desk import membership


@pytest.fixture(scope="session", autouse=True)
def _quick_seals() -> Iterator[None]:
    """Officers that this process makes are sealed at the least cost that is read: sealing is slow on purpose."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(membership, "new_officer", functools.partial(officers.new_officer, cost=2**14))
        yield
