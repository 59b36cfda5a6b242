"""One mail transaction: a connection to the agency's mail server, and what became of one message on it.

Until the content is written nothing has left, so every fault up to there is Retryable (or ours to mend); from there on
only a reply of the protocol ends the doubt. A connection is used again only after it has answered a RSET, and never
after 1 s idle or a fault: it can fail then, but only before the content is written.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import field
from pathlib import Path

import aiosmtplib
import aiosmtplib.protocol

from channels._names import apart
from channels._secret import Secret
from channels._smtp_reading import Reply, Step, read
from kentongan.quick_dataclass import dataclass
from kentongan.seam import Credential, InDoubt, Outcome, Rejected, Retryable, Why

logger = logging.getLogger(__name__)

IDLE = 1.0
"""Seconds after which a connection is not used again."""

MOST_MESSAGES = 50
"""Messages over one connection; many servers end one that brings more."""

_DOT = re.compile(rb"(?m)^\.")


@dataclass(frozen=True, slots=True)
class Server:
    """Where mail is handed in. `implicit`: TLS from the first byte; else STARTTLS, unless `plain`.

    `own_name` is what we call ourselves; `certificates` a file of authorities, None for the system's.
    """

    host: str
    port: int
    implicit: bool
    plain: bool
    own_name: str
    username: str | None
    password: Secret | None = field(repr=False)
    certificates: Path | None = None


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who sends to whom; `by` is the number of seconds after which it is too late to deliver."""

    sender: str = field(repr=False)
    recipient: str = field(repr=False)
    by: int


class Refused(Exception):
    """A step before the content ended the attempt; `in_step` where the connection is still good."""

    def __init__(self, outcome: Outcome, *, in_step: bool = False) -> None:
        super().__init__(type(outcome).__name__)
        self.outcome = outcome
        self.in_step = in_step


@dataclass(eq=False)
class _Session:
    client: aiosmtplib.SMTP
    sent: int = 0
    in_step: bool = True
    idle_since: float = 0.0

    def drop(self) -> None:
        """Ends the connection at once; nothing that still waits to be written is written."""
        transport = self.client.transport
        if isinstance(transport, asyncio.WriteTransport):
            transport.abort()
        self.client.close()


class Submission:
    """Hands single messages to one server over at most `concurrency` connections, each within a hard total deadline."""

    def __init__(
        self,
        server: Server,
        *,
        deadline: float,
        concurrency: int,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server = server
        self._deadline = deadline
        self._room = asyncio.Semaphore(concurrency)
        self._elapsed = elapsed
        self._idle: deque[_Session] = deque()
        self._context: ssl.SSLContext | None = None

    async def send(self, envelope: Envelope, content: bytes) -> Outcome | None:
        """Hands one message in; returns None where the server has taken it. Raises nothing but CancelledError."""
        left = False
        try:
            async with asyncio.timeout(self._deadline), self._room, self._connected() as session:
                await _open_envelope(session.client, envelope, len(content))
                protocol = session.client.protocol
                if protocol is None or not protocol.is_connected or _said_too_much(protocol):
                    raise aiosmtplib.SMTPServerDisconnected("closed or out of step")
                left = True
                protocol.write(_transparent(content))
                answer = await protocol.read_response()
                session.sent += 1
                outcome = read(Reply(answer.code, answer.message), Step.CONTENT)
                session.in_step = not isinstance(outcome, InDoubt) and not _said_too_much(protocol)
                return outcome
        except Refused as refused:
            return refused.outcome
        except Exception as error:
            outcome = InDoubt("no answer to the content") if left else _never_left(error)
            # The class alone: its text may hold an address.
            logger.info("mail not handed in", extra={"fault": type(error).__name__, "outcome": type(outcome).__name__})
            return outcome

    async def probe(self, sender: str) -> Outcome | None:
        """Asks whether the server would take mail from `sender`, without a recipient; None where it would."""
        try:
            async with asyncio.timeout(self._deadline), self._room, self._connected() as session:
                await _said(session.client, Step.SENDER, f"MAIL FROM:<{sender}>")
                return None
        except Refused as refused:
            return refused.outcome
        except Exception as error:
            return _never_left(error)

    async def close(self) -> None:
        """Ends all idle connections."""
        while self._idle:
            session = self._idle.pop()
            with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
                async with asyncio.timeout(1.0):
                    await session.client.quit()
            session.drop()

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[_Session]:
        session = await self._fresh_idle() or await self._open()
        try:
            yield session
        except BaseException as error:
            # A refusal leaves the connection in step, unless the server has closed it (421) or garbled its reply.
            session.in_step = isinstance(error, Refused) and error.in_step
            self._keep(session)
            raise
        self._keep(session)

    def _keep(self, session: _Session) -> None:
        if session.in_step and session.client.is_connected and session.sent < MOST_MESSAGES:
            session.idle_since = self._elapsed()
            self._idle.append(session)
        else:
            session.drop()

    async def _fresh_idle(self) -> _Session | None:
        """An idle connection that is still there and has no envelope open; those that are not are dropped."""
        while self._idle:
            session = self._idle.pop()
            if self._elapsed() - session.idle_since < IDLE and session.client.is_connected:
                try:
                    async with asyncio.timeout(IDLE):
                        if (await session.client.execute_command(b"RSET")).code == 250:
                            return session
                except (aiosmtplib.SMTPException, OSError):  # a timeout is an OSError
                    pass
                except BaseException:
                    session.drop()
                    raise
            session.drop()
        return None

    async def _open(self) -> _Session:
        server = self._server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            use_tls=server.implicit,
            start_tls=False,
            tls_context=None if server.plain else await self._certificates(),
            timeout=None,  # the total deadline holds
            local_hostname=server.own_name,
        )
        session = _Session(client)
        apart()
        try:
            await client.connect()
            await client.ehlo()
            if not server.implicit and not server.plain:
                if not client.supports_extension("starttls"):
                    raise Refused(Credential("the server offers no STARTTLS"))
                await client.starttls()
                await client.ehlo()
            await self._log_in(client)
        except BaseException:
            session.drop()
            raise
        return session

    async def _log_in(self, client: aiosmtplib.SMTP) -> None:
        username, password = self._server.username, self._server.password
        if username is None or password is None:
            return
        ways = {"plain": client.auth_plain, "login": client.auth_login, "cram-md5": client.auth_crammd5}
        # One way, not each in turn: three refusals a message would lock the account.
        way = next((act for name, act in ways.items() if name in client.server_auth_methods), None)
        if way is None:
            raise Refused(Credential("the server offers no login that we know"))
        try:
            await way(username, password.get_secret_value())
        except aiosmtplib.SMTPAuthenticationError as error:
            raise _refused(Reply(error.code, error.message), Step.AUTHENTICATION) from None

    async def _certificates(self) -> ssl.SSLContext:
        if self._context is None:
            chain = self._server.certificates
            self._context = await asyncio.to_thread(ssl.create_default_context, cafile=chain and str(chain))
        return self._context


