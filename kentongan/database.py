"""Which Postgres database holds the ledger, where one does; its address may hold a password and is never shown."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from kentongan.errors import BadConfig

VARIABLE = "KENTONGAN_DATABASE_URL"
VARIABLES = (VARIABLE, f"{VARIABLE}_FILE")

_HOST = re.compile(r"(?:[\w.-]*|\[[0-9A-Fa-f:.%]+\])(?::\d+)?")


class Database:
    """A Postgres database; as a text it is its name and host, without user or password."""

    __slots__ = ("_url", "name")

    def __init__(self, url: str, *, source: str = VARIABLE) -> None:
        """Reads a libpq address (RFC 3986); raises BadConfig, naming `source` and nothing of the address."""
        self._url = url
        self.name = _named(url, source)

    @classmethod
    def find(cls, environment: Mapping[str, str]) -> Database | None:
        """The database that KENTONGAN_DATABASE_URL names, or the file in KENTONGAN_DATABASE_URL_FILE; else None.

        Raises BadConfig.
        """
        named, file = environment.get(VARIABLE), environment.get(f"{VARIABLE}_FILE")
        if named and file:
            raise BadConfig(f"{VARIABLE} and {VARIABLE}_FILE are both set; unset one of them")
        if file:
            try:
                named = Path(file).read_text("utf-8").strip()
            except (OSError, ValueError) as error:
                why = error.strerror if isinstance(error, OSError) else "it is no text"
                raise BadConfig(
                    f"{VARIABLE}_FILE: {file} cannot be read ({why}); name a file that holds the address"
                ) from None
        return cls(named, source=f"{VARIABLE}_FILE" if file else VARIABLE) if named else None

    def reveal(self) -> str:
        """The whole address, for whoever connects."""
        return self._url

    @property
    def fingerprint(self) -> str:
        """What two processes on one machine compare to see whether they mean the same address."""
        return hashlib.sha256(self._url.encode()).hexdigest()

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"Database({self.name!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Database) and other._url == self._url

    def __hash__(self) -> int:
        return hash(self._url)


Place = Path | Database
"""Where a ledger is: a file, or a database."""


def _named(url: str, source: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise _unreadable(source) from None
    if parts.scheme not in ("postgresql", "postgres"):
        raise _unreadable(source)
    if "@" in f"{parts.path}{parts.query}{parts.fragment}" or parts.fragment:
        # The password has ended the address too early: what seems to be the host may be a part of it.
        raise BadConfig(f"{source} holds a character that an address cannot; write it as % and two digits (/ is %2F)")
    hosts = parts.netloc.rpartition("@")[2] or _asked(parts, "host")
    name = unquote(parts.path.lstrip("/")) or _asked(parts, "dbname")
    if not name:
        raise BadConfig(f"{source} names no database; end the address with its name, as in {_EXAMPLE}")
    if hosts.startswith("/"):
        return f"{name} on this machine"
    if not all(_HOST.fullmatch(host) for host in hosts.split(",")):
        raise _unreadable(source)
    return f"{name} on {hosts or 'this machine'}"


def _asked(parts: SplitResult, name: str) -> str:
    return ",".join(parse_qs(parts.query).get(name, ()))


_EXAMPLE = "postgresql://kentongan@db.example/kentongan"


def _unreadable(source: str) -> BadConfig:
    return BadConfig(f"{source} is no address of a Postgres database; write it as {_EXAMPLE}")
