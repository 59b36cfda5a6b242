"""Backups: a copy of the ledger as it was at one moment, taken while others go on writing to it."""

from __future__ import annotations

import contextlib
import importlib.metadata
import re
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy
from sqlalchemy.pool import StaticPool

from kentongan.clock import Clock, Milliseconds, to_datetime
from kentongan.errors import BadInput
from kentongan.keys import StateKeys, write_private
from kentongan.ledger import kept_reports
from kentongan.ledger.opening import refuse_unfinished, unavailable
from kentongan.ledger.transaction import Read
from kentongan.ledger.verification import signed_head
from kentongan.safekeeping import escrow, files, manifest, reports
from kentongan.safekeeping.manifest import Manifest
from kentongan.state import State

LEDGER, CONFIG = "ledger.db", "config"
_CONFIG = ("agency", "audiences", "channels", "drills", "paging", "policy", "routes", "service")
"""The files of a config; secrets stand in none of them."""

_PAGES = 4096  # copied between two looks at whether somebody interrupts
_COUNTED = {
    "alerts": "SELECT count(*) FROM alert",
    "deliveries": "SELECT count(*) FROM delivery",
    "deliveries open": "SELECT count(*) FROM delivery WHERE stage <> 'done'",
    "events": "SELECT count(*) FROM event",
    "officers": "SELECT count(*) FROM officer",
    "people": "SELECT count(*) FROM person",
}
_NAME = re.compile(r"kentongan-\d{8}T\d{6}Z")

Progress = Callable[[int, int], None]
"""Told of the pages copied and of all there are."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was made; `pruned` are the older ones that were taken away.

    `missing`: files of reports that the ledger names and that are nowhere as they were written.
    """

    place: Path
    manifest: Manifest
    size: int
    pruned: tuple[Path, ...]
    missing: tuple[str, ...] = ()


def dated(now: Milliseconds) -> str:
    """A moment as it stands in the name of a backup, in UTC to the second."""
    moment: datetime = to_datetime(now)
    return moment.strftime("%Y%m%dT%H%M%SZ")


def make(
    state: State, target: Path, *, keys: StateKeys, config: Path | None, clock: Clock, keep: int | None, tell: Progress
) -> Backup:
    """Puts a backup of the ledger into a new dated folder in `target`; senders go on meanwhile.

    `config`: the folder whose files are copied too. `keep`: how many of this ledger's backups stay there. Raises
    BadInput, LedgerUnavailable, and then has left nothing.
    """
    if state.database is not None:
        raise BadInput(
            f"the ledger is in Postgres ({state.database}), which this command does not copy; back it up with pg_dump,"
            " and its keys with `kentongan keys copy` (docs/backup.md)"
        )
    if not state.ledger.exists():
        raise BadInput(f"{state.root} holds no ledger to back up; name the state directory with --state")
    if state.root.resolve() in (target.resolve(), *target.resolve().parents):
        raise BadInput(f"{target} lies in the state directory and would be lost with it; name a folder elsewhere")
    refuse_unfinished(state.ledger)
    # No later than the copy: what is planned in it may have been sent at any time after this.
    taken_at = clock.wall()
    final = target / f"kentongan-{dated(taken_at)}"
    try:
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        if final.exists():
            raise BadInput(f"{final} is there already and is not written over; try again in a second")
        with files.staged(target) as folder:
            copy_ledger(state.ledger, folder / LEDGER, tell)
            copied = {LEDGER: files.sha256_of(folder / LEDGER)}
            if config is not None:
                copied |= _copy_config(config, folder / CONFIG)
            # Behind the copy: whatever is pruned in it has its report by now.
            kept = _copy_reports(folder, taken_at, state, _newest(target, keys))
            made = _describe(folder / LEDGER, keys, state, taken_at, copied, kept.count)
            write_private(folder / manifest.NAME, made.signed(keys))
            size = sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())
            files.put_in_place(folder, final)
    except OSError as error:
        raise BadInput(
            f"no backup was made in {target}: {files.told(error)}; make room there or name another folder"
        ) from None
    return Backup(final, made, size, tuple(_prune(target, made.ledger, keep)) if keep is not None else (), kept.missing)


