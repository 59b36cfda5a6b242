"""Restoring a ledger from a backup: checked and held before it takes the place of anything.

Nothing is changed until the backup's files are those of its manifest, the keys at hand have signed it and open the
addresses in it, and all that was open in it is in doubt. Then names change, and nothing else.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kentongan import people_key_place
from kentongan.clock import Clock, Milliseconds, Process
from kentongan.errors import BadConfig, BadInput, KentonganError
from kentongan.key_files import replace_private, sync_folder
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger, Read, kept_reports, key_match, senders
from kentongan.ledger.opening import HEAD, UNFINISHED
from kentongan.ledger.restored import Unknown, take_over
from kentongan.ledger.upgrading import Upgrade
from kentongan.ledger.verification import Verdict, check_head
from kentongan.people_key import CURRENT, NAMES
from kentongan.safekeeping import escrow, files, manifest, reports
from kentongan.safekeeping.backup import LEDGER, dated
from kentongan.safekeeping.manifest import Manifest
from kentongan.state import LATEST_HEAD, State

_JOURNALS = ("-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True)
class Restored:
    """A ledger that was restored.

    `unknown`: what nobody can know of it now. `missing`: what the newest head that lies here had signed and is not in
    it, a sentence a chain. `former`: where the ledger before it lies; None where there was none. `config`: where the
    backup's copy of the config lies. `reports`: of what is pruned in it, and which of them are nowhere.
    """

    manifest: Manifest
    unknown: Unknown
    missing: tuple[str, ...]
    former: Path | None
    config: Path | None
    reports: reports.Kept


def restore(state: State, source: Path, *, keys_from: Path | None, over: bool, clock: Clock, by: str) -> Restored:
    """Puts the ledger of the backup in `source` into a state directory, held, with all that was open in doubt.

    `keys_from`: a copy of the keys, where the state directory has none or others. `over`: keeps a ledger that is there
    beside the new one; without it none may be there. Raises BadInput, BadConfig, LedgerUnavailable, and then has
    changed nothing.
    """
    if state.database is not None:
        raise BadInput(
            f"the ledger is in Postgres ({state.database}), which is put back by pg_restore; then run"
            " `kentongan restore --taken TIME` (docs/backup.md)"
        )
    found, signature = manifest.read(source)
    if found.schema > HEAD:
        raise BadInput(f"{source} was written by a newer Kentongan (version {found.version}); restore it with that one")
    if state.ledger.exists() and not over:
        raise BadInput(
            f"{state.root} holds a ledger already; restore into another with --state, or with --over, which keeps that"
            " one beside"
        )
    now = clock.wall()
    try:
        with _alone(state), files.staged(state.root) as folder:
            keys = _keys(state, keys_from, folder, over=over)
            if not manifest.is_signed(found, signature, keys.head_public_key):
                raise _other_keys(source, keys_from, state)
            _copy(source, found, folder)
            with Ledger.open(folder / LEDGER, clock=clock, upgrade=Upgrade.ALWAYS) as ledger:
                ledger.read(lambda read: _try_keys(read, found, keys))
                unknown = take_over(ledger, taken_at=found.taken_at, by=by)
                missing = ledger.read(lambda read: _missing(read, state, keys))
                wanted, within = ledger.read(reports.named), ledger.read(kept_reports.count)
            told = source / reports.FOLDER
            kept = reports.stage(wanted, source=told, there=state.reports, target=folder / reports.FOLDER)
            _settle_journals(folder / LEDGER)
            former = _switch(state, folder, now)
            _keep_head(state, found)
    except OSError as error:
        raise BadInput(f"nothing was restored into {state.root}: {files.told(error)}; make room there") from None
    if keys_from is not None and escrow.is_copy(state, keys_from):
        escrow.note(state, keys_from, now=now)
    config = source / "config"
    return Restored(found, unknown, missing, former, config if config.is_dir() else None, kept.and_within(within))


def hold_in_place(ledger: Ledger, *, taken_at: Milliseconds, clock: Clock, by: str) -> Unknown:
    """Holds a ledger that was put back by other means, as it was at `taken_at`, with all that was open in doubt.

    Run before anything sends from it. Raises BadInput, BadConfig, LedgerUnavailable.
    """
    if taken_at > clock.wall():
        raise BadInput("what was put back cannot be of a time to come; give the time when it was made")
    there = ledger.read(lambda read: senders.present(read, clock=clock, process=Process.current()))
    if there:
        roles = ", ".join(sorted({row.role for row in there}))
        raise BadConfig(f"something sends from this ledger ({roles}); stop it first, then run this again")
    return take_over(ledger, taken_at=taken_at, by=by)


# --- Nobody else ---


@contextlib.contextmanager
def _alone(state: State) -> Iterator[None]:
    """Keeps a service from beginning, and refuses where one or any other process has the ledger open."""
    with contextlib.ExitStack() as stack:
        service = stack.enter_context((state.run / "service.lock").open("a+"))
        try:
            fcntl.flock(service, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadConfig(f"a service runs on {state.root}; stop it first") from None
        if state.ledger.exists() and not stack.enter_context(files.closed_to_all(state.ledger)):
            raise BadConfig(
                f"another process has the ledger in {state.root} open; end it (a `kentongan` that sends or watches)"
            )
        yield


# --- Keys ---


def _keys(state: State, keys_from: Path | None, folder: Path, *, over: bool) -> StateKeys:
    """The keys at hand; a copy that was named is put beside the ledger in `folder`, unless the same lie here."""
    if keys_from is None:
        if not state.keys.is_dir():
            raise BadInput(f"{state.root} has no keys, and a backup holds none; name their copy with --keys FOLDER")
        return StateKeys.open(state.root, create=False)
    # What lies elsewhere stays there, and is tried on the backup as it is.
    apart = NAMES if people_key_place.find(state.keys).elsewhere else ()
    there = escrow.digest_of(keys_from, leaving_out=apart)
    if state.keys.is_dir():
        with contextlib.suppress(BadInput):
            if escrow.digest_of(state.keys, leaving_out=apart) == there:
                return StateKeys.open(state.root, create=False)
        if not over:
            raise BadInput(
                f"{state.keys} holds other keys than {keys_from}; move it away, or restore with --over, which keeps it"
                " beside"
            )
    (folder / state.keys.name).mkdir(mode=0o700)
    for path in sorted(keys_from.glob("*.key")):
        if path.name not in apart:
            files.copy_private(path, folder / state.keys.name / path.name)
    return StateKeys.open(folder, create=False)


def _other_keys(source: Path, keys_from: Path | None, state: State) -> BadInput:
    place = keys_from or state.keys
    return BadInput(
        f"the manifest in {source} is not signed by the keys in {place}: it was changed, or they are another ledger's;"
        " name the copy of the keys that belongs to it with --keys FOLDER"
    )


def _try_keys(read: Read, found: Manifest, keys: StateKeys) -> None:
    """Whether the keys have signed this ledger's chains and open what is encrypted in it; raises BadInput."""
    verdict = Verdict()
    check_head(read, found.head, keys.head_public_key, verdict)
    if verdict.differences:
        first = verdict.differences[0]
        raise BadInput(f"the ledger in the backup is not the one that was signed: {first.place} {first.sentence}")
    try:
        key_match.open_some(read, keys)
    except KentonganError:
        needed = f" It needs the key with fingerprint {' and '.join(found.people)}." if found.people else ""
        remedy = (
            f"put the key there that was copied with it ({CURRENT} in the copy of the keys)"
            if keys.people.elsewhere
            else "name the copy of the keys that was made with it with --keys FOLDER"
        )
        raise BadInput(
            f"these keys do not open the addresses in this backup; {remedy}.{needed} At hand is"
            f" {' and '.join(keys.people_fingerprints)}, in {keys.people.name}"
        ) from None


