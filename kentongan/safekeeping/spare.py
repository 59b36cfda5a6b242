"""The spare: a folder on another disk, from which an approved alert is sent when the ledger takes nothing.

A spool there is a copy of the ledger as it is, made at that moment, in which one alert is sent by the same rules. Its
deliveries come into the ledger afterwards (`kentongan.ledger.merging`), and then its name says so.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import secrets
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from kentongan.alert import Kind
from kentongan.clock import Clock, Milliseconds
from kentongan.errors import BadConfig, LedgerUnavailable, Refused
from kentongan.key_files import write_private
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger, alerts, dispatches
from kentongan.ledger.merging import Merged, merge
from kentongan.ledger.upgrading import Upgrade
from kentongan.quick_dataclass import dataclass
from kentongan.safekeeping import files
from kentongan.safekeeping.backup import copy_ledger
from kentongan.state import SPARE_VARIABLE as VARIABLE
from kentongan.state import State

_ABOUT, _LEDGER, _SENDING = "spool.json", "ledger.db", "sending.lock"
_OPEN, _MERGED = "spool-", "merged-"
_LOCKS = 4096
_PATIENCE = 10.0  # seconds for a merge that is tried, or done

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class About:
    """What a spool says of itself: the ledger it was made from, by its public key, and the one alert it sends."""

    ledger: str
    alert_id: str
    code: str
    made_at: Milliseconds


@dataclass(frozen=True, slots=True)
class Spool:
    """A spool that is not merged yet."""

    folder: Path
    about: About

    @property
    def name(self) -> str:
        """Its name among all spools there ever were."""
        return self.folder.name.removeprefix(_OPEN)

    @property
    def ledger(self) -> Path:
        """The copy of the ledger in which it sends."""
        return self.folder / _LEDGER

    @contextlib.contextmanager
    def held(self, patience: float = 0.0) -> Iterator[None]:
        """Lets one process at a time send from it or merge it; raises Refused where another does for that long."""
        try:
            lock = (self.folder / _SENDING).open("a+")
        except FileNotFoundError:
            raise self._was_merged() from None
        until = time.monotonic() + patience
        with lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= until:
                        raise Refused(
                            f"alert {self.about.code} is being sent from the spare, or merged, at this moment;"
                            f" `kentongan stop {self.about.code}` stops it",
                            rule="spare",
                        ) from None
                    time.sleep(0.1)
            if not self.folder.exists():
                raise self._was_merged()
            yield

    def _was_merged(self) -> Refused:
        code = self.about.code
        return Refused(
            f"what was sent of {code} from the spare is in the ledger now: kentongan status {code}", rule="spare"
        )

    def is_dispatched(self) -> bool:
        """Whether its alert was sent off from it; raises LedgerUnavailable."""
        with Ledger.open(self.ledger, upgrade=Upgrade.ALWAYS) as ledger:
            return ledger.read(lambda read: dispatches.get(read, self.about.alert_id)) is not None

    def close(self) -> Path:
        """Gives it the name of one that is merged; returns where it lies then."""
        final = self.folder.with_name(f"{_MERGED}{self.name}")
        self.folder.rename(final)
        files.sync_file(final.parent)
        return final


@dataclass(frozen=True, slots=True)
class Spare:
    """The folder for spools of the installation at `state`; made by `find`."""

    root: Path
    state: State

    @classmethod
    def find(cls, state: State, environment: Mapping[str, str] = os.environ) -> Spare | None:
        """The folder that KENTONGAN_SPARE_DIR names; None where it is not set. Raises BadConfig for one that is no use.

        It is made where it is not there.
        """
        named = environment.get(VARIABLE)
        if not named:
            return None
        root = Path(named).absolute()
        if state.root.resolve() in (root.resolve(), *root.resolve().parents):
            raise BadConfig(f"{VARIABLE}: {root} lies in the state directory and fails with it; name another disk's")
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = root.stat()
        except OSError as error:
            raise BadConfig(f"{VARIABLE}: {root} cannot be used: {files.told(error)}; name another folder") from None
        if found.st_mode & 0o077:
            raise BadConfig(f"{VARIABLE}: {root} is open to others; run: chmod 700 {root}")
        return cls(root, state)

    def spools(self) -> list[Spool]:
        """What is not merged yet, oldest first."""
        found = []
        for folder in self.root.glob(f"{_OPEN}*"):
            with contextlib.suppress(OSError, ValueError, TypeError):
                found.append(Spool(folder, About(**json.loads((folder / _ABOUT).read_text("utf-8")))))
        return sorted(found, key=lambda spool: (spool.about.made_at, spool.name))

    def of(self, alert_id: str) -> Spool | None:
        """The open spool of an alert; None where there is none."""
        return next((spool for spool in self.spools() if spool.about.alert_id == alert_id), None)

    def named(self, handle: str) -> Spool | None:
        """The open spool of an alert by its code or id."""
        return next((each for each in self.spools() if handle in (each.about.code, each.about.alert_id)), None)

    @contextlib.contextmanager
    def fence(self, alert_id: str, code: str) -> Iterator[None]:
        """Surrounds the dispatch of an alert in the ledger: none begins that is in a spool. Raises Refused."""
        with contextlib.ExitStack() as stack:
            try:
                for name in (alert_id, code):
                    stack.enter_context(self._locked(name, fcntl.LOCK_SH | fcntl.LOCK_NB))
            except BlockingIOError:
                raise Refused(f"alert {code} is being sent from the spare at this moment", rule="spare") from None
            except OSError as error:
                # A spare that is broken must not keep an alert from going out of a ledger that is whole.
                _log.warning("the spare cannot be used", extra={"error": type(error).__name__})
            spool = self.of(alert_id)
            if spool is not None:
                raise Refused(
                    f"alert {spool.about.code} was sent from the spare ({spool.folder}); run `kentongan merge`",
                    rule="spare",
                )
            yield

    @contextlib.contextmanager
    def sending(self, handle: str, *, keys: StateKeys, now: Milliseconds) -> Iterator[Spool]:
        """A spool to send an alert from, for as long: made from the ledger as it is now, or the one made before.

        Raises Refused where it is not approved there or may have been sent, BadInput, LedgerUnavailable where the
        ledger cannot be read either.
        """
        if self.state.database is not None:
            raise LedgerUnavailable(
                f"the ledger is in Postgres ({self.state.database}), of which no spool is made; nothing was sent"
            )
        with contextlib.ExitStack() as stack:
            try:
                # Whoever dispatches it in the ledger holds this by the same name.
                with self._locked(handle, fcntl.LOCK_EX):
                    spool = self.named(handle) or self._make(handle, keys=keys, now=now)
                    # Whoever tries to merge it has it for a moment.
                    stack.enter_context(spool.held(_PATIENCE))
            except OSError as error:
                raise LedgerUnavailable(
                    f"nothing was sent: no spool could be made in {self.root}: {files.told(error)}; make room there"
                ) from None
            try:
                yield spool
            finally:
                with contextlib.suppress(LedgerUnavailable, OSError):
                    if not spool.is_dispatched():
                        files.discard(spool.folder)

    def bring(self, spool: Spool, *, keys: StateKeys, clock: Clock) -> Merged | None:
        """Merges a spool in which nobody sends, and closes it; None where nothing was sent from it.

        Raises Refused where it is another ledger's or somebody sends, BadInput, LedgerUnavailable.
        """
        if spool.about.ledger != keys.head_public_key.hex():
            raise Refused(f"{spool.folder} was made from another ledger and is not merged into this one", rule="spare")
        with Ledger.open(self.state.place, clock=clock) as ledger:
            # First, for while the ledger takes nothing somebody may want to go on from the spool.
            ledger.write(lambda write: None)
            with spool.held():
                with Ledger.open(spool.ledger, clock=clock, upgrade=Upgrade.ALWAYS) as source:
                    merged = merge(ledger, source, name=spool.name, alert_id=spool.about.alert_id)
                spool.close()
        return merged

    def _make(self, handle: str, *, keys: StateKeys, now: Milliseconds) -> Spool:
        with files.staged(self.root) as folder:
            self._copy(folder / _LEDGER)
            # Nobody else has it open, so that it may be upgraded whatever is on its way in the ledger.
            with Ledger.open(folder / _LEDGER, upgrade=Upgrade.ALWAYS) as copy:
                stored = copy.read(lambda read: alerts.by_handle(read, handle))
            if stored.state not in ("submitted", "approved"):
                raise Refused(
                    f"alert {stored.code} is {stored.state}, so it cannot be sent from the spare; see `kentongan status"
                    f" {stored.code}`",
                    rule="state",
                )
            if stored.predecessor is not None or stored.kind is not Kind.ALERT:
                raise Refused(
                    f"{stored.code} follows another alert, which the ledger alone can end; it cannot be sent from the"
                    " spare",
                    rule="spare",
                )
            about = About(keys.head_public_key.hex(), stored.id, stored.code, now)
            write_private(folder / _ABOUT, (json.dumps(asdict(about), sort_keys=True) + "\n").encode())
            final = self.root / f"{_OPEN}{stored.code}-{secrets.token_hex(8)}"
            files.put_in_place(folder, final)
            return Spool(final, about)

    def _copy(self, target: Path) -> None:
        source = self.state.ledger
        try:
            copy_ledger(source, target, lambda done, all_: None)
        except LedgerUnavailable:
            if not source.exists():
                raise
            # A full disk may not even have room for what SQLite opens it with; its files are whole where nobody has.
            with files.closed_to_all(source) as closed:
                if not closed:
                    raise
                target.unlink(missing_ok=True)
                files.copy_private(source, target)
                journal = source.with_name(f"{source.name}-wal")
                if journal.exists():
                    files.copy_private(journal, target.with_name(f"{target.name}-wal"))

    @contextlib.contextmanager
    def _locked(self, name: str, how: int) -> Iterator[None]:
        """Holds the lock of an alert's id or code; two that share a lock wait for each other, and no more."""
        number = zlib.crc32(name.encode()) % _LOCKS
        with (self.root / f"lock-{number:04}").open("a+") as lock:
            fcntl.flock(lock, how)
            yield


def sent_from(state: State, handle: str) -> Spool | None:
    """The open spool of an alert by its code or id; None also where no spare is named, or where it cannot be used."""
    try:
        spare = Spare.find(state)
    except BadConfig:
        spare = None
    return spare.named(handle) if spare is not None else None


def fence(state: State, alert_id: str, code: str) -> contextlib.AbstractContextManager[None]:
    """What surrounds the dispatch of an alert; nothing where no spare is named, or where it cannot be used."""
    try:
        spare = Spare.find(state)
    except BadConfig:
        spare = None
    return spare.fence(alert_id, code) if spare is not None and state.spool is None else contextlib.nullcontext()
