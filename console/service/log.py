"""What the service says of itself: a JSON line for each message, with its fields, in a file that stays small."""

from __future__ import annotations

import contextlib
import json
import logging
import logging.handlers
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from console.trace import places

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """One JSON object a line: when, how grave, who says what, and the message's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update({name: value for name, value in vars(record).items() if name not in _STANDARD})
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            # Not its text: that of a foreign one may hold an address, a secret, or the row that could not be written.
            line["exception"] = places(error)
        return json.dumps(line, ensure_ascii=False, default=str)


class _File(logging.handlers.RotatingFileHandler):
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


_LEVELS = {
    "kentongan": logging.INFO,
    "channels": logging.INFO,
    "flows": logging.INFO,
    "console": logging.INFO,
    "uvicorn": logging.WARNING,
}


@contextlib.contextmanager
def log_to(path: Path) -> Iterator[None]:
    """Sends what Kentongan and its web server log to a file, five of 2 MB at most, and nowhere else, while it lasts."""
    handler = _File(path, maxBytes=2_000_000, backupCount=4, encoding="utf-8")
    handler.setFormatter(JsonLines())
    before = {name: (logging.getLogger(name).level, logging.getLogger(name).propagate) for name in _LEVELS}
    for name, level in _LEVELS.items():
        logger = logging.getLogger(name)
        logger.setLevel(level)
        logger.addHandler(handler)
        logger.propagate = False
    try:
        yield
    finally:
        for name, (level, propagate) in before.items():
            logger = logging.getLogger(name)
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate
        with contextlib.suppress(OSError):
            handler.close()
