"""What the service says of itself: one line for each message, with its fields, in a small file and on standard error.

Messages are constant; what changes stands in fields. Of a library nobody can promise that, so of its messages only the
place is written, and of an error only where it came about.
"""

from __future__ import annotations

import contextlib
import json
import logging
import logging.handlers
import queue
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from console.trace import places

Form = Literal["json", "text"]
FORMS: tuple[Form, ...] = ("json", "text")
LEVELS = ("debug", "info", "warning", "error")

WITHHELD = "words of a library, withheld"
"""Stands for a message that is not ours: it may hold an address, a secret, or a row that could not be written."""

_OURS = ("kentongan", "channels", "flows", "console")
_CONSTANT = (*_OURS, "uvicorn")
"""Whose messages are written: uvicorn's speak of its own state alone, as its requests are not logged."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_MOST_WAITING = 10_000
"""Lines that wait for whoever reads standard error; more are dropped and counted."""

_LAST_WORDS = 2.0
"""Seconds for those at the end."""


def _of(record: logging.LogRecord, names: tuple[str, ...]) -> bool:
    return record.name.partition(".")[0] in names


def _fields(record: logging.LogRecord) -> dict[str, object]:
    """What a line says beside its message: a message's own fields, and where its error came about."""
    found: dict[str, object] = {}
    if _of(record, _OURS):
        found = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    elif not _of(record, _CONSTANT):
        found["place"] = f"{record.module}:{record.lineno}"
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        # Not its text: that of a foreign one may hold an address, a secret, or the row that could not be written.
        found["exception"] = places(error)
    return found


def _message(record: logging.LogRecord) -> str:
    return record.getMessage() if _of(record, _CONSTANT) else WITHHELD


def _time(record: logging.LogRecord) -> str:
    """RFC 3339, UTC."""
    moment = datetime.fromtimestamp(record.created, UTC).replace(tzinfo=None)
    return moment.isoformat(timespec="milliseconds") + "Z"


class JsonLines(logging.Formatter):
    """One JSON object a line: when, how grave, who says what, and the message's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        line: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        return json.dumps(line | _fields(record), ensure_ascii=False, default=str)


class TextLines(logging.Formatter):
    """The same for people: fields as name=value, each value as JSON, so that every message stays one line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        said = [_time(record), record.levelname, f"{record.name}:", _message(record)]
        for name, value in _fields(record).items():
            said.append(f"{name}={json.dumps(value, ensure_ascii=False, default=str)}")
        return " ".join(said)


class LogFile(logging.handlers.RotatingFileHandler):
    """The file; where it cannot be written, standard error hears so once and never what should have been written.

    Python's own answer writes every message there with the texts of all exceptions, and waits for whoever reads it.
    """

    _failed = False
    _told = False

    def emit(self, record: logging.LogRecord) -> None:
        """Writes a message."""
        self._failed = False
        super().emit(record)
        self._told = self._told and self._failed

    def handleError(self, record: logging.LogRecord) -> None:  # logging's name
        """Says that the file cannot be written, unless it was said of this outage."""
        self._failed = True
        if self._told:
            return
        self._told = True
        error = sys.exc_info()[1]
        why = (isinstance(error, OSError) and error.strerror) or type(error).__name__
        with contextlib.suppress(OSError, ValueError):
            told = f"kentongan: {self.baseFilename} cannot be written ({why}); messages are lost until it can\n"
            sys.stderr.write(told)


class StandardError(logging.Handler):
    """Writes lines to standard error from a thread of its own, for whoever reads it may stop reading.

    `end` writes what waits and ends the thread. `close` does nothing: Prefect, once imported, closes every handler.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lines: queue.Queue[str | None] = queue.Queue(_MOST_WAITING)
        self._dropped = 0
        self._ending = False
        self._thread = threading.Thread(target=self._write_for_ever, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Hands a line over; drops it where nobody has read for long."""
        try:
            self._lines.put_nowait(self.format(record))
        except queue.Full:
            self._dropped += 1
        except Exception:
            # A field that cannot be written must end nothing, least of all what it tells of.
            self._dropped += 1

    def end(self) -> None:
        """Gives what waits two seconds."""
        self._ending = True
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(None)
        self._thread.join(_LAST_WORDS)

    def _write_for_ever(self) -> None:
        while (line := self._lines.get()) is not None:
            dropped, self._dropped = self._dropped, 0
            with contextlib.suppress(OSError, ValueError):
                if dropped:
                    sys.stderr.write(self._lost(dropped) + "\n")
                sys.stderr.write(line + "\n")
                sys.stderr.flush()
            if self._ending and self._lines.empty():
                return

    def _lost(self, count: int) -> str:
        told = {"name": __name__, "levelname": "WARNING", "msg": "lines dropped", "count": count}
        return self.format(logging.makeLogRecord(told))


@contextlib.contextmanager
def log_to(path: Path, *, on_stderr: Form | None = None, level: str = "info") -> Iterator[None]:
    """Sends all that is logged in this process to a file, five of 2 MB at most, while it lasts, and nowhere else.

    With `on_stderr` also to standard error, in that form. `level` is that of our own messages; of libraries only
    warnings are written. What was set before is set again at the end.
    """
    # Opened by the first message: a file that this user may not write keeps nobody unwarned.
    file = LogFile(path, maxBytes=2_000_000, backupCount=4, encoding="utf-8", delay=True)
    with contextlib.suppress(OSError):
        path.touch()
    file.setFormatter(JsonLines())
    handlers: list[logging.Handler] = [file]
    spoken: StandardError | None = None
    if on_stderr is not None:
        spoken = StandardError()
        spoken.setFormatter(JsonLines() if on_stderr == "json" else TextLines())
        handlers.append(spoken)
    root = logging.getLogger()
    before = {name: logging.getLogger(name).level for name in ("", *_CONSTANT)}
    root.setLevel(logging.WARNING)
    for name in _OURS:
        logging.getLogger(name).setLevel(level.upper())
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    for handler in handlers:
        root.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            root.removeHandler(handler)
        for name, number in before.items():
            logging.getLogger(name).setLevel(number)
        with contextlib.suppress(OSError):
            file.close()
        if spoken is not None:
            spoken.end()


def take_over() -> None:
    """Takes away, where `log_to` lasts, the handlers with which libraries write to the terminal on their own.

    Call it after the import of one that does: Prefect sets some on itself and on the web server.
    """
    root = logging.getLogger()
    if not any(isinstance(handler, LogFile) for handler in root.handlers):
        return
    known = [each for each in root.manager.loggerDict.values() if isinstance(each, logging.Logger)]
    for logger in (root, *known):
        for handler in tuple(logger.handlers):
            if getattr(handler, "stream", None) in (sys.stderr, sys.stdout):
                logger.removeHandler(handler)
                logger.propagate = True
