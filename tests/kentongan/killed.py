"""A process that is killed in the middle of its work, played within one process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kentongan.ledger import Ledger


class Killed(BaseException):
    """The end of a process that says nothing more."""


class Mortal(Ledger):
    """A ledger whose process is killed before its write number `left`."""

    left: int

    def write(self, act: Callable[..., Any]) -> Any:
        if self.left == 0:
            raise Killed
        self.left -= 1
        return super().write(act)
