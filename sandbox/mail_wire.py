"""SMTP on a socket that can misbehave, for all accounts behind one port."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import re
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox import smtp
from sandbox.wire import Answer, Manner, Reply, Request

_PATH = re.compile(r"(?:FROM|TO):\s*<([^<>\s]*)>(?:\s+\S+)*\s*", re.IGNORECASE)
_LONGEST_COMMAND = 4096
_GARBLED = b"\x00\x15SNTP\xff\xfe\r\n"

Account = Callable[[str], smtp.Smtp | None]
"""Gives the stand-in of an instance, None where there can be none."""


@dataclass(eq=False)
class MailWire:
    """A listening socket; `account` is asked at login."""

    account: Account
    _server: asyncio.Server | None = field(default=None, init=False)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set, init=False)

    async def listen(self, host: str, port: int) -> int:
        """Listens and returns the port; raises OSError."""
        limit = smtp.LARGEST + 4096
        self._server = await asyncio.start_server(self._connected, host, port, limit=limit)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def close(self) -> None:
        """Stops listening and drops every connection, those that hang included."""
        if self._server is None:
            return
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await _Session(reader, writer, self.account).talk()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass  # the client went away or broke the rules, or the sandbox ends
        finally:
            self._tasks.discard(task)
            writer.transport.abort() if task.cancelling() else writer.close()


class _Session:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, account: Account) -> None:
        self._reader = reader
        self._writer = writer
        self._account = account
        self._stand_in: smtp.Smtp | None = None
        self._sender: str | None = None
        self._recipients: list[str] = []
        self._reset_next = False

    async def talk(self) -> None:
        """Speaks until the client leaves or a fault ends it."""
        await self._say(smtp.said(220, "sandbox.invalid ESMTP - nobody is reached"))
        while line := await self._reader.readline():
            if self._reset_next:
                self._reset()
                return
            if len(line) > _LONGEST_COMMAND:
                await self._say(smtp.said(500, "5.5.2 line too long"))
                continue
            verb, _, rest = line.decode("ascii", "replace").strip().partition(" ")
            if not await self._obey(verb.upper(), rest):
                return

    async def _obey(self, verb: str, rest: str) -> bool:
        """Obeys one command; returns whether the connection goes on."""
        match verb:
            case "EHLO":
                await self._lines(
                    250, "sandbox.invalid", f"SIZE {smtp.LARGEST}", "AUTH PLAIN LOGIN", "ENHANCEDSTATUSCODES"
                )
            case "HELO":
                await self._say(smtp.said(250, "sandbox.invalid"))
            case "NOOP":
                await self._say(smtp.said(250, "2.0.0 ok"))
            case "RSET":
                self._forget()
                await self._say(smtp.said(250, "2.0.0 ok"))
            case "QUIT":
                await self._say(smtp.said(221, "2.0.0 bye"))
                return False
            case "AUTH":
                await self._say(await self._log_in(rest))
            case "MAIL" | "RCPT" | "DATA" if self._stand_in is None:
                await self._say(smtp.said(530, "5.7.0 authentication required"))
            case "MAIL":
                await self._say(self._mail(rest))
            case "RCPT":
                await self._say(self._rcpt(rest))
            case "DATA":
                return await self._data()
            case _:
                await self._say(smtp.said(502, "5.5.1 command not implemented"))
        return True

    def _mail(self, rest: str) -> Answer:
        path = _PATH.fullmatch(rest)
        if self._sender is not None:
            return smtp.said(503, "5.5.1 nested MAIL")
        if path is None:
            return smtp.said(501, "5.1.7 bad sender syntax")
        self._sender = path.group(1)
        return smtp.said(250, "2.1.0 ok")

    def _rcpt(self, rest: str) -> Answer:
        path = _PATH.fullmatch(rest)
        if self._sender is None:
            return smtp.said(503, "5.5.1 MAIL first")
        if path is None:
            return smtp.said(501, "5.1.3 bad address syntax")
        assert self._stand_in is not None
        answer = self._stand_in.recipient(path.group(1))
        if answer.status == 250:
            self._recipients.append(path.group(1))
        return answer

    async def _data(self) -> bool:
        if not self._recipients:
            await self._say(smtp.said(503, "5.5.1 RCPT first"))
            return True
        await self._say(smtp.said(354, "end with a dot alone"))
        content = await self._reader.readuntil(b"\r\n.\r\n")
        whole = re.sub(rb"(?m)^\.", b"", content[:-3])
        recipients, stand_in = self._recipients, self._stand_in
        self._forget()
        assert stand_in is not None
        replies = [stand_in.reply(Request("DATA", recipient, "", {}, whole), recipient) for recipient in recipients]
        return await self._answer(replies[-1])

    async def _log_in(self, rest: str) -> Answer:
        way, _, initial = rest.partition(" ")
        try:
            if way.upper() == "PLAIN":
                given = _decoded(initial or await self._challenge(""))
                _, name, secret = given.split("\0")
            elif way.upper() == "LOGIN":
                name = _decoded(initial or await self._challenge("VXNlcm5hbWU6"))
                secret = _decoded(await self._challenge("UGFzc3dvcmQ6"))
            else:
                return smtp.said(504, "5.5.4 no such mechanism")
        except ValueError:
            return smtp.said(501, "5.5.2 cannot decode")
        instance = smtp.instance_of(name)
        stand_in = self._account(instance) if instance else None
        if stand_in is None or not stand_in.knows(secret):
            return smtp.said(535, "5.7.8 authentication credentials invalid")
        self._stand_in = stand_in
        return smtp.said(235, "2.7.0 ok")

    async def _challenge(self, text: str) -> str:
        await self._say(smtp.said(334, text))
        return (await self._reader.readline()).decode("ascii", "replace").strip()

    async def _answer(self, reply: Reply) -> bool:
        if reply.delay > 0:
            await asyncio.sleep(reply.delay)
        match reply.manner:
            case Manner.HANG:
                with contextlib.suppress(OSError):
                    while await self._reader.read(4096):
                        pass
            case Manner.RESET:
                self._reset()
            case Manner.GARBLE:
                self._writer.write(_GARBLED)
                await self._writer.drain()
            case Manner.WHOLE | Manner.RESET_NEXT:
                await self._say(reply.answer)
                self._reset_next = reply.manner is Manner.RESET_NEXT
                return reply.answer.status != 421
            case Manner.CLOSE:
                await self._say(reply.answer)
            case Manner.HANG_UP:
                pass
        return False

    async def _say(self, answer: Answer) -> None:
        await self._lines(answer.status, answer.body.decode("utf-8", "replace"))

    async def _lines(self, code: int, *lines: str) -> None:
        *first, last = lines
        told = [f"{code}-{line}\r\n" for line in first] + [f"{code} {last}\r\n"]
        self._writer.write("".join(told).encode())
        await self._writer.drain()

    def _forget(self) -> None:
        self._sender, self._recipients = None, []

    def _reset(self) -> None:
        raw = self._writer.get_extra_info("socket")
        # A linger time of zero makes the close a reset.
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError("no base64") from None
