"""Where machines look at the service: /metrics, /healthz and /readyz, on an address of their own without a password."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from console.service.asked import Asked
from console.service.health import Condition, unready, unwell
from console.service.metrics import Metrics, Moment
from kentongan.figures import Following
from kentongan.ledger import Ledger

_PATIENCE = 2.0
"""Seconds for which an answer waits for what it has to look at on a disk."""

_SILENT = (
    "whether the key of people's data can be used was not found out in time; see the disk that it lies on, and the"
    " ledger"
)


class Watched(Protocol):
    """What the answers are taken from."""

    @property
    def condition(self) -> Condition:
        """How it is now."""

    @property
    def channel_names(self) -> list[str]:
        """The channels that are open."""

    @property
    def prefect_answers(self) -> bool | None:
        """Whether the Prefect server answers; None where there is none."""

    def key_fault(self) -> str | None:
        """Why the key of people's data could not be used by a process that starts now; None if it could."""


def application(watched: Callable[[], Watched], ledger: Ledger, following: Following, metrics: Metrics) -> Starlette:
    """The endpoint; a look at the ledger is made beside the event loop, and no answer waits for a long one."""
    key = Asked(lambda: watched().key_fault(), patience=_PATIENCE, silent=_SILENT)

    async def unready_now() -> list[str]:
        fault = await key.answer()
        return [*unready(watched().condition), *([fault] if fault is not None else [])]

    async def show(request: Request) -> Response:
        figures = await following.figures()
        there = watched()
        moment = Moment(
            now=ledger.clock.wall(),
            channels=there.channel_names,
            figures=figures,
            commits=ledger.commit_times,
            waiting=ledger.waiting,
            pulse=there.condition.pulse,
            ready=not await unready_now(),
            prefect=there.prefect_answers,
        )
        page, kind = await asyncio.to_thread(metrics.page, moment, request.headers.get("accept", ""))
        return Response(page, headers={"Content-Type": kind})

    async def alive(request: Request) -> Response:
        return _answer("alive", unwell(watched().condition))

    async def ready(request: Request) -> Response:
        return _answer("ready", await unready_now())

    return Starlette(routes=[Route("/metrics", show), Route("/healthz", alive), Route("/readyz", ready)])


def _answer(name: str, reasons: list[str]) -> Response:
    return JSONResponse({name: not reasons, "reasons": reasons}, 503 if reasons else 200)
