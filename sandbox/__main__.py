"""`python -m sandbox`: the stand-ins on a port of their own, until interrupted."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable

from sandbox import facebook, kannel, mastodon, smtp, telegram, webhook, whatsapp, wordpress, x
from sandbox.server import CannotListen, Sandbox

BANNER = "SANDBOX - NOBODY WAS WARNED"


async def serve(port: int, prepare: Callable[[Sandbox], None] = lambda sandbox: None) -> None:
    """Serves until SIGINT or SIGTERM, once `prepare` has set the stand-ins up; raises CannotListen."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    async with Sandbox(port=port) as sandbox:
        prepare(sandbox)
        lines = (
            BANNER,
            f"wall      {sandbox.url}/",
            f"mastodon  {sandbox.base_url('mastodon')}  token {mastodon.token('default')}",
            f"telegram  {sandbox.base_url('telegram')}  token {telegram.token('default')}",
            f"facebook  {sandbox.base_url('facebook')}  page {facebook.PAGE}, token {facebook.token('default')}",
            f"whatsapp  {sandbox.base_url('whatsapp')}  number {whatsapp.PHONE_NUMBER}, account {whatsapp.ACCOUNT},"
            f" token {whatsapp.token('default')}, app secret {whatsapp.app_secret('default')}",
            f"x         {sandbox.base_url('x')}  token {x.token('default')}",
            f"wordpress {sandbox.base_url('wordpress')}  user {wordpress.USERNAME},"
            f" application password {wordpress.password('default')}",
            f"kannel    {sandbox.base_url('kannel')}  user {kannel.USERNAME}, password {kannel.password('default')}",
            f"smtp      {sandbox.base_url('smtp')}  user {smtp.USERNAME}, password {smtp.password('default')}",
            f"webhook   {sandbox.base_url('webhook')}  secret {webhook.secret('default')}",
        )
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
        await stop.wait()


def main() -> int:
    """Reads the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="sandbox", description="Stand-ins for providers, on this machine only.")
    parser.add_argument("--port", type=int, default=8799, help="port on 127.0.0.1; 0 takes a free one (default 8799)")
    try:
        asyncio.run(serve(parser.parse_args().port))
    except CannotListen as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
