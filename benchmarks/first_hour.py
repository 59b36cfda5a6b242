"""A new agency's first hour, typed: plays docs/first-hour.md on a terminal at the speed of a person who types.

    python benchmarks/first_hour.py [--words-a-minute 40] [--install]

What is typed is taken out of the page: in its blocks marked `console`, lines that begin with "$ " are commands, lines
that end with "⏎" are questions with their answers, and every other line is output that is waited for. A word is five
characters. Everything runs in a folder of its own, against the stand-ins.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pty
import re
import select
import shutil
import signal
import socket
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fcntl import ioctl
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "first-hour.md"
CODE = "K7Q4"
"""The alert's code as the page has it; the real one is known once a command has said it."""

_BLOCK = re.compile(r"^```console(?: terminal=(\d))?( install)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PROMPT = re.compile(r"first-hour:(\d+)> $")
_PATIENCE = 180.0


@dataclass(frozen=True)
class Line:
    """One thing on a terminal: to be typed once `after` stands there (None: a prompt of the shell), or to be seen."""

    text: str
    typed: bool
    after: str | None = None


@dataclass(frozen=True)
class Block:
    """What happens on one terminal before the reader goes on; `install` is what is only done on a new machine."""

    terminal: int
    install: bool
    lines: tuple[Line, ...]


def blocks(page: str) -> list[Block]:
    """What the page says is typed and seen, in order."""
    return [
        Block(int(number or 1), bool(install), tuple(_line(line) for line in body.splitlines() if line.strip()))
        for number, install, body in _BLOCK.findall(page)
    ]


def _line(line: str) -> Line:
    if line.startswith("$ "):
        return Line(line[2:], True)
    if line.endswith("⏎"):
        question, _, answer = line.removesuffix("⏎").rpartition(": ")
        return Line(answer.strip(), True, after=f"{question}:")
    return Line(line, False)


def commands(page: str) -> list[str]:
    """The commands that are typed at the shell."""
    return [line.text for block in blocks(page) for line in block.lines if line.typed and line.after is None]


class Stuck(Exception):
    """The page and the program have parted; the message says where."""


@dataclass
class Terminal:
    """A shell on a pseudo-terminal, and a person who types at `pace` seconds a key."""

    environment: Mapping[str, str]
    folder: Path
    pace: float
    patience: float = _PATIENCE
    keys: int = 0
    shown: str = ""
    _unread: int = 0
    _pid: int = 0
    _file: int = field(default=-1)

    def __enter__(self) -> Terminal:
        self._pid, self._file = pty.fork()
        if self._pid == 0:
            os.chdir(self.folder)
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], dict(self.environment))
        ioctl(self._file, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 110, 0, 0))
        self.expect_prompt()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends what runs there as Ctrl-C does, then the shell."""
        with contextlib.suppress(OSError):
            os.write(self._file, b"\x03")
            with contextlib.suppress(Stuck):
                self.expect_prompt(patience=20.0)
        for number in (signal.SIGHUP, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, number)
        os.waitpid(self._pid, 0)
        os.close(self._file)

    def type(self, text: str) -> None:
        for key in f"{text}\r":
            time.sleep(self.pace)
            os.write(self._file, key.encode())
            self.keys += 1

    def expect(self, text: str) -> str | None:
        """Waits until `text` stands there that did not when last looked, and returns the alert's code in it."""
        # The terminal folds lines where it likes.
        words = r"\s+".join(re.escape(word) for word in text.split())
        wanted = re.compile(words.replace(CODE, "([0-9A-HJKMNP-TV-Z]{4})"))
        self._until(lambda: wanted.search(self.shown, self._unread) is not None, f"never said {text!r}")
        found = wanted.search(self.shown, self._unread)
        assert found is not None
        self._unread = found.end()
        return found[1] if wanted.groups else None

    def expect_prompt(self, patience: float | None = None) -> int:
        """Waits for the shell; returns how the last command ended."""
        self._until(
            lambda: _PROMPT.search(self.shown[self._unread :]) is not None, "the shell never came back", patience
        )
        found = _PROMPT.search(self.shown[self._unread :])
        assert found is not None
        self._unread = len(self.shown)
        return int(found[1])

    def _until(self, holds: Callable[[], bool], otherwise: str, patience: float | None = None) -> None:
        until = time.monotonic() + (patience if patience is not None else self.patience)
        while not holds():
            ready, _, _ = select.select([self._file], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                raise Stuck(f"{otherwise}; the terminal shows:\n{self.shown[-2_000:]}")
            try:
                read = os.read(self._file, 65_536)
            except OSError:
                read = b""
            if not read:
                raise Stuck(f"the terminal ended; it shows:\n{self.shown[-2_000:]}")
            self.shown += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", read.decode("utf-8", "replace")).replace("\r", "")


@dataclass(frozen=True)
class Step:
    """One command of the hour: what was typed for it in all, and the seconds until the shell came back."""

    command: str
    keys: int
    typing: float
    seconds: float
    done: bool


def play(page: str, root: Path, *, pace: float, install: bool = False, patience: float = _PATIENCE) -> list[Step]:
    """Types the page below `root`, an empty folder; raises Stuck where it says other than what happens."""
    steps: list[Step] = []
    code = CODE
    with contextlib.ExitStack() as stack:
        environment = _environment(root)
        terminals: dict[int, Terminal] = {}
        for block in blocks(page):
            if block.install and not install:
                steps += [_counted(line.text, pace) for line in block.lines if line.typed]
                continue
            if block.terminal not in terminals:
                folder = root / "kentongan" if (root / "kentongan").is_dir() else root
                terminals[block.terminal] = stack.enter_context(Terminal(environment, folder, pace, patience))
            terminal = terminals[block.terminal]
            for command, lines in _by_command(block.lines):
                began, keys, typing = time.monotonic(), terminal.keys, 0.0
                before = time.monotonic()
                terminal.type(command.replace(CODE, code).replace("ADDRESS", str(ROOT)))
                typing += time.monotonic() - before
                for line in lines:
                    code = terminal.expect(line.after or line.text) or code
                    if line.typed:
                        before = time.monotonic()
                        terminal.type(line.text)
                        typing += time.monotonic() - before
                if block.terminal == 1 and (ended := terminal.expect_prompt()):
                    raise Stuck(f"{command!r} ended with {ended}; the terminal shows:\n{terminal.shown[-2_000:]}")
                steps.append(Step(command, terminal.keys - keys, typing, time.monotonic() - began, True))
    return steps


def _by_command(lines: Sequence[Line]) -> Iterator[tuple[str, list[Line]]]:
    gathered: list[tuple[str, list[Line]]] = []
    for line in lines:
        if line.typed and line.after is None:
            gathered.append((line.text, []))
        else:
            gathered[-1][1].append(line)
    yield from gathered


def _counted(command: str, pace: float) -> Step:
    keys = len(command) + 1
    return Step(command, keys, keys * pace, keys * pace, False)


def _environment(root: Path) -> dict[str, str]:
    """A home of its own, free ports, and nothing of this machine's own config."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "LC_ALL", "TMPDIR")}
    port = _free_ports()
    return {
        **kept,
        "HOME": str(root),
        "PATH": f"{Path(sys.executable).parent}:{kept.get('PATH', '')}",
        "PS1": "first-hour:$?> ",
        "TERM": "dumb",
        "INPUTRC": "/dev/null",
        "PYTHONUNBUFFERED": "1",
        "LANG": "C.UTF-8",
        "KENTONGAN_SANDBOX_PORT": str(port),
        "KENTONGAN_RECEIPTS": f"127.0.0.1:{port + 2}",
    }


def _free_ports() -> int:
    """The first of three ports in a row that nobody listens on."""
    while True:
        with socket.socket() as first:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            if port > 65_000:
                continue
            with contextlib.suppress(OSError), socket.socket() as second, socket.socket() as third:
                second.bind(("127.0.0.1", port + 1))
                third.bind(("127.0.0.1", port + 2))
                return port


def report(steps: Sequence[Step]) -> str:
    lines = [f"{'keys':>5} {'typing':>8} {'in all':>8}  command"]
    for step in steps:
        note = "" if step.done else "   (counted, not run)"
        lines.append(f"{step.keys:>5} {step.typing:>7.1f}s {step.seconds:>7.1f}s  {step.command}{note}")
    keys, typing, seconds = (sum(getattr(step, name) for step in steps) for name in ("keys", "typing", "seconds"))
    lines.append(f"{keys:>5} {typing:>7.1f}s {seconds:>7.1f}s  {len(steps)} commands: {seconds / 60:.1f} minutes")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description="Type a new agency's first hour on the sandbox.")
    parser.add_argument("--words-a-minute", type=float, default=40.0, help="of five characters; 0 types at once")
    parser.add_argument("--install", action="store_true", help="clone this repository and install it, too")
    asked = parser.parse_args()
    pace = 60.0 / (asked.words_a_minute * 5) if asked.words_a_minute > 0 else 0.0
    root = Path(tempfile.mkdtemp(prefix="kentongan-first-hour-"))
    try:
        print(report(play(PAGE.read_text("utf-8"), root, pace=pace, install=asked.install)))
    except Stuck as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
