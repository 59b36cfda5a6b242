"""Two mail servers: aiosmtpd with a script for each recipient, and a bare one that says what it is told to."""

from __future__ import annotations

import asyncio
import datetime
import email
import email.policy
import ipaddress
import ssl
import warnings
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.channels.scripted import Fault, Hang, HangUp, LoopbackServer, Raw, Reset, reset

Step = str | Fault
"""A reply, or what happens in its stead."""


class Taken:
    """One message that arrived whole."""

    def __init__(self, envelope: Envelope) -> None:
        self.sender = envelope.mail_from or ""
        self.options = tuple(envelope.mail_options)
        self.recipients = tuple(envelope.rcpt_tos)
        content = envelope.original_content
        assert content is not None
        self.content = content

    @property
    def mail(self) -> EmailMessage:
        message = email.message_from_bytes(self.content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        return message

    def part(self, subtype: str) -> str:
        part = self.mail.get_body((subtype,))
        assert part is not None
        return str(part.get_content())


class _Protocol(SMTP):
    def _create_session(self) -> Session:
        session: Session = super()._create_session()
        self.event_handler.connections.append(self)
        return session


class MailServer:
    """aiosmtpd on loopback. By recipient, `rcpt` answers RCPT and `data` the content; `taken` arrived whole."""

    def __init__(
        self,
        context: ssl.SSLContext | None = None,
        *,
        implicit: bool = False,
        password: str | None = None,
        size: int | None = None,
    ) -> None:
        self.rcpt: dict[str, Step] = {}
        self.data: dict[str, Step] = {}
        self.mail: str = "250 OK"
        self.taken: list[Taken] = []
        self.connections: list[Any] = []
        self.logins: list[str] = []
        self.arrived = asyncio.Event()
        self._stopping = asyncio.Event()
        self._context, self._implicit, self._password, self._size = context, implicit, password, size

    @property
    def base_url(self) -> str:
        return f"{'smtps' if self._implicit else 'smtp'}://127.0.0.1:{self.port}"

    async def __aenter__(self) -> MailServer:
        loop = asyncio.get_running_loop()

        def protocol() -> SMTP:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # it cannot see that the listener itself speaks TLS
                return made()

        def made() -> SMTP:
            return _Protocol(
                self,
                loop=loop,
                hostname="mail.example",
                data_size_limit=self._size,
                tls_context=None if self._implicit else self._context,
                auth_required=self._password is not None,
                auth_require_tls=self._context is not None and not self._implicit,
                authenticator=self._authenticate,
            )

        self._server = await loop.create_server(protocol, "127.0.0.1", 0, ssl=self._context if self._implicit else None)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping.set()
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    def cut(self) -> None:
        """Resets every connection that is open."""
        for connection in self.connections:
            if connection.transport is not None:
                connection.transport.abort()

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append(mechanism)
        return AuthResult(success=data.password.decode() == self._password, handled=False)

    async def handle_MAIL(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any) -> str:
        if self.mail.startswith("250"):
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return self.mail

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any) -> str:
        step = self.rcpt.get(address, "250 OK")
        if isinstance(step, Fault):
            return await self._fail(server, step)
        if step.startswith("2"):
            envelope.rcpt_tos.append(address)
        return step

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.taken.append(Taken(envelope))
        self.arrived.set()
        step = self.data.get(envelope.rcpt_tos[0], "250 2.0.0 Ok: queued")
        return step if isinstance(step, str) else await self._fail(server, step)

    async def _fail(self, server: SMTP, step: Fault) -> str:
        match step:
            case Reset():
                reset(server.transport)
            case HangUp():
                server.transport.close()
            case Raw():
                server.transport.write(step.data)
                server.transport.close()
            case Hang():
                await self._stopping.wait()
        return "421 4.3.2 the script is over"


class LineServer(LoopbackServer):
    """Speaks just enough SMTP; `script` names what it says, or does, at a step in place of the usual.

    Steps: greeting, EHLO, AUTH, MAIL, RCPT, DATA, content, RSET, QUIT. A reply may hold several lines. `seen` are the
    steps that were reached; `contents` arrived whole.
    """

    USUAL = {  # noqa: RUF012 - read only
        "greeting": "220 mail.example",
        "EHLO": "250-mail.example\r\n250 AUTH PLAIN",
        "AUTH": "235 2.7.0 Ok",
        "DATA": "354 go on",
        "QUIT": "221 bye",
    }

    def __init__(self, **script: Step) -> None:
        super().__init__()
        self.script: dict[str, Step] = script
        self.seen: list[str] = []
        self.lines: list[str] = []
        self.contents: list[bytes] = []

    @property
    def base_url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        going = await self._say("greeting", writer)
        while going and (line := await reader.readline()):
            self.lines.append(line.decode().rstrip("\r\n"))
            verb = line.split()[0].decode().upper()
            going = await self._say(verb, writer)
            if verb == "DATA" and going and str(self.script.get("DATA", "354")).startswith("354"):
                self.contents.append(await reader.readuntil(b"\r\n.\r\n"))
                going = await self._say("content", writer)

    async def _say(self, step: str, writer: asyncio.StreamWriter) -> bool:
        self.seen.append(step)
        says = self.script.get(step, self.USUAL.get(step, "250 2.0.0 Ok"))
        match says:
            case str():
                writer.write(says.encode() + b"\r\n")
                await writer.drain()
                return not says.startswith("421") and step != "QUIT"
            case Raw():
                writer.write(says.data)
                await writer.drain()
            case Reset():
                reset(writer.transport)
            case Hang():
                await self._stopping.wait()
        return False


def trusted(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server context for 127.0.0.1, and the file of the authority that vouches for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail of the test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    authority, chain = folder / "authority.pem", folder / "chain.pem"
    authority.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    chain.write_bytes(
        authority.read_bytes()
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return context, authority
