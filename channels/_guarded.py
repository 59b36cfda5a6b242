"""A transport that speaks to the open internet alone, so that an address in a config cannot reach into our own network.

Names are resolved here, every address is checked, and the connection goes to a checked address: what a name points to
later (DNS rebinding) no longer matters. The certificate is still checked against the name.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence

import httpx

from channels._http import Misconfigured

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Gives the addresses of a host in the order to try them; raises OSError."""

_MOST_ADDRESSES = 4
_RESOLVE_PART = 0.3
"""Part of the time to connect that the look-up of the name may take."""

# What Python's own tables call global in one version or another, or what leads to an address hidden in it.
_FORBIDDEN = tuple(
    map(
        ipaddress.ip_network,
        (
            "0.0.0.0/8",
            "100.64.0.0/10",
            "168.63.129.16/32",  # the metadata server of Azure
            "192.0.0.0/24",
            "192.88.99.0/24",
            "198.18.0.0/15",
            "240.0.0.0/4",
            "::/96",
            "64:ff9b:1::/48",
            "100::/64",
            "2001:db8::/32",
            "2001::/23",  # Teredo among them
            "2002::/16",  # 6to4
            "3fff::/20",  # documentation, RFC 9637
            "fec0::/10",
        ),
    )
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def is_open(address: str) -> bool:
    """Whether `address` is one of the open internet, whatever form it hides in; False for what is no address."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    hidden = _hidden(parsed)
    if hidden is not None:
        return is_open(str(hidden))
    if any(parsed in network for network in _FORBIDDEN if network.version == parsed.version):
        return False
    return parsed.is_global and not (
        parsed.is_multicast or parsed.is_private or parsed.is_reserved or parsed.is_loopback or parsed.is_link_local
    )


def _hidden(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that a mapped or translated (NAT64) IPv6 one leads to."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None


async def resolve(host: str, port: int) -> Sequence[str]:
    """Asks the system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class GuardedTransport(httpx.AsyncBaseTransport):
    """Makes requests through `inner`, to checked addresses only; raises Misconfigured where a name leads elsewhere."""

    def __init__(self, inner: httpx.AsyncBaseTransport, *, resolve: Resolve = resolve) -> None:
        self._inner = inner
        self._resolve = resolve

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Tries the addresses of the host in turn until one takes the connection; nothing leaves before one does."""
        host = request.url.host
        addresses = (await self._addresses(request))[:_MOST_ADDRESSES]
        timeouts = dict(request.extensions.get("timeout", {}))
        if timeouts.get("connect") is not None:
            timeouts["connect"] = timeouts["connect"] * (1 - _RESOLVE_PART) / len(addresses)
        fault: httpx.TransportError | None = None
        for address in addresses:
            pinned = httpx.Request(
                request.method,
                request.url.copy_with(host=address),
                headers=request.headers,  # Host among them
                stream=request.stream,
                extensions={**request.extensions, "timeout": timeouts, "sni_hostname": host},
            )
            try:
                return await self._inner.handle_async_request(pinned)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                fault = error
        assert fault is not None
        raise fault

    async def _addresses(self, request: httpx.Request) -> Sequence[str]:
        patience = request.extensions.get("timeout", {}).get("connect")
        try:
            async with asyncio.timeout(None if patience is None else patience * _RESOLVE_PART):
                found = await self._resolve(request.url.host, request.url.port or 443)
        except TimeoutError:
            raise httpx.ConnectTimeout("the name is not resolved in time", request=request) from None
        except (OSError, UnicodeError):
            raise httpx.ConnectError("the name is not known", request=request) from None
        if not found:
            raise httpx.ConnectError("the name has no address", request=request)
        # One that leads into our network condemns them all: which of them is taken must not be luck.
        if not all(is_open(address) for address in found):
            raise Misconfigured("the address leads into a network that is not open to all")
        return found

    async def aclose(self) -> None:
        """Closes the transport underneath."""
        await self._inner.aclose()
