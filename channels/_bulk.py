"""The bulk transport: direct messages over a few kept connections, by aiohttp's connector and its parser.

aiohttp's session is left out, because it sends a GET, PUT or DELETE again by itself when a connection breaks, follows
redirects, keeps cookies, and cannot say whether a connection was refused or lost. Here a request is written once, in
one place (`_exchange`): a fault before that line is one of connecting, a fault behind it never is.

fault                                                    raised as
no free connection in time                               httpx.PoolTimeout
refused, unknown name, TLS                               httpx.ConnectError
no connection in time                                    httpx.ConnectTimeout
no further byte of the answer in time                    httpx.ReadTimeout
reset, also of a connection kept from before             httpx.ReadError
hung up, garbled, cut short                              httpx.RemoteProtocolError
"""

from __future__ import annotations

import asyncio
import math
import re
import select
import ssl
from collections.abc import AsyncIterator, Callable
from weakref import WeakSet

import httpx
from yarl import URL

from channels._http import Misconfigured
from channels._importing import unread

with unread():
    # It reads the certificate authorities twice when it is imported, 40 ms, for contexts that are not used here.
    import aiohttp
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection
    from aiohttp.http_exceptions import HttpProcessingError
    from aiohttp.streams import EofStream, StreamReader

_MOST_HEADER = 65_536
"""Bytes of one line of an answer's head; aiohttp's own 8,190 are too few for a provider's security policies."""
_READ_AHEAD = 65_536
"""Bytes of an answer that are held before its reader takes them."""
_NAMES_KEPT = 10.0
"""Seconds that a name's addresses are kept."""

