"""A provider that answers after a while and counts by recipient: `stand_in.py HOST PORT SECONDS`.

GET /counts tells what it has accepted, as JSON. It speaks as Kannel's sendsms does.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from typing import Any

_ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Type: text/plain\r\nContent-Length: 25\r\n\r\n0: Accepted for delivery\n"


class _Answering(asyncio.Protocol):
    def __init__(self, counts: Counter[str], seconds: float) -> None:
        self._counts = counts
        self._seconds = seconds
        self._came = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self._came += data
        while (end := self._came.find(b"\r\n\r\n")) >= 0:
            head = self._came[:end].decode("latin-1")
            fields = {
                name.strip().lower(): value.strip()
                for name, _, value in (line.partition(":") for line in head.split("\r\n")[1:])
            }
            whole = end + 4 + int(fields.get("content-length", 0))
            if len(self._came) < whole:
                return
            self._came = self._came[whole:]
            if head.startswith("GET /counts"):
                content = json.dumps(self._counts).encode()
                length = str(len(content)).encode()
                self._write(b"HTTP/1.1 200 OK\r\nContent-Length: " + length + b"\r\n\r\n" + content)
                continue
            # It is accepted from here on, whether anybody hears of it or not.
            self._counts[fields["x-kannel-to"]] += 1
            asyncio.get_running_loop().call_later(self._seconds, self._write, _ACCEPTED)

    def _write(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)


async def main(host: str, port: int, seconds: float) -> None:
    counts: Counter[str] = Counter()
    server = await asyncio.get_running_loop().create_server(
        lambda: _Answering(counts, seconds), host, port, backlog=1024
    )
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
