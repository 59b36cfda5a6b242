"""Who counts what providers take: the sandbox in a process of its own, or a stand-in of somebody else's."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox import mastodon, webhook

PARTNERS = ("partner-1", "partner-2", "partner-3")
"""Instances of a webhook; like Mastodon's they drop what they had under the same key."""

_WAIT = 30.0


@dataclass(frozen=True, slots=True)
class Moments:
    """When a recipient's last request came to the stand-in, and when its last message was taken; wall time, seconds."""

    asked: float
    taken: float | None


@dataclass(frozen=True, slots=True)
class Counter:
    """A stand-in of the kind `kind` at `base`; `told` is where it says how often each recipient was taken.

    `root` is the sandbox's own address, None for a stand-in of somebody else's, which nobody here can steer.
    """

    kind: str
    base: str
    told: str
    root: str | None

    def taken(self) -> dict[tuple[str, str], int]:
        """How many messages were taken, by (channel, recipient); the channel is "" for the one with the people."""
        content = _ask(self.told)
        if all(isinstance(value, int) for value in content.values()):
            return {("", number): times for number, times in content.items()}
        return {
            ("" if name == self.kind else name.rpartition("/")[2], number): times
            for name, each in content.items()
            for number, times in each["recipients"].items()
        }

    def total(self) -> int:
        """How many messages were taken in all."""
        if self.root is None:
            return sum(self.taken().values())
        return int(sum(_ask(f"{self.root}/_sandbox/{name}/counts")["taken"] for name in self._names()))

    def moments(self) -> Mapping[str, Moments] | None:
        """By recipient of the channel with the people, without a plus; None where the stand-in does not tell."""
        if self.root is None:
            return None
        told = _ask(f"{self.root}/_sandbox/{self.kind}/moments")
        return {number.lstrip("+"): Moments(each["asked"], each["taken"]) for number, each in told.items()}

    def fault(self, rules: Sequence[Mapping[str, Any]], name: str | None = None) -> None:
        """Puts faults in the queue of a stand-in, of the one with the people where none is named."""
        if self.root is not None:
            _ask(f"{self.root}/_sandbox/{name or self.kind}/faults", rules)

    def heal(self) -> None:
        """Ends all faults."""
        if self.root is not None:
            for name in self._names():
                _ask(f"{self.root}/_sandbox/{name}/faults", method="DELETE")

    def others(self, folder: Path) -> dict[str, dict[str, Any]]:
        """Public channels that drop repeats, as channels.yaml has them; none beside a stand-in of somebody else's."""
        if self.root is None:
            return {}
        found: dict[str, dict[str, Any]] = {}
        for name in PARTNERS:
            secret = _kept(folder / f"{name}.secret", webhook.secret(name))
            found[name] = {"kind": "webhook", "base_url": f"{self.root}/webhook/{name}", "secret": secret}
        token = _kept(folder / "mastodon.secret", mastodon.token("default"))
        found["mastodon"] = {"kind": "mastodon", "base_url": f"{self.root}/mastodon", "token": token}
        return found

    def _names(self) -> list[str]:
        return [self.kind, "mastodon", *(f"webhook/{name}" for name in PARTNERS)]


@contextlib.contextmanager
def counter(kind: str, *, base: str | None = None, told: str | None = None) -> Iterator[Counter]:
    """The counter at `base` and `told`, else the sandbox, started for it."""
    if base is not None:
        yield Counter(kind, base, told or f"{base.partition(f'/{kind}')[0]}/_sandbox/counts", None)
        return
    with sandbox(kind) as address:
        root = address.removesuffix(f"/{kind}")
        yield Counter(kind, address, told or f"{root}/_sandbox/counts", root)


@contextlib.contextmanager
def sandbox(kind: str) -> Iterator[str]:
    """The sandbox in a process of its own; gives the address of the stand-in of this kind."""
    with subprocess.Popen(
        [sys.executable, "-m", "sandbox", "--port", "0"], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                name, _, rest = line.partition(" ")
                if name == kind:
                    yield rest.split()[0]
                    break
            else:
                raise SystemExit("the sandbox did not start")
        finally:
            process.terminate()


def credentials(kind: str, folder: Path) -> dict[str, Any]:
    """What the sandbox asks for, in files as a config wants secrets."""
    if kind == "kannel":
        password = _kept(folder / "kannel.secret", "sandbox-kannel-password")
        return {"username": "sandbox", "password": password, "sender": "TEST"}
    return {"token": _kept(folder / "telegram.secret", "1000000:sandbox-telegram-token")}


def _kept(file: Path, secret: str) -> dict[str, str]:
    file.write_text(secret, "ascii")
    return {"file": str(file)}


def _ask(address: str, content: object | None = None, *, method: str | None = None) -> dict[str, Any]:
    body = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(address, data=body, method=method)
    with urllib.request.urlopen(request, timeout=_WAIT) as answer:
        answered: dict[str, Any] = json.load(answer)
    return answered
