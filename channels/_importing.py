"""Keeping a library that is imported from what nobody here wants of it and an alert would wait for."""

from __future__ import annotations

import contextlib
import ssl
import sys
import threading
from collections.abc import Iterator
from typing import Any

_one_at_a_time = threading.Lock()


@contextlib.contextmanager
def unread() -> Iterator[None]:
    """Within it, the calling thread makes TLS contexts that trust nobody; other threads make them as ever.

    Reading the certificate authorities takes tens of milliseconds.
    """
    with _one_at_a_time:
        mine = threading.get_ident()
        context: Any = ssl.SSLContext
        name = "set_default_verify_paths"
        # It stands in the class that `ssl.SSLContext` is derived from, unless somebody has put it there too.
        there, own = getattr(context, name), vars(context).get(name)

        def set_default_verify_paths(self: ssl.SSLContext) -> None:
            if threading.get_ident() != mine:
                there(self)

        context.set_default_verify_paths = set_default_verify_paths
        try:
            yield
        finally:
            if own is None:
                delattr(context, name)
            else:
                setattr(context, name, own)


@contextlib.contextmanager
def without(module: str) -> Iterator[None]:
    """Within it, a module that was not imported yet cannot be; for one that its package can do without."""
    with _one_at_a_time:
        absent = module not in sys.modules
        if absent:
            # What is None there raises ModuleNotFoundError.
            sys.modules[module] = None  # type: ignore[assignment]
        try:
            yield
        finally:
            if absent:
                del sys.modules[module]
