"""Where providers tell us what became of a message and what people answered: /receipts/<instance>, apart from all that
officers use.

A provider is told 200 only once what it said is on disk; what it is told otherwise makes it try again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from kentongan.errors import LedgerUnavailable, PeopleKeyAway
from kentongan.ledger import Ledger, receipts
from kentongan.ledger.transaction import Write
from kentongan.seam import Channel, Forged, Inbound, Receipt, Received

_log = logging.getLogger(__name__)

MOST_BYTES = 3 * 1024 * 1024
"""The longest body that is read: that of Meta's longest batch of receipts."""

_TRY_AGAIN = "5"


Answers = Callable[[Write, str, Sequence[Inbound]], object]
"""Keeps what people wrote to an instance, in the transaction that keeps the receipts of the same call."""


class Counting(Protocol):
    """Whoever counts."""

    def kept(self, instance: str, kind: str) -> None:
        """One receipt was kept."""

    def refused(self, instance: str) -> None:
        """One call that was to bring receipts was refused."""


def application(
    ledger: Ledger,
    channels: Mapping[str, Channel],
    wake: Callable[[], None],
    *,
    answers: Answers | None = None,
    counting: Counting | None = None,
) -> Starlette:
    """The endpoint over the channels in `channels`; `wake` is called after something was committed."""

    async def receive(request: Request) -> Response:
        channel = channels.get(request.path_params["instance"])
        if channel is None:
            return PlainTextResponse("no such channel\n", 404)
        body = await _body(request)
        if body is None:
            return PlainTextResponse("too long\n", 413)
        received = Received(
            method=request.method,
            path=request.url.path,
            query=dict(parse_qsl(request.url.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=body,
        )
        try:
            challenge = channel.handshake(received)
            if challenge is not None:
                return PlainTextResponse(challenge, headers={"X-Content-Type-Options": "nosniff"})
            found, written = channel.receipts(received), channel.inbound(received)
        except Forged:
            _log.warning("receipt refused", extra={"instance": channel.name})
            if counting is not None:
                counting.refused(channel.name)
            return PlainTextResponse("refused\n", 403)
        except Exception as error:
            # Only the type: what was sent may hold an address.
            _log.error("receipt not understood", extra={"instance": channel.name, "error": type(error).__name__})
            return PlainTextResponse("not understood\n", 500)
        if written and answers is None:
            _log.warning("answers not kept", extra={"instance": channel.name, "count": len(written)})

        def keep(write: Write) -> None:
            receipts.record(write, instance=channel.name, receipts=found)
            if written and answers is not None:
                answers(write, channel.name, written)

        if found or (written and answers is not None):
            try:
                await ledger.write_soon(keep, beside=not written)
            except PeopleKeyAway:
                # Whoever wrote cannot be looked up: their provider brings it again, and what is no answer is kept now.
                _log.error("answers wait for the key", extra={"instance": channel.name, "count": len(written)})
                if found and not await kept(channel.name, found):
                    _log.warning("receipts wait for the ledger", extra={"instance": channel.name})
                return PlainTextResponse("try again\n", 503, {"Retry-After": _TRY_AGAIN})
            except LedgerUnavailable:
                return PlainTextResponse("try again\n", 503, {"Retry-After": _TRY_AGAIN})
            except Exception as error:
                # Only the type, for the same reason; nothing of the call was kept.
                _log.error("receipt not kept", extra={"instance": channel.name, "error": type(error).__name__})
                return PlainTextResponse("not kept\n", 500)
            if counting is not None:
                for each in found:
                    counting.kept(channel.name, each.confirmed.value)
            wake()
        # A gateway may send what it is told to whoever wrote: to people nothing is answered here.
        return PlainTextResponse("" if written else "ok\n")

    async def kept(instance: str, found: Sequence[Receipt]) -> bool:
        """Keeps receipts alone; a repeated one changes nothing. False where the ledger takes nothing."""
        try:
            await ledger.write_soon(
                lambda write: receipts.record(write, instance=instance, receipts=found), beside=True
            )
        except LedgerUnavailable:
            return False
        wake()
        return True

    async def health(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    return Starlette(
        routes=[
            Route("/receipts/{instance}", receive, methods=["GET", "POST"]),
            Route("/healthz", health, methods=["GET"]),
        ]
    )


async def _body(request: Request) -> bytes | None:
    """The whole body, None where it is longer than MOST_BYTES."""
    content = bytearray()
    try:
        async for chunk in request.stream():
            content += chunk
            if len(content) > MOST_BYTES:
                return None
    except ClientDisconnect:
        return None
    return bytes(content)
