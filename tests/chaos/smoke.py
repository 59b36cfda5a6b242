"""Kills the sending process at random and breaks its connections; then counts what was lost and what was doubled.

Exit 0 when nothing was lost and nothing was repeated without its mark. `docs/testing.md` says how to put another
stand-in and another killer in.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.chaos.installation import Installation, Recipients, Tally, tally  # needs the path above

_FAULTS = {
    "accepted-then-reset": {"fault": "accept-then-reset", "probability": 0.1, "times": None},
    "accepted-then-hang": {"fault": "accept-then-hang", "probability": 0.02, "times": None},
    "idle-close": {"fault": "idle-close", "probability": 0.3, "times": None},
}


def main() -> int:
    """Runs the scenarios asked for and prints a line each."""
    arguments = _arguments()
    failed = False
    with contextlib.ExitStack() as stack:
        base = arguments.base_url or stack.enter_context(sandbox(arguments.channel))
        chance = random.Random(arguments.seed)
        print(f"channel {arguments.channel}, stand-in {base}, seed {arguments.seed}")
        for scenario in arguments.scenario or ["kill", *_FAULTS]:
            with tempfile.TemporaryDirectory(prefix="kentongan-chaos-") as folder:
                counts = arguments.counts or f"{base.partition(f'/{arguments.channel}')[0]}/_sandbox/counts"
                result, kills, seconds = _run(scenario, Path(folder), base, counts, arguments, chance)
                if arguments.keep:
                    shutil.copytree(folder, arguments.keep / scenario, dirs_exist_ok=True)
            failed = failed or bool(result.lost or result.unmarked)
            _show(scenario, result, kills, seconds)
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenario", action="append", choices=["kill", *_FAULTS], help="repeatable; default: all")
    parser.add_argument("--kills", type=int, default=30, help="how often the sender is killed (default 30)")
    parser.add_argument("--recipients", type=int, default=3000, help="people per scenario (default 3000)")
    parser.add_argument("--channel", choices=["kannel", "telegram"], default="kannel")
    parser.add_argument("--severity", default="Severe", help="Severe: doubts are repeated once; Moderate: they stay")
    parser.add_argument("--base-url", help="another stand-in's address; it sets its own faults")
    parser.add_argument("--counts", help="where it tells counts: JSON {recipient: times}, or the sandbox's form")
    parser.add_argument("--settings", default="{}", help="JSON of more fields for the channel, such as credentials")
    parser.add_argument("--killer", help="a command that gets the sender's process id as last argument and kills it")
    parser.add_argument("--rate", type=float, default=150, help="requests a second (default 150)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--keep", type=Path, help="folder to keep config and ledger of each scenario in")
    return parser.parse_args()


def _run(
    scenario: str, root: Path, base: str, counts: str, arguments: argparse.Namespace, chance: random.Random
) -> tuple[Tally, int, float]:
    people = Recipients.make(arguments.channel, arguments.recipients)
    installation = Installation.make(
        root,
        kind=arguments.channel,
        channel={
            "base_url": base,
            "rate": arguments.rate,
            "deadline": 1.0,
            **credentials(arguments.channel, root),
            **json.loads(arguments.settings),
        },
        policy={"repeat_after": 1, "backoff_first": 0.2, "backoff_most": 2},
        people=people,
    )
    code = installation.approved(severity=arguments.severity)
    before = _counts(counts)
    if scenario in _FAULTS and not arguments.base_url:
        _steer(f"{counts.removesuffix('counts')}{arguments.channel}/faults", [_FAULTS[scenario]])
    began = time.monotonic()
    kills = _send(installation, code, arguments, chance, counts) if scenario == "kill" else 0
    command = ("resume", code) if kills else ("send", code)
    subprocess.run(
        installation.command(*command),
        env=installation.environment(),
        stdout=subprocess.DEVNULL,
        timeout=900,
        check=False,
    )
    seconds = time.monotonic() - began
    after = _counts(counts)
    if not arguments.base_url:
        _steer(f"{counts.removesuffix('counts')}{arguments.channel}/faults", None)
        _steer(f"{counts.removesuffix('counts')}messages", None)
    return tally(installation, code, {n: after[n] - before.get(n, 0) for n in after}), kills, seconds


def _send(
    installation: Installation, code: str, arguments: argparse.Namespace, chance: random.Random, counts: str
) -> int:
    """Starts the sender again and again, and kills it in the middle of its work; returns how often it did."""
    kills = 0
    arguments_ = ("send", code)
    while kills < arguments.kills:
        seen = sum(_counts(counts).values())
        with subprocess.Popen(
            installation.command(*arguments_),
            env=installation.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as sender:
            # Wait until it really sends, then for a moment by chance.
            while sum(_counts(counts).values()) == seen and sender.poll() is None:
                time.sleep(0.01)
            with contextlib.suppress(subprocess.TimeoutExpired):
                sender.wait(chance.uniform(0.0, 0.4))
            if sender.poll() is not None:
                print(f"  all was sent after {kills} kills; ask for more --recipients", file=sys.stderr)
                return kills
            if arguments.killer:
                subprocess.run([*shlex.split(arguments.killer), str(sender.pid)], check=True, timeout=60)
            else:
                os.kill(sender.pid, signal.SIGKILL)
            sender.wait(60)
        kills += 1
        arguments_ = ("resume", code)
    return kills


def credentials(channel: str, root: Path) -> dict[str, Any]:
    """What the sandbox asks for, in files as a config wants secrets."""
    secret = root / f"{channel}.secret"
    secret.write_text("sandbox-kannel-password" if channel == "kannel" else "1000000:sandbox-telegram-token", "ascii")
    if channel == "kannel":
        return {"username": "sandbox", "password": {"file": str(secret)}, "sender": "TEST"}
    return {"token": {"file": str(secret)}}


@contextlib.contextmanager
def sandbox(channel: str) -> Iterator[str]:
    """The sandbox in a process of its own; gives the address of the channel's stand-in."""
    with subprocess.Popen(
        [sys.executable, "-m", "sandbox", "--port", "0"], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                name, _, rest = line.partition(" ")
                if name == channel:
                    yield rest.split()[0]
                    break
            else:
                raise SystemExit("the sandbox did not start")
        finally:
            process.terminate()


def _counts(address: str) -> Mapping[str, int]:
    with urllib.request.urlopen(address, timeout=30) as answer:
        content = json.load(answer)
    if all(isinstance(value, int) for value in content.values()):
        return dict(content)
    return {n: taken for each in content.values() for n, taken in each["recipients"].items()}


def _steer(address: str, content: object | None) -> None:
    body = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(address, data=body, method="POST" if body is not None else "DELETE")
    with urllib.request.urlopen(request, timeout=30):
        pass


def _show(scenario: str, result: Tally, kills: int, seconds: float) -> None:
    words = ", ".join(f"{count:,} {word}" for word, count in sorted(result.words.items()))
    print(
        f"{scenario:20} {result.deliveries:,} deliveries, {kills} kills, {seconds:.0f} s: {len(result.lost)} lost, "
        f"{len(result.unmarked)} unmarked repeats, {result.words.get('in_doubt', 0)} in doubt; "
        f"{result.marked} marked repeats, {result.counted_twice} counted twice ({words})",
        flush=True,
    )
    for line in [*result.lost[:5], *result.unmarked[:5]]:
        print(f"  {line}")


if __name__ == "__main__":
    sys.exit(main())
