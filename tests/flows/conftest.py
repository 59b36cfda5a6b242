"""What Prefect leaves behind in this process is no fault of the next test."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _sockets_of_prefect() -> Iterator[None]:
    """Collects what Prefect's clients leave open after a test, before it is blamed on another."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
