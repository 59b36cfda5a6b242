"""Memory that is free is given back once a day, after pruning or where there was nothing to prune."""

from __future__ import annotations

import ctypes
import platform
from types import SimpleNamespace

import pytest

from console.service import memory
from console.service.pruning import Pruning
from kentongan import pruning


@pytest.mark.parametrize("days", [None, 30])
def test_memory_is_given_back_after_all_of_a_days_pruning(monkeypatch: pytest.MonkeyPatch, days: int | None) -> None:
    order = []

    def prune(*_: object, **__: object) -> pruning.Pruned:
        order.append("pruned")
        return pruning.Pruned()

    monkeypatch.setattr(pruning, "prune", prune)
    monkeypatch.setattr(memory, "give_back", lambda: order.append("given back"))
    settings = SimpleNamespace(policy=SimpleNamespace(deliveries_kept_days=days), agency=None)
    house = SimpleNamespace(settings=settings, clock=SimpleNamespace(wall=lambda: 0), ledger=None, keys=None)
    Pruning(house).prune()  # type: ignore[arg-type]
    assert order == [*(["pruned"] if days else []), "given back"]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_glibc_takes_both() -> None:
    assert memory.share_arenas()
    assert hasattr(ctypes.CDLL(None), "malloc_trim")
    memory.give_back()


def test_a_c_library_that_cannot_give_back_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace())
    assert memory.give_back() is False
    assert memory.share_arenas() is False
