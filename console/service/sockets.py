"""The service's two listening sockets: officers' on this machine, and providers' receipts."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from kentongan.errors import BadConfig, BadInput

SOCKET_NAME = "officers.sock"


@contextlib.contextmanager
def short_path(folder: Path, name: str) -> Iterator[str]:
    """A name for a file in `folder` that fits into a socket address, however long the folder's own is (unix(7))."""
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)


def listen_locally(folder: Path) -> socket.socket:
    """The officers' socket, which only this user can reach; one that a dead service left is replaced."""
    listener = socket.socket(socket.AF_UNIX)
    (folder / SOCKET_NAME).unlink(missing_ok=True)
    with short_path(folder, SOCKET_NAME) as path:
        # The folder is its owner's alone, so nobody can come between bind and chmod.
        listener.bind(path)
    (folder / SOCKET_NAME).chmod(0o600)
    listener.listen(64)
    return listener


def listen_at(where: str, option: str, what: str) -> socket.socket:
    """A socket at "HOST:PORT", as `option` names it, for `what`; raises BadInput, BadConfig where it cannot be had."""
    host, _, port = where.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdigit() or int(port) > 65_535:
        raise BadInput(f"{option} {where!r} is no HOST:PORT; give one such as 127.0.0.1:8790")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, int(port)))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise BadConfig(
            f"{what} at {where}: {error.strerror}; end what uses it or name another with {option}"
        ) from None
    return listener


def listen_for_receipts(where: str) -> socket.socket:
    """The receipt endpoint's socket; raises BadInput, BadConfig."""
    return listen_at(where, "--receipts", "receipts cannot be taken")


def listen_for_metrics(where: str) -> socket.socket:
    """The socket for machines that look at the service, of this machine's own where only a port is named.

    Raises BadInput, BadConfig.
    """
    place = f"127.0.0.1:{where}" if where.isdigit() else where
    return listen_at(place, "--metrics", "metrics cannot be shown")


def listen_for_officers(where: str) -> socket.socket:
    """The socket for officers' machines; raises BadInput, BadConfig."""
    return listen_at(where, "--officers-listen", "officers cannot be answered")
