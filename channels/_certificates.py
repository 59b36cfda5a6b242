"""Keeping a library that is imported from reading the certificate authorities, which takes tens of milliseconds."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Iterator
from typing import Any

_one_at_a_time = threading.Lock()


@contextlib.contextmanager
def unread() -> Iterator[None]:
    """Within it, the calling thread makes TLS contexts that trust nobody; other threads make them as ever."""
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
