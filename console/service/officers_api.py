"""What the service answers to officers' commands on this machine, over a Unix socket that only their user can reach."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from fastapi import FastAPI, Response
from pydantic import BaseModel, ConfigDict, Field

from console.service import releasing
from console.service.releasing import Releasing
from kentongan.dispatcher import Dispatcher
from kentongan.ledger import senders, views, work


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Nudge(_Body):
    """A dispatch that was just committed."""

    alert_id: str = Field(min_length=1, max_length=64)


class Owned(_Body):
    """Whether the service has the dispatch now and sends it."""

    owned: bool


class Wake(_Body):
    """Which alert has changed; absent: any may have."""

    alert_id: str | None = Field(default=None, max_length=64)


class Woken(_Body):
    """The service has looked."""

    woken: bool = True


class Health(_Body):
    """That the service is there, and whether it takes dispatches."""

    taking: bool


class PrefectStatus(_Body):
    """The Prefect server: "answering", or what is the matter with it."""

    state: str
    url: str
    pid: int | None


class ChannelStatus(_Body):
    """One instance's part of an open alert: deliveries by the word that officers see."""

    instance: str
    total: int
    words: Mapping[str, int]


class AlertStatus(_Body):
    """One alert of which something is left to do; `ours` where this service sends it."""

    alert_id: str
    state: str
    ours: bool
    channels: list[ChannelStatus]


class Status(_Body):
    """What the service does now. `held`: instances that wait, with the reason."""

    taking: bool
    pid: int
    sender: str
    channels: list[str]
    receipts: str | None
    prefect: PrefectStatus | None
    held: Mapping[str, str]
    open: list[AlertStatus]


class Serving(Protocol):
    """What the answers are taken from."""

    @property
    def dispatcher(self) -> Dispatcher:
        """The service's dispatcher."""

    @property
    def taking(self) -> bool:
        """Whether it takes dispatches; False once it is stopping."""

    @property
    def receipts_address(self) -> str | None:
        """Where receipts are taken."""

    @property
    def prefect(self) -> PrefectStatus | None:
        """The Prefect server beside it."""

    @property
    def pid(self) -> int:
        """The service's process id."""

    @property
    def releasing(self) -> Releasing:
        """What looks and presses for commands."""


def application(serving: Callable[[], Serving]) -> FastAPI:
    """The application; `serving` is asked at each request."""
    app = FastAPI(
        title="Kentongan, resident service",
        version="1",
        summary="For commands on the same machine and under the same user, over a Unix socket.",
        docs_url=None,
        redoc_url=None,
    )

    @app.post("/v1/nudge", operation_id="nudge")
    async def nudge(body: Nudge) -> Owned:
        """Takes a dispatch over, if it is free, and answers before anything of it is sent."""
        return Owned(owned=serving().taking and await serving().dispatcher.nudge(body.alert_id))

    @app.post("/v1/wake", operation_id="wake")
    async def wake(body: Wake) -> Woken:
        """Lets waiting runs look at the ledger at once, after a stop, a release or a resolve."""
        serving().dispatcher.wake(body.alert_id)
        return Woken()

    @app.get("/v1/health", operation_id="health")
    async def health() -> Health:
        """Answers at once, without the ledger."""
        return Health(taking=serving().taking)

    @app.get("/v1/status", operation_id="status")
    async def status() -> Status:
        """What is open and held, and how the Prefect server is."""
        return _status(serving())

    @app.get("/metrics", operation_id="metrics", response_class=Response)
    async def metrics() -> Response:
        """The same as gauges, in the text format of Prometheus."""
        return Response(_metrics(_status(serving())), media_type="text/plain; version=0.0.4; charset=utf-8")

    releasing.add_to(app, lambda: serving().releasing if serving().taking else None)
    return app


def _status(serving: Serving) -> Status:
    dispatcher = serving.dispatcher
    ledger = dispatcher.ledger
    open_ = []
    for dispatch in ledger.read(work.open_dispatches):
        summaries = ledger.read(lambda read, id=dispatch.alert_id: views.summaries(read, id))  # type: ignore[misc]
        open_.append(
            AlertStatus(
                alert_id=dispatch.alert_id,
                state=dispatch.state,
                ours=dispatch.owner == dispatcher.sender,
                channels=[ChannelStatus(instance=s.instance, total=s.total, words=s.words) for s in summaries],
            )
        )
    return Status(
        taking=serving.taking,
        pid=serving.pid,
        sender=dispatcher.sender,
        channels=sorted(dispatcher.channels),
        receipts=serving.receipts_address,
        prefect=serving.prefect,
        held=ledger.read(senders.holds),
        open=open_,
    )


def _metrics(status: Status) -> str:
    lines = [
        "# HELP kentongan_alerts_open Alerts of which something is left to do.",
        "# TYPE kentongan_alerts_open gauge",
        f"kentongan_alerts_open {len(status.open)}",
        "# HELP kentongan_prefect_up Whether the Prefect server answers.",
        "# TYPE kentongan_prefect_up gauge",
        f"kentongan_prefect_up {int(status.prefect is not None and status.prefect.state == 'answering')}",
        "# HELP kentongan_channel_held Channels that wait until they are mended.",
        "# TYPE kentongan_channel_held gauge",
        *(
            f'kentongan_channel_held{{instance="{_label(name)}"}} {int(name in status.held)}'
            for name in status.channels
        ),
        "# HELP kentongan_deliveries Deliveries of open alerts, by channel and by the word that officers see.",
        "# TYPE kentongan_deliveries gauge",
    ]
    summed: dict[tuple[str, str], int] = {}
    for alert in status.open:
        for channel in alert.channels:
            for word, count in channel.words.items():
                summed[channel.instance, word] = summed.get((channel.instance, word), 0) + count
    lines += [
        f'kentongan_deliveries{{instance="{_label(instance)}",word="{word}"}} {count}'
        for (instance, word), count in sorted(summed.items())
    ]
    return "\n".join(lines) + "\n"


def _label(value: str) -> str:
    """A label's value as the text format escapes it."""
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