_NO_HOST = "base_url must name a host, or an address in its usual form"
_NO_TOKEN = re.compile(rb"[^!#$%&'*+.^_`|~0-9A-Za-z-]")
_NO_TARGET = re.compile(rb"[^!-~]")
_NO_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class BulkTransport(httpx.AsyncBaseTransport):
    """Makes requests over at most `concurrency` connections, none used again after `idle` seconds unused.

    It reads the timeouts `pool`, `connect` (TCP and TLS may take one each) and `read` of a request, and its
    `sni_hostname`. An address in place of a name is spoken to as it stands. It keeps to the event loop of its first
    request. `verify` may be left out where plain HTTP alone is spoken.
    """

    def __init__(self, *, concurrency: int, verify: ssl.SSLContext | None, idle: float) -> None:
        self._free = asyncio.Semaphore(concurrency)
        self._verify = verify
        self._idle = idle
        self._connector: aiohttp.TCPConnector | None = None
        self._origins: dict[tuple[str, bytes, int | None, str | None], aiohttp.ClientRequest] = {}
        self._used: WeakSet[ResponseHandler] = WeakSet()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Writes the request once and returns as soon as the head of the answer is there."""
        timeouts = request.extensions.get("timeout", {})
        message = _encoded(request, await request.aread())
        await self._wait_for_free(timeouts.get("pool"))
        try:
            connection = await self._connected(request, timeouts.get("connect"))
            return await self._exchange(connection, request.method, message, timeouts.get("read"))
        except BaseException:
            self._free.release()
            raise

    async def aclose(self) -> None:
        """Closes the connections."""
        if self._connector is not None:
            await self._connector.close()

    async def _wait_for_free(self, patience: float | None) -> None:
        if not self._free.locked():
            await self._free.acquire()
            return
        try:
            async with asyncio.timeout(patience):
                await self._free.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout("no free connection in time") from None

    async def _connected(self, request: httpx.Request, patience: float | None) -> Connection:
        """A connection on which nothing was said yet, or on which the last answer ended and nothing came since."""
        timeout = aiohttp.ClientTimeout(
            total=None,
            connect=None if patience is None else 2 * patience,
            ceil_threshold=math.inf,  # else aiohttp rounds what is longer than 5 s up to whole seconds
        )
        try:
            connector, origin = self._for(request)
        except ValueError as error:
            raise Misconfigured(_NO_HOST) from error
        try:
            while True:
                connection = await connector.connect(origin, [], timeout)
                protocol, transport = connection.protocol, connection.transport
                if protocol is None or protocol not in self._used:
                    return connection
                # The other side may have closed, or answered what nobody asked, while this loop looked elsewhere.
                if transport is not None and not protocol.should_close and not _readable(transport):
                    return connection
                _drop(connection)
        except aiohttp.InvalidURL as error:
            raise Misconfigured(_NO_HOST) from error
        except TimeoutError as error:
            raise httpx.ConnectTimeout("no connection in time") from error
        except (aiohttp.ClientError, OSError, UnicodeError) as error:
            raise httpx.ConnectError("no connection") from error

    def _for(self, request: httpx.Request) -> tuple[aiohttp.TCPConnector, aiohttp.ClientRequest]:
        """The connector, and what it wants to know of the place that `request` goes to."""
        if self._connector is None:
            self._connector = aiohttp.TCPConnector(
                limit=0,  # `_free` counts them: there a wait for one can be told from a wait for the network
                keepalive_timeout=self._idle,
                resolver=aiohttp.ThreadedResolver(),
                ttl_dns_cache=int(_NAMES_KEPT),
                ssl=self._verify or True,
            )
        url, name = request.url, request.extensions.get("sni_hostname")
        place = (url.scheme, url.raw_host, url.port, name)
        origin = self._origins.get(place)
        if origin is None:
            origin = aiohttp.ClientRequest(
                "GET",
                URL.build(scheme=url.scheme, host=url.raw_host.decode("ascii"), port=url.port),
                loop=asyncio.get_running_loop(),
                server_hostname=name,
            )
            self._origins[place] = origin
        return self._connector, origin

    async def _exchange(
        self, connection: Connection, method: str, message: bytes, patience: float | None
    ) -> httpx.Response:
        protocol, transport = connection.protocol, connection.transport
        try:
            if protocol is None or transport is None or transport.is_closing():
                raise httpx.WriteError("the connection was closed before the request")
            self._used.add(protocol)
            protocol.set_response_params(
                skip_payload=method == "HEAD",
                read_until_eof=True,
                auto_decompress=False,
                read_timeout=patience,
                read_bufsize=_READ_AHEAD,
                max_line_size=_MOST_HEADER,
                max_field_size=_MOST_HEADER,
            )
            transport.write(message)
            protocol.start_timeout()
            head, payload = await protocol.read()
            while 100 <= head.code <= 199 and head.code != 101:
                head, payload = await protocol.read()
            if head.code == 101:
                raise httpx.RemoteProtocolError("the answer changes the protocol")
        except BaseException as error:
            _drop(connection)
            raise _fault_behind(error) from None
        body = _Body(connection, payload, self._free.release)
        return httpx.Response(head.code, headers=list(head.raw_headers), stream=body)


class _Body(httpx.AsyncByteStream):
    """The body of an answer, whose end frees its connection for another request."""

    def __init__(self, connection: Connection, payload: StreamReader, freed: Callable[[], None]) -> None:
        self._connection = connection
        self._payload = payload
        self._freed: Callable[[], None] | None = freed

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while part := await self._payload.readany():
                yield part
        except BaseException as error:
            await self.aclose()
            raise _fault_behind(error) from None

    async def aclose(self) -> None:
        """Keeps the connection where the request was written and the answer read to its end, else drops it."""
        if self._freed is None:
            return
        freed, self._freed = self._freed, None
        transport = self._connection.transport
        written = transport is not None and transport.get_write_buffer_size() == 0
        if written and self._payload.at_eof() and self._payload.exception() is None:
            self._connection.release()
        else:
            _drop(self._connection)
        freed()


def _encoded(request: httpx.Request, body: bytes) -> bytes:
    """The whole request as it travels: headers as they were written, the body with its length and never in chunks.

    Raises httpx.LocalProtocolError where a header would change what is around it.
    """
    headers = [(name, value) for name, value in request.headers.raw if name.lower() != b"transfer-encoding"]
    lengths = {value for name, value in headers if name.lower() == b"content-length"}
    if not lengths and (body or "transfer-encoding" in request.headers):
        headers.append((b"Content-Length", b"%d" % len(body)))
    elif lengths - {b"%d" % len(body)}:
        raise httpx.LocalProtocolError("the length of the body is not what a header says")
    method, target = request.method.encode("ascii"), request.url.raw_path
    if (
        _NO_TOKEN.search(method + b"".join(name for name, _ in headers))
        or _NO_TARGET.search(target)
        or _NO_VALUE.search(b"".join(value for _, value in headers))
    ):
        raise httpx.LocalProtocolError("a header holds what none may")
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    return b"%b %b HTTP/1.1\r\n%b\r\n%b" % (method, target, lines, body)


def _readable(transport: asyncio.Transport) -> bool:
    """Whether something lies there to be read: an end, or bytes that belong to no request."""
    number = transport.get_extra_info("socket").fileno()
    if number < 0:
        return True
    poll = select.poll()
    poll.register(number, select.POLLIN)
    return bool(poll.poll(0))


def _drop(connection: Connection) -> None:
    """Closes a connection at once, with what is still to be written on it."""
    if connection.transport is not None:
        connection.transport.abort()
    connection.close()


def _fault_behind(error: BaseException) -> BaseException:
    """What a fault behind the first byte becomes; never one that says nothing left."""
    match error:
        case httpx.TransportError():
            return error
        case TimeoutError():
            return httpx.ReadTimeout("no answer in time")
        case HttpProcessingError() | aiohttp.ClientPayloadError() | aiohttp.ServerDisconnectedError() | EofStream():
            return httpx.RemoteProtocolError("the answer broke off or is garbled")
        case OSError() | aiohttp.ClientError():
            return httpx.ReadError("the connection broke")
        case _:
            return error
