"""`kentongan serve`, `worker`, `sandbox` and `demo`: what runs until it is told to end, or plays itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from console import exits, output
from console.command import command
from console.invocation import current
from kentongan.errors import BadConfig

if TYPE_CHECKING:
    from console.service.log import Form


_OBSERVED = (
    click.option(
        "--metrics",
        metavar="[HOST:]PORT",
        envvar="KENTONGAN_METRICS_LISTEN",
        help="Where metrics and health are shown to machines, without a password; a port alone is on 127.0.0.1.",
    ),
    click.option("--prefect/--no-prefect", default=True, show_default=True, help="Show what is sent in Prefect."),
    click.option(
        "--log",
        type=click.Choice(("json", "text")),
        envvar="KENTONGAN_LOG",
        help="Log to standard error too, a line a message; absent: to a file in log/ of the state folder alone.",
    ),
    click.option(
        "--log-level",
        type=click.Choice(("debug", "info", "warning", "error")),
        envvar="KENTONGAN_LOG_LEVEL",
        default="info",
        show_default=True,
        help="The least grave of its own messages that is logged.",
    ),
)


def _observed(command: Callable[..., int]) -> Callable[..., int]:
    """What every process that sends for long can be told of how it is seen."""
    for option in reversed(_OBSERVED):
        command = option(command)
    return command


@command("serve")
@click.option(
    "--receipts",
    metavar="HOST:PORT",
    envvar="KENTONGAN_RECEIPTS",
    default="127.0.0.1:8790",
    show_default=True,
    help="Where receipts are taken.",
)
@click.option("--officers-listen", metavar="HOST:PORT", help="Where officers on other machines are answered, over TLS.")
@click.option("--tls-certificate", type=click.Path(path_type=Path), metavar="FILE", help="Certificate of that address.")
@click.option("--tls-key", type=click.Path(path_type=Path), metavar="FILE", help="Private key of that certificate.")
@_observed
def serve(
    receipts: str,
    officers_listen: str | None,
    tls_certificate: Path | None,
    tls_key: Path | None,
    metrics: str | None,
    prefect: bool,
    log: Form | None,
    log_level: str,
) -> int:
    """Run the resident service: it sends, shows it in Prefect, takes receipts and pages officers.

    SIGTERM ends it in order. What is not named here, service.yaml may name.
    """
    from console.service.serving import OfficersAt
    from console.service.serving import serve as run

    invocation = current()
    return run(
        invocation.config,
        invocation.state,
        receipts=receipts,
        as_json=invocation.json,
        prefect=prefect,
        officers=OfficersAt(officers_listen, tls_certificate, tls_key),
        metrics=metrics,
        log=log,
        log_level=log_level,
    )


@command("worker")
@_observed
def worker(metrics: str | None, prefect: bool, log: Form | None, log_level: str) -> int:
    """Run a worker: on this host it takes part in sending whatever the shared ledger says is due.

    It needs the config, the keys and the ledger's address as the service has them, and no word of Prefect to send.
    PREFECT_API_URL names the Prefect server that shows what this host sends. SIGTERM ends it in order.
    """
    from console.service.working import work

    invocation = current()
    return work(
        invocation.config,
        invocation.state,
        as_json=invocation.json,
        prefect=prefect,
        metrics=metrics,
        log=log,
        log_level=log_level,
    )


@command("sandbox")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    envvar="KENTONGAN_SANDBOX_PORT",
    default=8799,
    show_default=True,
    help="On 127.0.0.1; 0 takes a free one.",
)
@click.option(
    "--receipts",
    metavar="HOST:PORT",
    envvar="KENTONGAN_RECEIPTS",
    default="127.0.0.1:8790",
    show_default=True,
    help="Where the service takes receipts.",
)
def sandbox(port: int, receipts: str) -> int:
    """Serve stand-ins for providers on this machine, until Ctrl-C; nobody is reached."""
    import asyncio

    from console.demo.stand_ins import prepare
    from sandbox.__main__ import serve as run
    from sandbox.server import CannotListen
    from sandbox.stand_in import BadSetting

    try:
        asyncio.run(run(port, lambda stand_ins: prepare(stand_ins, receipts)))
    except (BadSetting, CannotListen) as error:
        raise BadConfig(str(error)) from None
    return exits.WELL


@command("demo")
@click.option(
    "--keep", type=click.Path(path_type=Path), metavar="DIR", help="Keep ledger and report there; else in a new folder."
)
def demo(keep: Path | None) -> int:
    """Rehearse it all against stand-ins, faults included, and compare the end with what it must be; warns nobody."""
    from console.demo.play import demo as run

    if output.wants_json():
        raise click.UsageError(
            "the demo plays on a terminal; leave --json out and read its report", ctx=click.get_current_context()
        )
    return run(keep)
