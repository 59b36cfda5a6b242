"""Prefect's API is a port that takes connections and never says a word: the service sends all the same, and at once."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

from tests.chaos import service as resident
from tests.chaos.rehearsal import Rehearsal
from tests.chaos.scenarios.prefect_server import PROMPT

WEIGHT = 0
PEOPLE = 150


def play(rehearsal: Rehearsal) -> None:
    """Sends two alerts into it, the second while the first still hangs there."""
    with (
        _black_hole() as port,
        resident.serving(rehearsal, environment={"PREFECT_API_URL": f"http://127.0.0.1:{port}/api"}),
    ):
        for _ in range(2):
            alert = rehearsal.approve()
            rehearsal.start("send", alert.code, "--no-wait").wait(60)
            rehearsal.finish(alert)
            rehearsal.prompt(alert, PROMPT)


@contextlib.contextmanager
def _black_hole() -> Iterator[int]:
    taken: list[socket.socket] = []

    def take(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                taken.append(listener.accept()[0])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=take, args=(listener,), daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            for each in taken:
                each.close()
