"""The reports of alerts whose deliveries were pruned: read, put into a backup, out of it, and checked.

The ledger holds them (`kentongan.ledger.kept_reports`). Those of ledgers up to version 0017 are files, and stay: each
was written before the deliveries went, and its alert's signed checkpoint has its SHA-256. So the ledger of a backup is
the list of the files that belong to it, and tells of each whether it is the one that was written.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from kentongan.errors import DamagedRecord
from kentongan.key_files import sync_folder
from kentongan.ledger import Read, checkpoints, kept_reports
from kentongan.ledger.replay import Difference
from kentongan.safekeeping import files

FOLDER = "reports"
"""Where they lie in a backup."""


@dataclass(frozen=True, slots=True)
class Kept:
    """How many reports were kept, and the names of those that are nowhere as they were written."""

    count: int
    missing: tuple[str, ...]

    def and_within(self, ledger: int) -> Kept:
        """With so many more that the ledger itself holds."""
        return replace(self, count=self.count + ledger)


def page(read: Read, folder: Path, alert_id: str) -> str | None:
    """The report as it was when an alert's thread was pruned, from the ledger or this folder; None where it was not.

    Raises DamagedRecord where it is not the one that was written.
    """
    kept = kept_reports.page(read, alert_id)
    said = checkpoints.report(read, alert_id)
    if kept is not None or said is None:
        return kept
    path = folder / Path(said["file"]).name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DamagedRecord(f"report {path} cannot be read: {error.strerror}; put it back from a backup") from None
    try:
        if hashlib.sha256(content).hexdigest() != said["sha256"]:
            raise ValueError(path)
        return gzip.decompress(content).decode()
    except (ValueError, OSError, EOFError, zlib.error):
        raise DamagedRecord(f"report {path} is not the one that was written; put it back from a backup") from None


def named(read: Read) -> dict[str, str]:
    """The SHA-256 of every report that a checkpoint names as a file, by the name of the file."""
    # A name that leads elsewhere is none that was ever given.
    return {name: digest for name, digest in checkpoints.reports(read) if Path(name).name == name}


def copy(wanted: Mapping[str, str], *, here: Path, earlier: Path | None, target: Path) -> Kept:
    """Copies reports from the folder `here` into a new folder; raises OSError.

    One that lies in `earlier`, the folder of the backup before, takes no room a second time where the disk knows
    second names.
    """
    missing = []
    if wanted:
        target.mkdir(mode=0o700)
    for name, digest in wanted.items():
        if earlier is not None and _is(earlier / name, digest):
            try:
                os.link(earlier / name, target / name)
            except OSError:
                files.copy_private(earlier / name, target / name)
        elif _is(here / name, digest):
            files.copy_private(here / name, target / name)
        else:
            missing.append(name)
    return Kept(len(wanted) - len(missing), tuple(missing))


def stage(wanted: Mapping[str, str], *, source: Path, there: Path, target: Path) -> Kept:
    """Copies from a backup into a new folder what does not lie in the folder `there` yet; raises OSError."""
    lacking = {name: digest for name, digest in wanted.items() if not _is(there / name, digest)}
    staged = copy(lacking, here=source, earlier=None, target=target)
    return Kept(len(wanted) - len(staged.missing), staged.missing)


def put(staged: Path, there: Path, *, moment: str) -> None:
    """Puts what was staged in its place; another report of the same name is kept beside, dated. Raises OSError."""
    if not staged.is_dir():
        return
    for path in sorted(staged.iterdir()):
        place = there / path.name
        if place.exists():
            place.rename(place.with_name(f"{path.name}.former-{moment}"))
        path.rename(place)
    sync_folder(there)


def compare(read: Read, folder: Path) -> tuple[list[Difference], int]:
    """The reports that are not as their checkpoints say, and how many files of them are not in a folder."""
    differences, missing = kept_reports.differences(read), 0
    for name, digest in named(read).items():
        path = folder / name
        if not path.exists():
            missing += 1
        elif not _is(path, digest):
            differences.append(Difference(f"report {name}", "is not the one that was written before pruning"))
    return differences, missing


def _is(path: Path, digest: str) -> bool:
    try:
        return files.sha256_of(path) == digest
    except OSError:
        return False