# --- Files ---


def _copy(source: Path, found: Manifest, folder: Path) -> None:
    """Copies the ledger, and holds every file of the backup against its manifest; raises BadInput."""
    if LEDGER not in found.files:
        raise BadInput(f"{source} holds no ledger; restore another backup")
    for name, digest in found.files.items():
        path = source / name
        if not path.is_file():
            raise BadInput(f"{path} is missing; restore another backup")
        copied = files.copy_private(path, folder / LEDGER) if name == LEDGER else files.sha256_of(path)
        if copied != digest:
            raise BadInput(f"{path} is not the file that was backed up; restore another backup")


def _settle_journals(path: Path) -> None:
    """Whoever closes a ledger last leaves no journal; with one it would not be whole under another name."""
    for ending in _JOURNALS:
        if path.with_name(path.name + ending).exists():
            raise BadInput(f"nothing was restored: the journal {path.name}{ending} could not be closed; try again")
    files.sync_file(path)


def _switch(state: State, folder: Path, now: Milliseconds) -> Path | None:
    """Gives the restored ledger its name, and the keys that came with it; what was there is kept beside, dated."""
    new_keys = folder / state.keys.name
    names = [state.ledger.name, *(state.ledger.name + ending for ending in _JOURNALS)]
    there = [state.root / name for name in names if (state.root / name).exists()]
    former = _keep(state, there, now) if there or (state.keys.is_dir() and new_keys.is_dir()) else None
    unfinished = state.root / UNFINISHED
    replace_private(unfinished, b"")
    # A journal beside a ledger that it is not of would be read into it.
    for path in there:
        if path != state.ledger:
            path.unlink()
    if new_keys.is_dir():
        sync_folder(new_keys)
        if former is not None and state.keys.is_dir():
            state.keys.rename(former / state.keys.name)
        new_keys.rename(state.keys)
    reports.put(folder / reports.FOLDER, state.reports, moment=dated(now))
    os.replace(folder / LEDGER, state.ledger)
    sync_folder(state.root)
    unfinished.unlink()
    sync_folder(state.root)
    return former


def _keep(state: State, there: Sequence[Path], now: Milliseconds) -> Path:
    """Gives the former ledger's files a second name in a folder beside; raises OSError, and then has left nothing."""
    former = state.root / f"former-{dated(now)}"
    former.mkdir(mode=0o700)
    try:
        for path in there:
            try:
                os.link(path, former / path.name)
            except OSError:
                # Not every file system knows second names.
                files.copy_private(path, former / path.name)
        sync_folder(former)
    except BaseException:
        shutil.rmtree(former, ignore_errors=True)
        raise
    return former


# --- Heads ---


def _missing(read: Read, state: State, keys: StateKeys) -> tuple[str, ...]:
    """What the newest head in the state directory had signed that the restored ledger does not hold."""
    try:
        newest = json.loads((state.heads / LATEST_HEAD).read_text("utf-8"))
        verdict = Verdict()
        check_head(read, newest, keys.head_public_key, verdict)
    except (OSError, ValueError, LookupError, TypeError):
        return ()
    return tuple(f"{each.place}: {each.sentence}" for each in verdict.differences)


def _keep_head(state: State, found: Manifest) -> None:
    """Puts the backup's own head with the others; `log verify` goes by it where no newer one lies here."""
    document = (json.dumps(found.head, indent=1, sort_keys=True) + "\n").encode()
    replace_private(state.heads / f"{dated(found.taken_at)}.json", document)
    if not (state.heads / LATEST_HEAD).exists():
        replace_private(state.heads / LATEST_HEAD, document)
