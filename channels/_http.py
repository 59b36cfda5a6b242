"""The one reading of the wire, by whitelist: only what certainly never left is Retryable, the unknown is InDoubt.

seen                                                     read as
connection refused, DNS, connect timeout, pool timeout   Retryable
TLS certificate wrong                                    Credential
read or write timeout, reset, hang-up, garbled, unknown  InDoubt
an answer                                                what `channels._reading` says

Requests go through an httpx transport and not its client: the client would log every address, token and all,
keep cookies, and look for proxies in the environment. Direct messages go through `channels._bulk`, which is many
times cheaper a request and keeps to the same table; it is imported when the first of them leaves.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from pydantic import JsonValue

from channels._importing import without
from channels._names import apart
from channels._reading import Answer, Documented, read
from kentongan.seam import Credential, InDoubt, Outcome, Rejected, Retryable, Why

with without("httpx._main"):
    # Its own command line, which imports Rich, Pygments and Click.
    import httpx

logger = logging.getLogger(__name__)

MOST_BODY = 1_048_576
"""Bytes of an answer that are read; no provider's answer to one message is longer."""

IDLE = 1.0
"""Seconds after which a connection is not used again: one that the other side closed meanwhile makes false doubt."""

# Parts of the deadline for the steps before the first byte leaves: pool, connect, TLS. Together under 1, so that a
# request that is late before it left ends as Retryable, and only one that is late afterwards as InDoubt.
_POOL_PART, _CONNECT_PART = 0.2, 0.35


class Misconfigured(httpx.TransportError):
    """A transport will not speak to the configured address; the text says why and holds no secret."""


class Wire:
    """Makes single requests to one provider for one instance, each within a hard total deadline.

    A public post has a connection of its own; direct messages share `concurrency` of them, none used again after 1 s
    idle. A `transport` handed in must keep to the same rules and is left open by `close`; `guard` is put around
    either.
    """

    def __init__(
        self,
        base_url: str,
        *,
        public: bool,
        deadline: float,
        concurrency: int,
        transport: httpx.AsyncBaseTransport | None = None,
        guard: Callable[[httpx.AsyncBaseTransport], httpx.AsyncBaseTransport] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._base_url = base_url
        self._latest: tuple[str, httpx.URL] | None = None
        self._public = public
        self._deadline = deadline
        self._now = now
        self._own = transport is None
        self._concurrency = concurrency
        self._guard = guard
        self._opening = asyncio.Lock()
        self._transport: httpx.AsyncBaseTransport | None = None
        if transport is not None or public:
            self._transport = self._guarded(transport or _plain())

    async def ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        content: bytes | None = None,
        fields: Mapping[str, JsonValue] | None = None,
        form: Mapping[str, str] | None = None,
        files: Mapping[str, tuple[str, bytes, str]] | None = None,
        repeatable: bool = False,
        documented: Documented | None = None,
    ) -> Answer | Outcome:
        """Makes one request and returns its answer where that is a success, else what became of it.

        The body is `content` as it is, `fields` as JSON, or `form` and `files` as a form. Raises nothing but
        CancelledError.
        """
        try:
            request = httpx.Request(
                method,
                self._address(path),
                params=query,
                headers={
                    "User-Agent": "Kentongan",
                    "Accept": "*/*",
                    "Accept-Encoding": "identity",
                    "Connection": "close" if self._public else "keep-alive",
                    **(headers or {}),
                },
                content=content,
                json=fields,
                data=form,
                files=files,
                extensions={"timeout": self._timeouts()},
            )
        except Exception as error:
            logger.warning("request cannot be built", extra={"fault": type(error).__name__})
            return Rejected("the request cannot be built from this message", Why.PAYLOAD)
        try:
            transport = self._transport or await self._opened()
            apart()
            async with asyncio.timeout(self._deadline):
                answer = await self._exchange(transport, request)
            return read(answer, public=self._public, now=self._now(), repeatable=repeatable, documented=documented)
        except Exception as error:
            outcome = _read_exception(error)
            # The class alone: its text may hold the address, and an address may hold the token.
            logger.info("request failed", extra={"fault": type(error).__name__, "outcome": type(outcome).__name__})
            return outcome

    async def close(self) -> None:
        """Closes the connections of a transport of its own."""
        if self._own and self._transport is not None:
            await self._transport.aclose()

    async def prepare(self) -> None:
        """Does beforehand what the first request would wait for; nothing is sent and nobody is asked."""
        if self._transport is None:
            await self._opened()

    async def _opened(self) -> httpx.AsyncBaseTransport:
        """The transport of direct messages; the import of its library leaves the event loop to others meanwhile."""
        async with self._opening:
            if self._transport is None:
                secure = self._base_url.lower().startswith("https:")
                self._transport = self._guarded(await asyncio.to_thread(_bulk, self._concurrency, secure))
            return self._transport

    def _guarded(self, transport: httpx.AsyncBaseTransport) -> httpx.AsyncBaseTransport:
        return transport if self._guard is None else self._guard(transport)

    async def _exchange(self, transport: httpx.AsyncBaseTransport, request: httpx.Request) -> Answer:
        response = await transport.handle_async_request(request)
        try:
            body = bytearray()
            async for part in response.aiter_raw():
                body += part
                if len(body) > MOST_BODY:
                    raise httpx.RemoteProtocolError("the answer is too long")
        finally:
            await response.aclose()
        return Answer(response.status_code, {n.lower(): v for n, v in response.headers.items()}, bytes(body))

    def _address(self, path: str) -> httpx.URL:
        """The address below `path`, parsed once for all messages in a row that go there."""
        if self._latest is None or self._latest[0] != path:
            self._latest = (path, httpx.URL(self._base_url + path))
        return self._latest[1]

    def _timeouts(self) -> dict[str, float]:
        whole = self._deadline
        return {"pool": whole * _POOL_PART, "connect": whole * _CONNECT_PART, "read": whole, "write": whole}


def _plain() -> httpx.AsyncHTTPTransport:
    """The transport of public posts: few of them, and for each a connection of its own."""
    return httpx.AsyncHTTPTransport(
        verify=_certificates(),
        trust_env=False,
        http2=False,
        retries=0,
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
    )


def _bulk(concurrency: int, secure: bool) -> httpx.AsyncBaseTransport:
    # Here and not above: who sends nothing to people must not pay for a second network library.
    from channels._bulk import BulkTransport

    return BulkTransport(concurrency=concurrency, verify=_certificates() if secure else None, idle=IDLE)


@functools.cache
def _certificates() -> ssl.SSLContext:
    """The public certificate authorities, read once: 30 ms a time."""
    return httpx.create_ssl_context(trust_env=False)


def _read_exception(error: Exception) -> Outcome:
    if isinstance(error, Misconfigured):
        return Credential(str(error))
    if isinstance(error, httpx.ConnectError):
        if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(error)):
            return Credential("the certificate does not pass")
        return Retryable("no connection")
    if isinstance(error, httpx.ConnectTimeout):
        return Retryable("no connection in time")
    if isinstance(error, httpx.PoolTimeout):
        return Retryable("no free connection in time")
    if isinstance(error, (TimeoutError, httpx.TimeoutException)):
        return InDoubt("no answer in time")
    if isinstance(error, httpx.NetworkError):
        return InDoubt("the connection broke")
    if isinstance(error, httpx.RemoteProtocolError):
        return InDoubt("the answer broke off or is garbled")
    return InDoubt("an unknown fault")


def _causes(error: BaseException) -> list[BaseException]:
    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in causes:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    return causes
