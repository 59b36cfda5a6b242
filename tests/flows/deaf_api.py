"""A dispatcher beside an API that accepts and never answers: `python deaf_api.py FOLDER URL`.

Prefect is warmed up against the server at URL first, as a service does; then the proxy in between goes deaf.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

from flows import settings
from flows.orchestration import MOST_WAITING, Orchestration
from flows.sending import Sending
from kentongan.seam import Traits
from tests.kentongan.sending import Place, ScriptedChannel, until


class Proxy:
    """Passes bytes on to the good server until it is deaf; from then on it accepts and says nothing."""

    def __init__(self, good: str) -> None:
        self._good = urlsplit(good)
        self.deaf = False
        self._held: list[asyncio.StreamWriter] = []

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._held.append(writer)
        there, here = await asyncio.open_connection(self._good.hostname, self._good.port)
        await asyncio.gather(self._pass(reader, here), self._pass(there, writer), return_exceptions=True)

    async def _pass(self, source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        while chunk := await source.read(65_536):
            if not self.deaf:
                to.write(chunk)
                await to.drain()


async def main(folder: Path, good: str) -> None:
    proxy = Proxy(good)
    server = await asyncio.start_server(proxy.connected, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api"
    place = Place(folder)
    place.subscribe(3)
    channel = ScriptedChannel("sms", traits=Traits(family="phone"))
    environment = settings.client(folder / "prefect", url=url, auth=os.environ["PREFECT_API_AUTH_STRING"])
    orchestration = Orchestration(ledger=place.ledger, environment=environment, available=lambda: None)
    dispatcher = place.dispatcher(channel, orchestrate=orchestration.show)
    await dispatcher.start()
    orchestration.start(Sending(dispatcher, asyncio.get_running_loop()))
    assert await orchestration.warm_up()
    proxy.deaf = True
    for number in range(MOST_WAITING + 1):
        alert = place.dispatch(channel, id=f"alert-{number}", code=f"K7Q{number}")
        began = place.clock.wall()
        await dispatcher.nudge(alert)
        await until(lambda alert=alert: place.words(alert) == {"accepted": 3}, 5)  # type: ignore[misc]
        assert min(a.intent_at for a in place.attempts(alert)) - began < 1500
    lost = place.events("orchestration.lost")
    assert [event.data["error"] for event in lost] == ["NotShown"], lost
    assert "still wait for an answer" in lost[0].data["why"]
    await until(lambda: len(place.events("orchestration.lost")) == MOST_WAITING + 1, 30)
    assert all(event.data["why"] for event in place.events("orchestration.lost"))
    assert place.events("orchestration.began") == []
    assert len(channel.sent) == 3 * (MOST_WAITING + 1)
    await dispatcher.close()
    await orchestration.close()
    print("as it should be", flush=True)
    # Prefect would wait at exit for events that nobody takes.
    os._exit(0)


if __name__ == "__main__":
    Path(sys.argv[1]).mkdir(mode=0o700)
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
