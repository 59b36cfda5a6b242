"""How a command asks the resident service on this machine; standard library alone, for a command must be quick."""

from __future__ import annotations

import enum
import http.client
import json
import socket
from typing import Any

from console.service.sockets import SOCKET_NAME, short_path
from kentongan.state import State


class Nudged(enum.Enum):
    """What came of telling the service of a dispatch."""

    OWNED = "owned"
    """The service has it and sends."""

    NOBODY = "nobody"
    """No service runs on this state directory: send at once."""

    NO_ANSWER = "no answer"
    """A service is there but has not taken it: see whether the dispatch has an owner, and take it where not."""


def nudge(state: State, alert_id: str, *, timeout: float = 0.3) -> Nudged:
    """Tells the service that an alert was dispatched; waits `timeout` seconds at most for its word."""
    try:
        answer = ask(state, "POST", "/v1/nudge", {"alert_id": alert_id}, timeout=timeout)
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        return Nudged.NOBODY
    except (OSError, http.client.HTTPException, ValueError):
        return Nudged.NO_ANSWER
    return Nudged.OWNED if answer.get("owned") is True else Nudged.NO_ANSWER


def wake(state: State, alert_id: str | None = None, *, timeout: float = 0.3) -> None:
    """Lets the service look at the ledger at once, after a stop, a release or a resolve; silent where none runs."""
    try:
        ask(state, "POST", "/v1/wake", {"alert_id": alert_id}, timeout=timeout)
    except (OSError, http.client.HTTPException, ValueError):
        return


def status(state: State, *, timeout: float = 2.0) -> dict[str, Any] | None:
    """What the service says of itself; None where none runs or it does not answer."""
    try:
        return ask(state, "GET", "/v1/status", None, timeout=timeout)
    except (OSError, http.client.HTTPException, ValueError):
        return None


def ask(state: State, method: str, path: str, content: dict[str, Any] | None, *, timeout: float) -> dict[str, Any]:
    """Makes one request; raises OSError, HTTPException, ValueError."""
    connection = _Connection(state, timeout)
    try:
        body = None if content is None else json.dumps(content)
        connection.request(method, path, body, {"Content-Type": "application/json"} if body is not None else {})
        response = connection.getresponse()
        answer = json.loads(response.read())
        if response.status != http.client.OK or not isinstance(answer, dict):
            raise ValueError(f"the service answered {response.status}")
        return answer
    finally:
        connection.close()


class _Connection(http.client.HTTPConnection):
    """HTTP over the officers' socket of one state directory."""

    def __init__(self, state: State, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._state = state

    def connect(self) -> None:
        """Connects to the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        with short_path(self._state.root / "run", SOCKET_NAME) as path:
            self.sock.connect(path)
