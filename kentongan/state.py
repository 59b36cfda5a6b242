"""The state directory: all that one installation keeps, in a folder of its own."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from kentongan.database import Database, Place
from kentongan.errors import BadConfig
from kentongan.quick_dataclass import dataclass

SPARE_VARIABLE = "KENTONGAN_SPARE_DIR"
"""Names the folder from which is sent when the ledger takes nothing (`kentongan.safekeeping.spare`)."""

LATEST_HEAD = "latest.json"
"""The name of the newest signed head, in the folder of heads."""


@dataclass(frozen=True, slots=True)
class State:
    """Where each thing lies in a state directory; made by `find`.

    `spool`: the copy of the ledger that takes its place for one alert (`kentongan.safekeeping.spare`).

    ledger.db     the ledger, unless it is in a database
    keys/         what signs heads and keeps addresses unreadable (`kentongan.keys`)
    heads/        the ledger's signed heads, the latest and one a change
    log/          what processes say of themselves
    reports/      the reports of alerts whose deliveries were pruned, of ledgers up to version 0017
    prefect/      the home of the Prefect server
    run/          sockets, locks, and what else ends with a process
    """

    root: Path
    database: Database | None = None
    spool: Path | None = None

    @classmethod
    def find(cls, explicit: Path | None, environment: Mapping[str, str] = os.environ) -> State:
        """Returns the directory named, else KENTONGAN_STATE, else the XDG one, and makes it for its owner alone.

        The ledger is in the database that KENTONGAN_DATABASE_URL names, where it is set. Raises BadConfig where either
        cannot be used, or where others could change what lies in the directory.
        """
        named = explicit or (Path(environment["KENTONGAN_STATE"]) if environment.get("KENTONGAN_STATE") else None)
        if named is None:
            home = Path(environment.get("XDG_STATE_HOME") or Path(environment.get("HOME", "/")) / ".local/state")
            named = home / "kentongan"
        root = named.absolute()
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = root.stat()
            if found.st_mode & 0o022 and not any(root.iterdir()):
                root.chmod(0o700)
                found = root.stat()
        except OSError as error:
            raise BadConfig(
                f"state directory {root} cannot be used: {error.strerror}; name another with --state"
            ) from None
        if not os.access(root, os.R_OK | os.X_OK):
            raise BadConfig(
                f"state directory {root} cannot be read by this user; run this as the user it belongs to, or as"
                f" that user run: chmod 700 {root}"
            )
        if found.st_mode & 0o022:
            raise BadConfig(f"state directory {root} can be changed by others; run: chmod 700 {root}")
        return cls(root, Database.find(environment))

    @property
    def place(self) -> Place:
        """Where the ledger is: the spool that takes its place, the database that was named, else the file."""
        return self.spool or self.database or self.ledger

    @property
    def ledger(self) -> Path:
        """The ledger's file, where it is in no database."""
        return self.root / "ledger.db"

    @property
    def keys(self) -> Path:
        """The folder of keys."""
        return self.root / "keys"

    @property
    def heads(self) -> Path:
        """The folder of signed heads."""
        return self._private("heads")

    @property
    def log(self) -> Path:
        """The folder of process logs."""
        return self._private("log")

    @property
    def reports(self) -> Path:
        """The folder of the reports on what was pruned, where they are files: of ledgers up to version 0017."""
        return self._private("reports")

    @property
    def prefect(self) -> Path:
        """The home of the Prefect server."""
        return self._private("prefect")

    @property
    def run(self) -> Path:
        """The folder of sockets and locks."""
        return self._private("run")

    def _private(self, name: str) -> Path:
        folder = self.root / name
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            if stat.S_IMODE(folder.stat().st_mode) & 0o077:
                folder.chmod(0o700)
        except OSError as error:
            raise BadConfig(f"{folder} cannot be used: {error.strerror}; give it to this user") from None
        return folder