def copy_ledger(source: Path, target: Path, tell: Progress) -> None:
    """Copies one moment of the ledger, by SQLite's online backup, and checks the copy; raises LedgerUnavailable."""
    with contextlib.ExitStack() as stack:
        try:
            address = f"{source.absolute().as_uri()}?mode=ro"
            reading = stack.enter_context(
                contextlib.closing(sqlite3.connect(address, uri=True, isolation_level=None, timeout=2.0))
            )
            # Holding one snapshot: else every commit of a sender would begin the copy anew.
            reading.execute("BEGIN")
            reading.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
        except sqlite3.Error as error:
            raise unavailable(source, error) from None
        try:
            target.touch(mode=0o600)
            writing = stack.enter_context(contextlib.closing(sqlite3.connect(target, isolation_level=None)))
            # Nobody sees it before it is whole and on disk.
            writing.execute("PRAGMA journal_mode=OFF")
            writing.execute("PRAGMA synchronous=OFF")
            reading.backup(writing, pages=_PAGES, progress=lambda _, left, total: tell(total - left, total))
            writing.execute("PRAGMA journal_mode=DELETE")
            damage = writing.execute("PRAGMA quick_check(1)").fetchone()[0]
        except sqlite3.Error as error:
            if "disk" in str(error) and "full" in str(error):
                raise BadInput(
                    f"no backup was made in {target.parent.parent}: the disk is full; make room there or name another"
                    " folder"
                ) from None
            raise unavailable(source, error) from None
    if damage != "ok":
        raise BadInput(f"no backup was made: ledger {source} is damaged ({damage}); restore an earlier backup")
    files.sync_file(target)


def _copy_config(config: Path, target: Path) -> dict[str, str]:
    """Copies the config's own files and nothing that lies beside them, such as secrets."""
    target.mkdir(mode=0o700)
    found = {}
    for name in (f"{stem}.yaml" for stem in _CONFIG):
        if (config / name).is_file():
            found[f"{CONFIG}/{name}"] = files.copy_private(config / name, target / name)
    return found


def _copy_reports(folder: Path, taken_at: Milliseconds, state: State, earlier: Path | None) -> reports.Kept:
    """Copies the reports on what is pruned in the copy of the ledger; each has its digest in that."""
    with reading(folder / LEDGER, taken_at) as read:
        # A ledger from before there was pruning is copied as it is.
        known = read.sql("SELECT 1 FROM sqlite_master WHERE name = 'checkpoint'").first()
        wanted = reports.named(read) if known else {}
    before = earlier / reports.FOLDER if earlier is not None else None
    return reports.copy(wanted, here=state.reports, earlier=before, target=folder / reports.FOLDER)


def _describe(
    copy: Path, keys: StateKeys, state: State, taken_at: Milliseconds, copied: dict[str, str], kept: int
) -> Manifest:
    with reading(copy, taken_at) as read:
        return Manifest(
            version=importlib.metadata.version("kentongan"),
            schema=str(read.sql("SELECT version_num FROM alembic_version").scalar_one()),
            taken_at=taken_at,
            taken=to_datetime(taken_at).isoformat(timespec="seconds"),
            counts={
                **{what: int(read.sql(statement).scalar_one()) for what, statement in _COUNTED.items()},
                "reports": kept + _reports_within(read),
            },
            head=signed_head(read, keys),
            files=copied,
            keys=escrow.digest_at_hand(state),
            people=keys.people_fingerprints,
        )


def _reports_within(read: Read) -> int:
    # A ledger from before they lay in it is copied as it is.
    known = read.sql("SELECT 1 FROM sqlite_master WHERE name = 'kept_report'").first()
    return kept_reports.count(read) if known else 0


@contextlib.contextmanager
def reading(path: Path, now: Milliseconds) -> Iterator[Read]:
    """A ledger that nobody writes to, opened to be read as it is, whatever its schema; it changes nothing."""
    engine = sqlalchemy.create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, isolation_level=None, check_same_thread=False
        ),
        poolclass=StaticPool,
        hide_parameters=True,
    )
    try:
        with engine.connect() as connection:
            yield Read(connection, now)
    except sqlalchemy.exc.DBAPIError as error:
        raise unavailable(path, error) from None
    finally:
        engine.dispose()


def _prune(target: Path, ledger: str, keep: int) -> Iterator[Path]:
    """Takes away all but the newest backups of one ledger; others that lie there are left alone."""
    for folder in list(_of(target, ledger))[keep:]:
        try:
            files.discard(folder)
        except OSError as error:
            raise BadInput(
                f"the backup was made, but {folder} cannot be taken away: {files.told(error)}; remove it"
            ) from None
        yield folder


def _newest(target: Path, keys: StateKeys) -> Path | None:
    return next(_of(target, keys.head_public_key.hex()), None)


def _of(target: Path, ledger: str) -> Iterator[Path]:
    """The backups of one ledger in a folder, the newest first."""
    for folder in sorted(target.iterdir(), reverse=True):
        if not _NAME.fullmatch(folder.name) or not folder.is_dir():
            continue
        with contextlib.suppress(BadInput):
            if manifest.read(folder)[0].ledger == ledger:
                yield folder
