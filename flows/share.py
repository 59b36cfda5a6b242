"""One host's share of an alert, as Prefect runs and shows it: what the senders there have made of it."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows import counts
from flows.house import House
from flows.instances import send_instances
from flows.whose import noted
from kentongan.clock import Process
from kentongan.ledger import alerts, hosts, views

_LOOK = 1.0


@flow(name="share", flow_run_name="{alert}-on-{host}", retries=0)
@noted
async def share(alert: str, host: str = "") -> State[Any]:
    """Follows what `host` sends of `alert` (its id or code) to the alert's end, and says in its state what it was.

    `host` is the one it runs on unless told otherwise. Where no `kentongan worker` runs there, it takes part itself,
    as any sender. Raises Refused, BadInput, BadConfig.
    """
    host = host or socket.gethostname()
    with await asyncio.to_thread(House.open, None, None) as house:
        stored = house.ledger.read(lambda read: alerts.by_handle(read, alert))
        if not _works(house, host):
            if host == socket.gethostname():
                await send_instances(stored.id, takes_part=True)
            return _told(house, stored.id, host)
        # Another process's end is seen in the ledger alone.
        while house.ledger.read(lambda read: views.is_open(read, stored.id)) and _works(house, host):  # noqa: ASYNC110
            await asyncio.sleep(_LOOK)
        return _told(house, stored.id, host)


def _works(house: House, host: str) -> bool:
    process = Process.current()
    return host in house.ledger.read(lambda read: hosts.working(read, clock=house.clock, process=process))


def _told(house: House, alert_id: str, host: str) -> State[Any]:
    words = house.ledger.read(lambda read: hosts.shares(read, alert_id)).get(host, {})
    message = counts.sentence(words) if words else "nothing of it fell to this host"
    if house.ledger.read(lambda read: views.is_open(read, alert_id)):
        return Failed(name="Left", message=f"{message}; its worker has ended, and other hosts go on")
    return (Failed if counts.failed(words) else Completed)(message=message)
