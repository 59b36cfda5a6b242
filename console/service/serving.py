"""`kentongan serve`: the service as a process of its own, with its sockets, its log, and word to its supervisor."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import fcntl
import functools
import json
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol, TypeVar

from console.service.ballasting import Ballasting
from console.service.log import Form, log_to
from console.service.merging import Merging
from console.service.officers_tls import Tls
from console.service.service import Service
from console.service.sockets import listen_for_metrics, listen_for_officers, listen_for_receipts
from console.service.supervisor import Supervisor
from flows.house import House
from kentongan.errors import BadConfig, BadInput, OtherVersion
from kentongan.quick_dataclass import dataclass
from kentongan.settings import Service as ServiceSettings
from kentongan.state import State

if TYPE_CHECKING:
    from kentongan.dispatcher import Dispatcher

RECEIPTS = "127.0.0.1:8790"
"""Where receipts are taken unless another place is named."""

ENDS_WITHIN = 28.0
"""Seconds from the signal to the end, whatever is gone; supervisors are told 30 (deploy/)."""

SECOND_SIGNAL_AFTER = 1.0
"""Seconds after the first signal from which on another ends it at once; one sooner is the first told twice."""

_FILES = 65_536


@dataclass(frozen=True, slots=True)
class OfficersAt:
    """Where officers on other machines are answered, and with which certificate; what is None, service.yaml names."""

    listen: str | None = None
    certificate: Path | None = None
    key: Path | None = None


def serve(
    config: Path | None,
    state: Path | None,
    *,
    receipts: str = RECEIPTS,
    as_json: bool = False,
    prefect: bool = True,
    say: Callable[[str], None] | None = None,
    officers: OfficersAt | None = None,
    metrics: str | None = None,
    log: Form | None = None,
    log_level: str = "info",
) -> int:
    """Runs the service until SIGTERM or SIGINT; the command `kentongan serve`. Returns its exit code.

    `metrics`: a port or HOST:PORT for machines that look at it. `log`: in which form to log to standard error too, None
    for not. A second signal, a second later or more, ends it at once: what was in flight is then in doubt. Raises
    BadConfig, BadInput, LedgerUnavailable before anything was started; OtherVersion, and ends, where another
    Kentongan has brought the ledger to its own version.
    """
    supervisor = Supervisor()
    place = State.find(state)
    with (
        only_one(place, "service"),
        contextlib.closing(listen_for_receipts(receipts)) as listener,
        House.open(config, state, role="service") as house,
        _remote(house, officers or OfficersAt()) as remote,
        shown_at(house, metrics) as shown,
        log_to(place.log / "service.log", on_stderr=log, level=log_level),
    ):
        service = functools.partial(Service, house, listener, prefect=prefect, officers=remote, metrics=shown)
        told = functools.partial(_ready, as_json=as_json)
        outdated = asyncio.run(
            until_told(service, supervisor, say=say, ready=told, beside=(Ballasting(house), Merging(house)))
        )
    if "prefect" in sys.modules:
        # All of ours is closed. Prefect's own threads would wait at exit, for ever perhaps, for a server that is gone.
        sys.stdout.flush()
        if outdated is not None:
            sys.stderr.write(f"kentongan: {outdated}\n")
        sys.stderr.flush()
        os._exit(outdated.exit_code if outdated is not None else 0)
    if outdated is not None:
        raise outdated
    return 0


@contextlib.contextmanager
def _remote(house: House, wanted: OfficersAt) -> Iterator[tuple[socket.socket, Tls] | None]:
    """The socket for officers' machines, by the options or service.yaml; None where neither names one."""
    named = house.settings.service if house.settings is not None else ServiceSettings()
    where = wanted.listen or named.officers_listen
    if where is None:
        if wanted.certificate or wanted.key:
            raise BadInput("a certificate alone opens nothing; name an address with --officers-listen")
        yield None
        return
    tls = Tls.read(wanted.certificate or named.tls_certificate, wanted.key or named.tls_key)
    # Strangers who hold connections open must not take the files that sending needs.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    with contextlib.closing(listen_for_officers(where)) as listener:
        yield listener, tls


