"""An officer's request arrives and its answer does not: it counts once, and the officer is told how to see so."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.console.nights import SECRETS, Ran, move_in, night, serving

BUDI = {"KENTONGAN_SECRET": SECRETS["budi"]}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@dataclass
class Line:
    """The line between the officer and the service; with `cut`, whoever asks so gets no answer to what arrived."""

    port: int
    cut: bytes = b""

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        trusting = ssl.create_default_context()
        trusting.check_hostname = False
        trusting.verify_mode = ssl.CERT_NONE
        there, back = await asyncio.open_connection("127.0.0.1", self.port, ssl=trusting)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                asked = await _message(reader)
                back.write(asked)
                answer = await _message(there)
                if self.cut and asked.startswith(self.cut):
                    writer.transport.abort()
                    break
                writer.write(answer)
        back.close()
        writer.close()


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    fields = dict(line.lower().split(": ", 1) for line in head.decode().split("\r\n")[1:] if line)
    return head + await reader.readexactly(int(fields.get("content-length", 0)))


@contextlib.asynccontextmanager
async def line(url: str, root: Path) -> AsyncIterator[tuple[Line, str]]:
    """A line to the service at `url`, and the address to use it by; it shows the service's own certificate."""
    made = Line(int(url.rpartition(":")[2]))
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(root / "service.pem", root / "service.key")
    server = await asyncio.start_server(made.carry, "127.0.0.1", 0, ssl=own)
    try:
        yield made, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def told_lost(done: Ran, code: str) -> bool:
    """Whether the officer hears that it may have arrived, and how to see whether it did."""
    return done.code == 2 and "may have counted" in done.err and f"kentongan status {code}" in done.err


async def test_what_arrives_without_an_answer_counts_once_and_can_be_seen(tmp_path: Path) -> None:
    async with night(tmp_path) as made:
        async with serving(made, tmp_path), line(made.url, tmp_path) as (between, made.url):
            await move_in(made)
            remote = ("--service", made.url)
            code = await made.submitted()
            between.cut = b"POST /v1/approvals/"
            lost = await made.away.run("approve", code, *remote, **BUDI)
            assert told_lost(lost, code), lost
            between.cut = b""
            seen = await made.away.run("status", code, *remote, **BUDI)
            assert seen.out == f"Alert {code}, drill, approved, with the word of budi\n"
            beside = await made.duty.run("status", code)
            assert f"Alert {code}, with the word of budi, approved" in beside.out
            again = await made.away.do("approve", code, *remote, **BUDI)
            assert again["by"] == ["siti", "budi"]
            assert (await made.duty.do("send", code))["by"] == ["siti", "budi"]
            between.cut = b"POST /v1/alerts/"
            stopped = await made.away.run("stop", code, *remote, **BUDI)
            assert told_lost(stopped, code), stopped
            between.cut = b""
            assert (await made.away.do("status", code, *remote, **BUDI))["state"] == "stopped"
            verified = await made.duty.run("log", "verify")
            assert verified.code == 0, verified
        # Where nothing listens nothing can have arrived, and that is another sentence.
        gone = await made.away.run("stop", code, *remote, **BUDI)
        assert gone.code == 2
        assert "cannot be reached" in gone.err
        assert "may have counted" not in gone.err
