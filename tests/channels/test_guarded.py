"""The guard: which addresses are open to all, and that a checked address is the one spoken to."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels import _guarded
from channels._bulk import BulkTransport
from channels._guarded import GuardedTransport, is_open
from channels._http import Misconfigured, Wire
from channels._reading import Answer
from kentongan.seam import Credential, InDoubt, Retryable
from tests.channels.scripted import Reply, ScriptedServer, closed_port
from tests.channels.scripted_mail import trusted

OPEN = (
    "8.8.8.8",
    "1.1.1.1",
    "103.20.1.1",
    "2606:4700::1111",
    "2a00:1450:4001::1",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
)
SHUT = (
    "",
    "partner.example",
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.251",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:808:808::1",
    "3fff::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
)


@pytest.mark.parametrize("address", OPEN)
def test_an_address_of_the_open_internet_is_open(address: str) -> None:
    assert is_open(address)


@pytest.mark.parametrize("address", SHUT)
def test_an_address_of_a_network_of_somebodys_own_is_not(address: str) -> None:
    assert not is_open(address)


@given(st.ip_addresses(v=4))
def test_no_form_opens_an_address_that_is_shut(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    forms = [ipaddress.IPv6Address(prefix | number) for prefix in (0xFFFF << 32, 0x64FF9B << 96)]
    assert {is_open(str(form)) for form in forms} == {is_open(str(address))}
    for prefix in (0, 0x2002 << 112):
        shift = 80 if prefix else 0
        assert not is_open(str(ipaddress.IPv6Address(prefix | (number << shift))))
    if address.is_private or address.is_multicast or address.is_loopback or address.is_link_local:
        assert not is_open(str(address))


def wire(transport: httpx.AsyncBaseTransport, base_url: str = "https://partner.example", deadline: float = 2.0) -> Wire:
    return Wire(base_url, public=True, deadline=deadline, concurrency=1, transport=transport)


def resolving(*addresses: str | Exception) -> tuple[_guarded.Resolve, list[str]]:
    asked: list[str] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(f"{host}:{port}")
        for address in addresses:
            if isinstance(address, Exception):
                raise address
        return [address for address in addresses if isinstance(address, str)]

    return resolve, asked


class Recorded(httpx.AsyncBaseTransport):
    """Notes where it was sent; `dead` addresses take no connection."""

    def __init__(self, *dead: str) -> None:
        self.dead = dead
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if request.url.host in self.dead:
            raise httpx.ConnectError("refused", request=request)
        return httpx.Response(200, stream=httpx.ByteStream(b""))


async def test_the_checked_address_is_spoken_to_under_the_name() -> None:
    inner, (resolve, asked) = Recorded(), resolving("8.8.8.8")
    answer = await wire(GuardedTransport(inner, resolve=resolve), "https://partner.example:8443").ask("POST", "/x")
    assert isinstance(answer, Answer)
    (request,) = inner.requests
    assert str(request.url) == "https://8.8.8.8:8443/x"
    assert request.headers["Host"] == "partner.example:8443"
    assert request.extensions["sni_hostname"] == "partner.example"
    assert asked == ["partner.example:8443"], "the name was looked up twice"


@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::ffff:10.0.0.1"], ["fe80::1%eth0"]])
async def test_one_address_within_condemns_the_name(addresses: list[str]) -> None:
    inner, (resolve, _) = Recorded(), resolving(*addresses)
    outcome = await wire(GuardedTransport(inner, resolve=resolve)).ask("POST", "/")
    assert isinstance(outcome, Credential)
    assert inner.requests == []


async def test_a_name_that_points_elsewhere_a_moment_later_changes_nothing() -> None:
    """DNS rebinding: the first answer is open, every later one is not; only the first is ever asked for."""
    answers = iter([["8.8.8.8"]])

    async def resolve(host: str, port: int) -> Sequence[str]:
        return next(answers, ["127.0.0.1"])

    inner = Recorded()
    guarded = wire(GuardedTransport(inner, resolve=resolve))
    assert isinstance(await guarded.ask("POST", "/"), Answer)
    assert isinstance(await guarded.ask("POST", "/"), Credential)
    assert [request.url.host for request in inner.requests] == ["8.8.8.8"]


async def test_an_address_that_takes_no_connection_gives_way_to_the_next() -> None:
    inner, (resolve, _) = Recorded("2606:4700::1111"), resolving("2606:4700::1111", "8.8.8.8")
    assert isinstance(await wire(GuardedTransport(inner, resolve=resolve)).ask("POST", "/", content=b"body"), Answer)
    assert [request.url.host for request in inner.requests] == ["2606:4700::1111", "8.8.8.8"]
    assert [await request.aread() for request in inner.requests] == [b"body", b"body"]


async def test_what_was_lost_after_connecting_is_not_said_to_another_address() -> None:
    class Lost(Recorded):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            self.requests.append(request)
            raise httpx.ReadError("reset", request=request)

    inner, (resolve, _) = Lost(), resolving("8.8.8.8", "1.1.1.1")
    assert isinstance(await wire(GuardedTransport(inner, resolve=resolve)).ask("POST", "/"), InDoubt)
    assert len(inner.requests) == 1


@pytest.mark.parametrize("fault", [OSError("no such name"), UnicodeError("label too long")])
async def test_a_name_that_cannot_be_resolved_never_left(fault: Exception) -> None:
    resolve, _ = resolving(fault)
    assert isinstance(await wire(GuardedTransport(Recorded(), resolve=resolve)).ask("POST", "/"), Retryable)
    resolve, _ = resolving()
    assert isinstance(await wire(GuardedTransport(Recorded(), resolve=resolve)).ask("POST", "/"), Retryable)


async def test_a_resolver_that_hangs_never_left() -> None:
    hanging = asyncio.Event()

    async def resolve(host: str, port: int) -> Sequence[str]:
        await hanging.wait()
        return ()

    outcome = await wire(GuardedTransport(Recorded(), resolve=resolve), deadline=0.3).ask("POST", "/")
    assert isinstance(outcome, Retryable)


@pytest.mark.parametrize("bulk", [False, True], ids=["plain", "bulk"])
async def test_the_certificate_is_checked_against_the_name_and_not_the_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bulk: bool
) -> None:
    """The server's certificate is good for 127.0.0.1 alone, so a name that leads there must not pass."""
    monkeypatch.setattr(_guarded, "is_open", lambda address: address == "127.0.0.1")
    context, authority = trusted(tmp_path)
    verify = ssl.create_default_context(cafile=str(authority))
    resolve, _ = resolving("127.0.0.1")
    inner: httpx.AsyncBaseTransport = httpx.AsyncHTTPTransport(verify=verify, trust_env=False)
    if bulk:
        inner = BulkTransport(concurrency=1, verify=verify, idle=1.0)
    async with ScriptedServer(context) as server, inner:
        server.usual = Reply(204)
        guarded = GuardedTransport(inner, resolve=resolve)
        named = await wire(guarded, f"https://partner.example:{server.port}").ask("POST", "/")
        assert named == Credential("the certificate does not pass")
        assert server.requests == []
        assert isinstance(await wire(guarded, server.base_url).ask("POST", "/"), Answer)


async def test_the_systems_resolver_shows_what_hides_in_a_number() -> None:
    assert await _guarded.resolve("localhost", 443)
    assert not any(is_open(address) for address in await _guarded.resolve("localhost", 443))
    transport = GuardedTransport(httpx.AsyncHTTPTransport(trust_env=False))
    port = closed_port().rpartition(":")[2]
    with pytest.raises(Misconfigured):
        await transport.handle_async_request(httpx.Request("POST", f"https://localhost:{port}/"))
    await transport.aclose()
