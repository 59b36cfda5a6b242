"""Flow runs that a host or process has left: who dies in mid-run cannot tell Prefect, which shows it running for ever.

Whoever is left ends them there, by the ledger's record of whose they were, or by what they noted themselves
(`flows.whose`). What is sent waits for none of it.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from typing import Any, TypeAlias

import httpx

from console.service.looking import Looking
from console.service.prefect_server import PrefectServer
from flows.house import House
from flows.whose import Whose
from kentongan.clock import Process
from kentongan.errors import BadInput
from kentongan.ledger import Read, alerts, hosts

_log = logging.getLogger(__name__)

_LOOK = 20.0
_PATIENCE = 3.0
_BUSY = (0.1, 0.3, 1.0)  # seconds until it is asked again, where its database is busy
_MOST = 200  # runs that are looked at in one round: the server gives no more in one answer

_RECORDED = ("broadcast", "follow-up", "share")
_NOTED = ("render", "drill", "share", "sweep", "readiness")
_UNDER_WAY = ("RUNNING", "PENDING", "CANCELLING")
_BEGUN = ("RUNNING", "CANCELLING")  # what is pending has a note of an earlier attempt at most

_Left: TypeAlias = tuple[str | None, str]
"""The alert of a run that was left, None where it has none on record, and the host it was on."""


class LeftRuns:
    """Ends them while the Prefect server answers: `start`, then `stop`. Use it from one event loop."""

    def __init__(self, house: House, server: PrefectServer) -> None:
        self._house = house
        self._server = server
        self._looking = Looking("flow runs that were left", self.look, every=_LOOK, first=_LOOK)

    def start(self) -> None:
        """Begins to look."""
        self._looking.start()

    async def stop(self) -> None:
        """Ends the looking."""
        await self._looking.stop()

    async def look(self) -> list[str]:
        """Has Prefect show as crashed what nobody runs any more; returns the ids of those flow runs."""
        if self._server.available() is not None:
            return []
        ended = []
        environment = {**os.environ, **self._server.environment}
        user, _, password = environment.get("PREFECT_API_AUTH_STRING", "").partition(":")
        auth = httpx.BasicAuth(user, password) if user else None
        try:
            async with httpx.AsyncClient(base_url=self._server.url, timeout=_PATIENCE, auth=auth) as client:
                for flows, states, by in (
                    (_RECORDED, _UNDER_WAY, self._left_by_record),
                    (_NOTED, _BEGUN, self._left_by_note),
                ):
                    of_them = {"flows": {"name": {"any_": flows}}, "flow_runs": {"state": {"type": {"any_": states}}}}
                    for run in await _asked(client, "/flow_runs/filter", {**of_them, "limit": _MOST}):
                        if await self._end(client, run, by):
                            ended.append(str(run["id"]))
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, LookupError, TypeError) as error:
            # Only the type: the text may hold the address, and with it a secret.
            _log.info("flow runs not looked at", extra={"error": type(error).__name__})
        return ended

    async def _end(
        self, client: httpx.AsyncClient, run: dict[str, Any], by: Callable[[Read, dict[str, Any]], _Left | None]
    ) -> bool:
        # Apart from the loop: a ledger that is far away or locked holds up none of what else the service does.
        left = await asyncio.to_thread(self._house.ledger.read, lambda read: by(read, run))
        if left is None:
            return False
        id, (alert_id, host) = str(run["id"]), left
        told = f"whoever ran this on {host} has ended in the middle"
        if alert_id is not None:
            told += f"; others go on (kentongan status {run['parameters']['alert']})"
        state = {"state": {"type": "CRASHED", "name": "Crashed", "message": told}}
        answer = await _asked(client, f"/flow_runs/{id}/set_state", state)
        if answer["status"] != "ACCEPT":
            return False
        of_it = {"flow_runs": {"id": {"any_": [id]}}, "task_runs": {"state": {"type": {"any_": _UNDER_WAY}}}}
        for task in await _asked(client, "/task_runs/filter", of_it):
            await _asked(client, f"/task_runs/{task['id']}/set_state", state)
        if alert_id is not None:
            await self._house.ledger.write_soon(
                lambda write: write.event("orchestration.crashed", alert=alert_id, flow_run=id, host=host)
            )
        _log.warning("a flow run was left", extra={"alert": alert_id, "host": host})
        return True

    def _left_by_record(self, read: Read, run: dict[str, Any]) -> _Left | None:
        """Whether the ledger says who left it; None where that is there, or the ledger knows no such run."""
        alert_id = _alert(read, run)
        if alert_id is None:
            return None
        host = hosts.left(read, alert_id, str(run["id"]), clock=self._house.clock, process=Process.current())
        return None if host is None else (alert_id, host)

    def _left_by_note(self, read: Read, run: dict[str, Any]) -> _Left | None:
        """Whether who noted that the run is theirs has left it; None where that is there, or cannot be told."""
        whose = Whose.of(run)
        if whose is None or not whose.has_left(read, clock=self._house.clock, process=Process.current()):
            return None
        return _alert(read, run), whose.host


def _alert(read: Read, run: dict[str, Any]) -> str | None:
    """The id of the alert that a run was called with; None where it was called with none, or with another ledger's."""
    try:
        return alerts.by_handle(read, str(run["parameters"]["alert"])).id
    except (BadInput, LookupError):
        return None


async def _asked(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> Any:
    answer = await client.post(path, json=body)
    for wait in _BUSY:
        # So it answers where its database is locked: nothing was done. Prefect's own client asks again as well.
        if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            break
        await asyncio.sleep(wait)
        answer = await client.post(path, json=body)
    return answer.raise_for_status().json()