@contextlib.contextmanager
def shown_at(house: House, wanted: str | None) -> Iterator[socket.socket | None]:
    """The socket for metrics, by the option or service.yaml; None where neither names one."""
    where = wanted or (house.settings.service.metrics if house.settings is not None else None)
    if where is None:
        yield None
        return
    with contextlib.closing(listen_for_metrics(str(where))) as listener:
        yield listener


class Sending(Protocol):
    """A process that sends until it is told to end: the service, or a worker."""

    @property
    def dispatcher(self) -> Dispatcher:
        """Its sender."""

    async def start(self) -> None:
        """Begins."""

    async def stop(self) -> None:
        """Ends in order."""

    def goes_round(self) -> bool:
        """Whether its work goes on at all."""


_S = TypeVar("_S", bound=Sending)


async def until_told(
    make: Callable[[], _S],
    supervisor: Supervisor,
    *,
    say: Callable[[str], None] | None,
    ready: Callable[[_S], str],
    beside: Sequence[Ballasting | Merging] = (),
) -> OtherVersion | None:
    """Runs what `make` makes until SIGTERM or SIGINT; a second signal (`_EndInTime`) ends it at once.

    `ready` words what is said when it has begun; `beside` runs for as long. It ends by itself where another Kentongan
    has brought the ledger to another version, and returns that.
    """
    stopping = asyncio.Event()

    loop = asyncio.get_running_loop()
    end_in_time = _EndInTime()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
        # Beside it, for the loop itself may wait for a database that never answers.
        signal.signal(number, end_in_time)
    # A closed terminal is no reason to leave people unwarned.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    sending = make()
    try:
        await sending.start()
        for each in beside:
            each.start()
        (say or _say)(ready(sending))
        supervisor.ready(f"sends on {len(sending.dispatcher.channels)} channels", sending.goes_round)
        told = asyncio.create_task(stopping.wait())
        gave_way = asyncio.create_task(sending.dispatcher.gave_way.wait())
        await asyncio.wait((told, gave_way), return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        gave_way.cancel()
    finally:
        await supervisor.stopping()
        for each in beside:
            await each.stop()
        await sending.stop()
    return sending.dispatcher.outdated


class _EndInTime:
    """Sees to it that the process ends, whatever it waits for, and says where each thread was; needs no loop.

    At once where it is told so again SECOND_SIGNAL_AFTER or later. A wrapper that hands a signal on to a child of its
    own process group has it come twice within milliseconds, which nobody meant: requests in flight would be torn.
    `now`: seconds, as of time.monotonic.
    """

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._told: float | None = None

    def __call__(self, *_: object) -> None:
        if self._told is None:
            self._told = self._now()
            faulthandler.dump_traceback_later(ENDS_WITHIN, exit=True)
        elif self._now() - self._told >= SECOND_SIGNAL_AFTER:
            os._exit(1)


def _ready(service: Service, *, as_json: bool) -> str:
    url = service.prefect.url if service.prefect is not None else None
    if as_json:
        return json.dumps(
            {
                "ready": True,
                "pid": service.pid,
                "receipts": service.receipts_address,
                "officers": service.officers_address,
                "metrics": service.metrics_address,
                "fingerprint": service.fingerprint,
                "prefect": url,
                "channels": sorted(service.dispatcher.channels),
            }
        )
    shown = f"; Prefect comes up at {url}" if url else ""
    if service.metrics_address is not None:
        shown += f"; shows metrics at http://{service.metrics_address}/metrics"
    if service.officers_address is not None:
        shown += f"; answers officers at https://{service.officers_address}, certificate {service.fingerprint}"
    return (
        f"Ready: sends on {len(service.dispatcher.channels)} channels; takes receipts at"
        f" http://{service.receipts_address}/receipts/{shown}"
    )


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


@contextlib.contextmanager
def only_one(state: State, what: str) -> Iterator[IO[str]]:
    """Holds the state directory's lock for this "service" or "worker"; raises BadConfig where another has it."""
    path = state.run / f"{what}.lock"
    try:
        file = path.open("a+")
    except OSError as error:
        raise BadConfig(f"{path} cannot be used: {error.strerror}; give it and its folder to this user") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise BadConfig(
                f"a {what} runs on {state.root} already (process {file.read().strip() or 'unknown'}); stop it first,"
                " or name another state directory with --state"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield file