async def _open_envelope(client: aiosmtplib.SMTP, envelope: Envelope, size: int) -> None:
    """Says sender, recipient and DATA; raises Refused."""
    options = []
    if client.supports_extension("size"):
        options.append(f"SIZE={size}")
    if client.supports_extension("dsn"):
        options.append("RET=HDRS")
    if client.supports_extension("deliverby"):
        least = client.esmtp_extensions["deliverby"].strip()
        if not least.isdigit() or envelope.by >= int(least):
            options.append(f"BY={envelope.by};R")
    await _said(client, Step.SENDER, f"MAIL FROM:<{envelope.sender}>", *options)
    only_failure = ["NOTIFY=FAILURE"] if client.supports_extension("dsn") else []
    await _said(client, Step.RECIPIENT, f"RCPT TO:<{envelope.recipient}>", *only_failure)
    await _said(client, Step.DATA, "DATA")


async def _said(client: aiosmtplib.SMTP, step: Step, *words: str) -> None:
    """Says one command; raises Refused unless the reply lets the client go on."""
    try:
        answer = await client.execute_command(*(word.encode("ascii") for word in words))
        reply = Reply(answer.code, answer.message)
    except aiosmtplib.SMTPResponseException as garbled:
        reply = Reply(garbled.code)
    if read(reply, step) is not None:
        raise _refused(reply, step)


def _refused(reply: Reply, step: Step) -> Refused:
    return Refused(
        read(reply, step) or Retryable(f"{step}: no reply of the protocol"), in_step=400 <= reply.code <= 599
    )


def _said_too_much(protocol: aiosmtplib.protocol.SMTPProtocol) -> bool:
    """Whether the server has said more than it was asked for: the rest would be taken for its reply to the content."""
    return bool(getattr(protocol, "_buffer", b""))


def _transparent(content: bytes) -> bytes:
    """The content with its dots doubled and the final one (RFC 5321 section 4.5.2)."""
    whole = content if content.endswith(b"\r\n") else content + b"\r\n"
    return _DOT.sub(b"..", whole) + b".\r\n"


def _never_left(error: Exception) -> Outcome:
    """What a fault before the content was written means."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Credential("the certificate does not pass")
        cause = cause.__cause__
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return read(Reply(error.code, error.message), Step.GREETING) or Retryable("no greeting")
    if isinstance(error, TimeoutError):
        return Retryable("not handed in in time")
    if isinstance(error, OSError | aiosmtplib.SMTPException):
        return Retryable("no connection")
    return Rejected("the message cannot be said to the server", Why.PAYLOAD)
